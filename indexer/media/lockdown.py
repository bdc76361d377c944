"""Takes away from a decoder what it never needs, in layers of which each holds by itself.

A decoder that an upload took over is code of the attacker in this process. What it could do is taken away
before the first untrusted byte, by as many means as the machine has, since any one may have a hole or be
missing: a container may allow no name spaces, a kernel have no Landlock. What holds is said, and why the
rest does not (`docs/security.md`).
"""

import resource
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from indexer.media import kernel, landlock, privileges, seccomp
from indexer.media.limits import WorkerLimits

NAME_SPACES_STOP = "network, shared memory, reaching processes of its own user"
ANOTHER_USER_STOPS = "files, memory and processes of the server's user"
HIDDEN_MEMORY_STOPS = "the memory of other decoders, and of their uploads"
SYSTEM_CALLS_STOP = "all but computing and answering: files, sockets, programs, processes, signals, tracing"


@dataclass(frozen=True)
class Layer:
    """One thing that was taken away, or why it could not be."""

    name: str
    stops: str
    why_not: str | None = None  # None: it holds

    @property
    def holds(self) -> bool:
        """Whether it does here."""
        return self.why_not is None


def lock_down(limits: WorkerLimits) -> tuple[Layer, ...]:
    """Takes everything away that this machine can, for good, and returns what holds now.

    The order matters: name spaces give the right to change the root, which goes with the other rights;
    Landlock wants a descriptor; after the filter nothing can be set any more.
    """
    # What holds for one thread of several holds for none: they share their memory.
    others = kernel.threads() - 1 if kernel.architecture() else 0
    before = [_take(step, others) for step in _steps()]
    limit_resources(limits)
    return (
        *before,
        Layer("memory_and_time", "memory and computing time without end, written files, core dumps"),
        Layer("no_new_descriptors", "opening anything beyond its two pipes"),
        _take(_Step("system_calls", SYSTEM_CALLS_STOP, seccomp.filter_system_calls), others),
    )


@dataclass(frozen=True)
class _Step:
    name: str
    stops: str
    take: Callable[[], str | None]  # returns what it stops where that is something else
    of_thread: bool = False  # the kernel takes it from the calling thread and from those that it starts


def _steps() -> tuple[_Step, ...]:
    # Root becomes somebody else instead of entering a name space of users, which has no other user in it.
    one_user = privileges.why_no_other_user() if kernel.architecture() else None
    return (
        _Step(
            "name_spaces",
            NAME_SPACES_STOP,
            partial(privileges.enter_name_spaces, of_users=one_user is not None),
            of_thread=True,
        ),
        _Step("empty_root", "files by their names", privileges.leave_the_files),
        _Step("another_user", ANOTHER_USER_STOPS, partial(_become_another_user, one_user)),
        _Step(
            "no_rights",
            "rights of root, and programs that give some",
            privileges.drop_rights,
            of_thread=True,
        ),
        _Step("hidden_memory", HIDDEN_MEMORY_STOPS, privileges.hide_memory),
        _Step("landlock", landlock.stops(landlock.NEWEST), _restrict, of_thread=True),
    )


def _take(step: _Step, other_threads: int) -> Layer:
    if kernel.architecture() is None:
        return Layer(step.name, step.stops, "only on Linux, on x86-64 and arm64")
    try:
        stops = step.take() or step.stops
    except OSError as error:
        return Layer(step.name, step.stops, error.strerror or str(error))
    reason = f"{other_threads} more threads were running" if step.of_thread and other_threads else None
    return Layer(step.name, stops, reason)


def _become_another_user(why_not: str | None) -> None:
    if why_not is not None:
        raise OSError(why_not)
    privileges.become_nobody()


def _restrict() -> str:
    return landlock.stops(landlock.restrict())


def limit_resources(limits: WorkerLimits) -> None:
    """Limits memory, forbids new descriptors, written files and core dumps. CPU time is set per upload."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.address_space_bytes, limits.address_space_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What is open stays open; each new descriptor, of a file or a socket, would have too high a number.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def allow_cpu_time(seconds: int) -> None:
    """Lets this process use `seconds` more of CPU time, after which the kernel stops it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    budget = int(used.ru_utime + used.ru_stime) + 1 + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (budget, hard))
