"""The filter run by an interpreter, so that it is seen for both architectures on any machine."""

import errno
import struct

import pytest

from indexer.media import landlock, seccomp
from indexer.media.kernel import ARCHITECTURES
from indexer.media.seccomp import ALLOW, AUDIT_ARCH, ERRNO, KILL_PROCESS, filter_program

REFUSED = ERRNO | errno.EACCES
PROT_READ_WRITE, PROT_ALL = 3, 7
CLONE_NEWUSER = 0x10000000
# As glibc and musl state them for a thread.
THREADS = (0x003D0F00, 0x007D0F00)
FORK = 17  # SIGCHLD
# On x86-64 and arm64: socket, connect, execve, ptrace, process_vm_writev, kill, tgkill, mount, setuid, dup,
# unshare, seccomp; and what is numbered alike: pidfd_open, pidfd_getfd, io_uring_setup.
NEVER = (
    (41, 42, 59, 101, 311, 62, 234, 165, 105, 32, 272, 317, 434, 438, 425),
    (198, 203, 221, 117, 271, 129, 131, 40, 146, 23, 97, 277, 434, 438, 425),
)


def decision(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter of `machine` returns for a call (linux/filter.h, five kinds of instructions)."""
    call = struct.pack(
        "<iIQ6Q",
        number,
        AUDIT_ARCH[machine] if arch is None else arch,
        0,
        *arguments,
        *[0] * (6 - len(arguments)),
    )
    code = list(struct.iter_unpack("HBBI", filter_program(machine)))
    at = word = 0
    while True:
        kind, if_true, if_false, operand = code[at]
        at += 1
        if kind == seccomp.RETURN:
            return int(operand)
        if kind == seccomp.LOAD_WORD:
            word = struct.unpack_from("<I", call, operand)[0]
            continue
        holds = {
            seccomp.JUMP_EQUAL: word == operand,
            seccomp.JUMP_AT_LEAST: word >= operand,
            seccomp.JUMP_ANY_BIT: bool(word & operand),
        }[kind]
        at += if_true if holds else if_false


@pytest.fixture(params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def column(machine: str) -> int:
    return ARCHITECTURES.index(machine)


def test_what_is_listed_is_allowed_or_refused_and_the_rest_kills(machine: str) -> None:
    listed = {numbers[column(machine)]: ALLOW for numbers in seccomp.ALLOWED.values()}
    listed |= {numbers[column(machine)]: REFUSED for numbers in seccomp.REFUSED.values()}
    ruled = (seccomp.CLONE, seccomp.CLONE3, seccomp.MMAP, seccomp.MPROTECT, seccomp.PRCTL, seccomp.PRLIMIT)
    others = {numbers[column(machine)] for numbers in ruled}
    for number in set(range(500)) - others:
        assert decision(machine, number) == listed.get(number, KILL_PROCESS), number
    assert not others & listed.keys()


def test_sockets_programs_signals_and_other_processes_are_not_listed(machine: str) -> None:
    assert {decision(machine, number) for number in NEVER[column(machine)]} == {KILL_PROCESS}


def test_calls_of_another_architecture_kill(machine: str) -> None:
    [other] = {AUDIT_ARCH[name] for name in ARCHITECTURES if name != machine}
    assert decision(machine, 0, arch=other) == KILL_PROCESS
    assert decision(machine, seccomp.X32_SYSCALL_BIT) == KILL_PROCESS
    assert decision(machine, -1) == KILL_PROCESS


def test_clone_makes_threads_and_nothing_else(machine: str) -> None:
    clone = seccomp.CLONE[column(machine)] or 0
    assert {decision(machine, clone, flags) for flags in THREADS} == {ALLOW}
    for flags in (
        FORK,
        0,
        *(flags | CLONE_NEWUSER for flags in THREADS),
        THREADS[0] & ~seccomp.CLONE_THREAD,
    ):
        assert decision(machine, clone, flags) == KILL_PROCESS
    assert decision(machine, seccomp.CLONE3[0] or 0) == ERRNO | errno.ENOSYS


def test_memory_cannot_be_run_and_limits_of_others_not_set(machine: str) -> None:
    for call in (seccomp.MMAP, seccomp.MPROTECT):
        number = call[column(machine)] or 0
        assert decision(machine, number, 0, 4096, PROT_READ_WRITE) == ALLOW
        assert decision(machine, number, 0, 4096, PROT_ALL) == REFUSED
    limits, settings = seccomp.PRLIMIT[column(machine)] or 0, seccomp.PRCTL[column(machine)] or 0
    assert decision(machine, limits, 0) == decision(machine, settings, seccomp.PR_SET_NAME) == ALLOW
    assert decision(machine, limits, 1) == decision(machine, settings, 4) == ERRNO | errno.EPERM


@pytest.mark.parametrize(("version", "size"), [(1, 8), (2, 8), (3, 8), (4, 16), (5, 16), (6, 24), (9, 24)])
def test_landlock_is_asked_for_what_its_version_knows(version: int, size: int) -> None:
    rights = landlock.ruleset(version)
    assert len(rights) == size
    assert int.from_bytes(rights[:8], "little") == (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    assert ("TCP" in landlock.stops(version), "signals" in landlock.stops(version)) == (size > 8, size > 16)
