"""What use cases need of the index, wherever it lies: in this process, on search nodes or in an engine."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from sqlmodel import Session

from indexer.fingerprints.kinds import Kind
from indexer.index.port import Searchable

Still = Callable[[], AbstractContextManager[Session]]  # opens a session during which nobody registers


@dataclass(frozen=True)
class IndexState:
    """How current an index is."""

    position: int  # number of the last change that it has applied
    lag: int  # committed changes that it has not applied yet
    age_s: float  # time since it was last known to be up to date


def state_at(newest: int, position: int, up_to_date_at: float) -> IndexState:
    """The state of an index at `position`, where `newest` is the number of the newest change.

    `up_to_date_at`: when the index was last known to be up to date, by `time.monotonic`.
    """
    return IndexState(position, max(0, newest - position), monotonic() - up_to_date_at)


class IndexAccess(Protocol):
    """One index for each kind. After `catch_up` they agree with the rows that the session sees."""

    kinds: tuple[Kind, ...]

    @property
    def by_kind(self) -> Mapping[str, Searchable]:
        """The indexes by the names of their kinds."""
        ...

    @property
    def description(self) -> str:
        """What is searched and where, for people."""
        ...

    def catch_up(self, session: Session) -> None:
        """Afterwards a search sees every change that `session` sees."""
        ...

    def descriptors_held(self) -> list[str]:
        """Names of the descriptor kinds that have at least one row in the index."""
        ...

    def state(self, newest: int) -> IndexState:
        """How current the index is; `newest`: as `newest_change` reads it."""
        ...

    def check(self, session: Session, still: Still) -> Iterator[str]:
        """A sentence for every difference from the rows.

        Others may write meanwhile: what looks different is looked at again in a session of `still`, which
        holds the log's writer lock.
        """
        ...
