"""What use cases need of the index, wherever it lies: in this process, or with search nodes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from sqlmodel import Session

from indexer.fingerprints.kinds import Kind
from indexer.index.port import Searchable
from registry.index.loading import newest_change


@dataclass(frozen=True)
class IndexState:
    """How far the index has come."""

    position: int
    lag: int
    age_s: float  # since it was last known to be in step


def state_at(session: Session, position: int, in_step_at: float) -> IndexState:
    """Of an index that has come to `position`, against what `session` sees.

    `in_step_at`: of the monotonic clock, when it was last in step.
    """
    lag = max(0, newest_change(session) - position)
    return IndexState(position, lag, monotonic() - in_step_at)


class IndexAccess(Protocol):
    """One index per kind, in step with the rows whenever `catch_up` was called."""

    kinds: tuple[Kind, ...]

    @property
    def by_kind(self) -> Mapping[str, Searchable]:
        """By the name of the kind."""
        ...

    @property
    def description(self) -> str:
        """What is searched, and where, in words."""
        ...

    def catch_up(self, session: Session) -> None:
        """Afterwards a search sees every change that `session` sees."""
        ...

    def descriptors_held(self) -> list[str]:
        """Descriptor kinds by which at least one record can be found."""
        ...

    def state(self, session: Session) -> IndexState:
        """How far the index has come, against what `session` sees."""
        ...

    def check(self, session: Session) -> Iterator[str]:
        """Every difference from the rows, in words; nothing may be written meanwhile."""
        ...
