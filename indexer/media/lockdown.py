"""Takes away what a decoder never needs: network, new programs, unlimited memory and time.

The system-call filter works on Linux only; elsewhere the resource limits hold alone. Called once in the
child process, after its imports and before the first untrusted byte.
"""

import ctypes
import platform
import resource
import struct
import sys

from indexer.media.limits import WorkerLimits

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_KILL_PROCESS = 0x80000000
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_ALLOW = 0x7FFF0000
ENOSYS = 38
# linux/audit.h
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# System calls that open a socket, start a program or reach into another process, per architecture:
# socket, connect, bind, sendto, socketpair, fork, vfork, execve, execveat, ptrace,
# process_vm_readv, process_vm_writev, io_uring_setup, bpf, mount, kill, tkill.
DENIED = {
    "x86_64": (41, 42, 49, 44, 53, 57, 58, 59, 322, 101, 310, 311, 425, 321, 165, 62, 200),
    "aarch64": (198, 203, 200, 206, 199, 221, 281, 117, 270, 271, 425, 280, 40, 129, 130),
}
# classic BPF (linux/filter.h)
BPF_LOAD_WORD = 0x20
BPF_JUMP_EQUAL = 0x15
BPF_JUMP_AT_LEAST = 0x35
BPF_JUMP_ANY_BIT = 0x45
BPF_RETURN = 0x06
X32_SYSCALL_BIT = 0x40000000
# struct seccomp_data (linux/seccomp.h), little-endian
CALL_NUMBER_OFFSET, ARCHITECTURE_OFFSET, FIRST_ARGUMENT_OFFSET = 0, 4, 16
# dav1d decodes AVIF with threads, so clone is allowed for them and for nothing else.
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = 435
CLONE_THREAD = 0x00010000


def limit_resources(limits: WorkerLimits) -> None:
    """Limits memory and open files, forbids written files and core dumps. CPU time is set per upload."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.address_space_bytes, limits.address_space_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def allow_cpu_time(seconds: int) -> None:
    """Lets this process use `seconds` more of CPU time, after which the kernel stops it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    budget = int(used.ru_utime + used.ru_stime) + 1 + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (budget, hard))


def forbid_system_calls() -> bool:
    """Has the kernel kill this process when it opens a socket or starts a program; True if it will."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in AUDIT_ARCH:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    program = _filter_program(machine)
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0) == 0)


def _filter_program(machine: str) -> bytes:
    """Builds a filter that kills on a foreign architecture, a denied call or a new process."""
    kill = _instruction(BPF_RETURN, SECCOMP_RET_KILL_PROCESS)
    code = [
        _instruction(BPF_LOAD_WORD, ARCHITECTURE_OFFSET),
        _instruction(BPF_JUMP_EQUAL, AUDIT_ARCH[machine], 1, 0),
        kill,
        _instruction(BPF_LOAD_WORD, CALL_NUMBER_OFFSET),
        # x32 numbers on x86_64 would slip past the list below.
        _instruction(BPF_JUMP_AT_LEAST, X32_SYSCALL_BIT, 0, 1),
        kill,
    ]
    for number in DENIED[machine]:
        code += [_instruction(BPF_JUMP_EQUAL, number, 0, 1), kill]
    code += [
        # The flags of clone3 lie in memory, out of a filter's reach; libc then falls back to clone.
        _instruction(BPF_JUMP_EQUAL, CLONE3, 0, 1),
        _instruction(BPF_RETURN, SECCOMP_RET_ERRNO | ENOSYS),
        _instruction(BPF_JUMP_EQUAL, CLONE[machine], 0, 3),
        _instruction(BPF_LOAD_WORD, FIRST_ARGUMENT_OFFSET),
        _instruction(BPF_JUMP_ANY_BIT, CLONE_THREAD, 1, 0),
        kill,
        _instruction(BPF_RETURN, SECCOMP_RET_ALLOW),
    ]
    return b"".join(code)


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, operand)
