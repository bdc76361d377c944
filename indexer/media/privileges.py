"""Who a decoder is to the kernel: another user or one without a world around it, with no rights at all.

Each function takes one thing away, for good, and raises OSError with the reason where it cannot. They are
meant for a process of one thread.
"""

import ctypes
import os
import struct
import tempfile

from indexer.media import kernel

NOBODY = 65534
# linux/capability.h
CAP_KILL, CAP_SETGID, CAP_SETUID = 5, 6, 7
CAPABILITY_VERSION = 0x20080522
CAPGET, CAPSET = {"x86_64": 125, "aarch64": 90}, {"x86_64": 126, "aarch64": 91}
# linux/sched.h
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000


def enter_name_spaces(*, of_users: bool) -> str | None:
    """Leaves network and shared memory, and `of_users` the name space of users.

    In one of its own a process may trace nothing outside, not even of its own user. Returns what this
    stops where it is less.
    """
    apart = CLONE_NEWNET | CLONE_NEWIPC
    # Some systems allow that of users, and none of what could be done in it.
    kinds = (apart | CLONE_NEWUSER, CLONE_NEWUSER) if of_users else (apart,)
    for flags in kinds:
        try:
            kernel.unshare(flags)
        except OSError as error:
            refusal = error
        else:
            return {apart: "network and shared memory", CLONE_NEWUSER: "processes of its own user"}.get(
                flags
            )
    raise _refused(refusal, "the kernel or the container allows no name spaces")


def leave_the_files() -> None:
    """Makes a removed folder the root of all paths: nothing is in it, and nothing can be made in it."""
    folder = tempfile.mkdtemp()
    try:
        os.chdir(folder)
    finally:
        os.rmdir(folder)
    try:
        os.chroot(".")
    except OSError as error:
        raise _refused(error, "neither root nor in a name space of its own") from error


def why_no_other_user() -> str | None:
    """Why this process cannot `become_nobody`; None: it can."""
    if os.geteuid() != 0:
        return "the server does not run as root"
    held = _capabilities()
    if not held & (1 << CAP_SETUID) or not held & (1 << CAP_SETGID):
        return "the container took the right to change users away"
    if not held & (1 << CAP_KILL):
        return "the server has no right to signal other users, and could not stop it any more"
    return None


def become_nobody() -> None:
    """Becomes the user who owns nothing."""
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        raise _refused(error, "the container has no user 65534") from error


def drop_rights() -> None:
    """Gives every capability up, and the chance to get one by a program."""
    machine = kernel.architecture()
    if machine is None:
        raise OSError("Linux only")
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION, 0))
    none = ctypes.create_string_buffer(24)
    kernel.system_call(CAPSET[machine], ctypes.addressof(header), ctypes.addressof(none))


def hide_memory() -> None:
    """Closes this process's memory and what /proc shows of it to others, except to root; no core dumps.

    An exec opens it again: what is started from here is not hidden.
    """
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def is_memory_hidden() -> bool:
    """Whether `hide_memory` holds for this process."""
    try:
        return kernel.prctl(kernel.PR_GET_DUMPABLE) == 0
    except OSError:
        return False


def _capabilities() -> int:
    """The effective capabilities, a bit each."""
    machine = kernel.architecture()
    if machine is None:
        raise OSError("Linux only")
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION, 0))
    sets = ctypes.create_string_buffer(24)  # effective, permitted, inheritable; then their upper halves
    kernel.system_call(CAPGET[machine], ctypes.addressof(header), ctypes.addressof(sets))
    effective: int = struct.unpack("=6I", sets.raw[:24])[0]
    return effective


def _refused(error: OSError, reason: str) -> OSError:
    return OSError(f"{reason} ({error.strerror})")
