"""What use cases need of the index, wherever it lies: in this process, or with matchers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlmodel import Session

from indexer.fingerprints.kinds import Family, Kind
from indexer.index.port import Searchable


@dataclass(frozen=True)
class IndexState:
    """How far the index has come."""

    through_change: int
    behind: int
    rows: dict[str, int]
    age_s: float  # since it was last known to be in step


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

    def rows(self) -> dict[str, int]:
        """How many can be found, by kind."""
        ...

    def state(self, session: Session) -> IndexState:
        """How far the index has come, against what `session` sees."""
        ...

    def check(self, session: Session) -> Iterator[str]:
        """Every difference from the rows, in words; nothing may be written meanwhile."""
        ...


def descriptors_held(index: IndexAccess) -> list[str]:
    """Descriptor kinds by which at least one record can be found."""
    rows = index.rows()
    vectors = (kind.name for kind in index.kinds if kind.family is Family.VECTOR)
    return [name for name in vectors if rows.get(name)]
