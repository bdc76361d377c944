"""Calls of the Linux kernel that Python has no function for, made through libc. Everywhere else they fail.

It knows numbers and arguments, and nothing of what they are used for.
"""

import ctypes
import os
import platform
import sys

PR_SET_DUMPABLE, PR_GET_DUMPABLE = 4, 3
PR_SET_NO_NEW_PRIVS = 38
ARCHITECTURES = ("x86_64", "aarch64")


def architecture() -> str | None:
    """Which of ARCHITECTURES this process runs on under Linux; None: on no such one."""
    machine = platform.machine()
    return machine if sys.platform == "linux" and machine in ARCHITECTURES else None


def system_call(number: int, *arguments: int) -> int:
    """Makes a system call by its number. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return _checked(libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))


def prctl(option: int, value: int = 0) -> int:
    """Sets or gets something of this process (man 2 prctl). Raises OSError."""
    return _checked(_linux().prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))))


def unshare(flags: int) -> None:
    """Leaves the namespaces of these kinds for new ones (man 2 unshare). Raises OSError."""
    _checked(_linux().unshare(flags))


def threads() -> int:
    """How many threads this process has: what is set for one leaves the others as they are."""
    return len(os.listdir("/proc/self/task"))


def _linux() -> ctypes.CDLL:
    if sys.platform != "linux":
        raise OSError("only Linux can do this")
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
