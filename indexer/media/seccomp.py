"""A system-call filter that lets a decoder compute, take memory and answer, and kills it for anything else.

On the list is what strace saw in use over every format that is read, and what other versions of the C
library use in its place. The filter is classic BPF (linux/filter.h, linux/seccomp.h) and stays for good.
"""

import ctypes
import struct

from indexer.media.kernel import architecture, system_call

# Numbers on x86-64 and on arm64 (linux/unistd.h); None: the architecture has no such call.
Numbers = tuple[int | None, int | None]
ALLOWED: dict[str, Numbers] = {
    # what is open: the two pipes
    "read": (0, 63),
    "write": (1, 64),
    "writev": (20, 66),
    "lseek": (8, 62),
    "close": (3, 57),
    # memory; mmap and mprotect below
    "futex": (202, 98),
    "brk": (12, 214),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    # threads
    "rt_sigprocmask": (14, 135),
    "rt_sigaction": (13, 134),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "rseq": (334, 293),
    "set_robust_list": (273, 99),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getcpu": (309, 168),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "restart_syscall": (219, 128),
    # time and chance
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "getrandom": (318, 278),
}
# Libraries try these and go on without: a character set for the name of a broadcast, whether a pipe is a
# terminal, a file for what cannot be read from memory, a place on a processor. The answer is EACCES.
REFUSED: dict[str, Numbers] = {
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "stat": (4, None),
    "lstat": (6, None),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "ioctl": (16, 29),
    "fcntl": (72, 25),
    "uname": (63, 160),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_getscheduler": (145, 120),
    "sched_getparam": (143, 121),
    "get_mempolicy": (239, 236),
    "mbind": (237, 235),
    "membarrier": (324, 283),
}
CLONE: Numbers = (56, 220)
CLONE3: Numbers = (435, 435)
MMAP: Numbers = (9, 222)
MPROTECT: Numbers = (10, 226)
PRCTL: Numbers = (157, 167)
PRLIMIT: Numbers = (302, 261)
SECCOMP: Numbers = (317, 277)

# What a thread shares with its process, as the C libraries state it; a process or a namespace has others.
CLONE_THREAD = 0x00010000
THREAD_FLAGS = 0x007D0F00
PROT_EXEC = 4
PR_SET_NAME, OWN_PROCESS = 15, 0
EPERM, EACCES, ENOSYS = 1, 13, 38

# linux/audit.h
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_SYSCALL_BIT = 0x40000000
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 1, 1
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
LOAD_WORD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# struct seccomp_data, little-endian; of an argument the lower half, where all flags below stand
NUMBER_AT, ARCHITECTURE_AT = 0, 4
ARGUMENT_AT = (16, 24, 32)


def filter_system_calls() -> None:
    """Has the kernel hold this process, with all its threads, to the list. Raises OSError where it cannot.

    Wants no_new_privs to be set.
    """
    machine = architecture()
    if machine is None:
        raise OSError("written for Linux on x86-64 and arm64 only")
    program = filter_program(machine)
    buffer = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    )
    number = SECCOMP[_column(machine)]
    assert number is not None
    system_call(number, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ctypes.addressof(header))


def filter_program(machine: str) -> bytes:
    """Builds the filter for one of kernel.ARCHITECTURES; instructions of 8 bytes each."""
    column = _column(machine)
    code = [
        _instruction(LOAD_WORD, ARCHITECTURE_AT),
        _instruction(JUMP_EQUAL, AUDIT_ARCH[machine], 1, 0),
        _return(KILL_PROCESS),
        _instruction(LOAD_WORD, NUMBER_AT),
        # x32 numbers on x86-64 mean other calls than those of the list.
        _instruction(JUMP_AT_LEAST, X32_SYSCALL_BIT, 0, 1),
        _return(KILL_PROCESS),
    ]
    for numbers in ALLOWED.values():
        code += _on(numbers[column], [_return(ALLOW)])
    code += _on(CLONE[column], _only_threads())
    # The flags of clone3 lie in memory, out of a filter's reach; libc then falls back to clone.
    code += _on(CLONE3[column], [_return(ERRNO | ENOSYS)])
    # No memory that can be run, but what was mapped before: a library is loaded no more.
    for call in (MMAP, MPROTECT):
        code += _on(call[column], _by_argument(2, JUMP_ANY_BIT, PROT_EXEC, ERRNO | EACCES, ALLOW))
    # Of prctl the name of a thread, of prlimit its own process: its time, within its hard limit.
    for call, only in ((PRCTL, PR_SET_NAME), (PRLIMIT, OWN_PROCESS)):
        code += _on(call[column], _by_argument(0, JUMP_EQUAL, only, ALLOW, ERRNO | EPERM))
    for numbers in REFUSED.values():
        code += _on(numbers[column], [_return(ERRNO | EACCES)])
    return b"".join([*code, _return(KILL_PROCESS)])


def _column(machine: str) -> int:
    return 0 if machine == "x86_64" else 1


def _on(number: int | None, rule: list[bytes]) -> list[bytes]:
    """`rule`, which must return, for the call of this number; for others what follows it."""
    return [] if number is None else [_instruction(JUMP_EQUAL, number, 0, len(rule)), *rule]


def _only_threads() -> list[bytes]:
    return [
        _instruction(LOAD_WORD, ARGUMENT_AT[0]),
        _instruction(JUMP_ANY_BIT, 0xFFFFFFFF & ~THREAD_FLAGS, 1, 0),
        _instruction(JUMP_ANY_BIT, CLONE_THREAD, 1, 0),
        _return(KILL_PROCESS),
        _return(ALLOW),
    ]


def _by_argument(argument: int, test: int, operand: int, if_true: int, if_false: int) -> list[bytes]:
    """Returns one of two actions by what a test says of an argument."""
    return [
        _instruction(LOAD_WORD, ARGUMENT_AT[argument]),
        _instruction(test, operand, 0, 1),
        _return(if_true),
        _return(if_false),
    ]


def _return(action: int) -> bytes:
    return _instruction(RETURN, action)


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, operand)
