"""Landlock: a process gives up the right to reach files, and what else its kernel knows to refuse.

No rule is ever added, so all that is handled is denied (https://docs.kernel.org/userspace-api/landlock.html).
It also keeps a process from tracing one that is not under the same rules, whoever that belongs to.
"""

import ctypes
import errno
import os
import struct

from indexer.media import kernel

CREATE_RULESET, RESTRICT_SELF = 444, 446  # on every architecture
CREATE_RULESET_VERSION = 1
# Rights to files, of which each version knows more than the one before: 13, then moving between folders,
# truncating, and from the fifth on commands to devices.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
ALL_FILE_RIGHTS = 16
TCP_BIND_AND_CONNECT = 0b11  # from 4 on
ABSTRACT_SOCKETS_AND_SIGNALS = 0b11  # from 6 on
TCP_SINCE, SCOPES_SINCE = 4, 6
NEWEST = 6  # what later versions add, a decoder has nothing of


def restrict() -> int:
    """Takes away all that this kernel's version of Landlock can take, and returns that version.

    Wants no_new_privs to be set, and holds for the calling thread and those that it starts. Raises OSError.
    """
    if kernel.architecture() is None:
        raise OSError("Linux only")
    try:
        version = kernel.system_call(CREATE_RULESET, 0, 0, CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            raise OSError("the kernel has no Landlock, or it is turned off") from None
        raise
    rights = ctypes.create_string_buffer(ruleset(version))
    opened = kernel.system_call(CREATE_RULESET, ctypes.addressof(rights), len(rights.raw) - 1, 0)
    try:
        kernel.system_call(RESTRICT_SELF, opened, 0)
    finally:
        os.close(opened)
    return version


def ruleset(version: int) -> bytes:
    """The struct landlock_ruleset_attr of a version: as long as that version knows it."""
    handled = [(1 << FILE_RIGHTS.get(version, ALL_FILE_RIGHTS)) - 1]
    if version >= TCP_SINCE:
        handled.append(TCP_BIND_AND_CONNECT)
    if version >= SCOPES_SINCE:
        handled.append(ABSTRACT_SOCKETS_AND_SIGNALS)
    return struct.pack(f"={len(handled)}Q", *handled)


def stops(version: int) -> str:
    """What a version takes away, in words."""
    more = (", TCP" if version >= TCP_SINCE else "") + (
        ", signals and abstract sockets" if version >= SCOPES_SINCE else ""
    )
    return f"files, memory of other processes{more}"
