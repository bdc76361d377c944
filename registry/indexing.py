"""Keep the index in step with the rows: load a snapshot, follow the changes, answer with freshness.

Changes are written under the log's writer lock, so their numbers become visible in order and none is
skipped. Every query first takes what was committed since, which makes a registration matchable by the
very next request on every node.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
from sqlalchemy import Engine, func
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from indexer.fingerprints.kinds import PDQ, SOUND, Family, Kind, unpack_codes, unpack_vectors, vector_kinds
from indexer.index.port import BruteForceIndex, Index, Values
from indexer.index.snapshot import load_newest, save_snapshot
from registry.db import transaction
from registry.models import Fingerprint, IndexChange

CHANGES_PER_STEP = 5_000
ROWS_PER_QUERY = 20_000
CHANGES_PER_SNAPSHOT = 5_000
# `CHANGE`: the rows have another kind and value now; the new index has them before the old one lets go.
ADD, REMOVE, CHANGE = "add", "remove", "change"


@dataclass(frozen=True)
class IndexState:
    """How far the index has come."""

    through_change: int
    behind: int
    rows: dict[str, int]
    age_s: float  # since it was last known to be in step


def make_index(kind: Kind, implementation: str) -> Index:
    """The implementation that the setting names."""
    if implementation == "brute-force":
        return BruteForceIndex(kind)
    from indexer.index.faiss_index import FaissIndex  # imports faiss, which may be missing

    return FaissIndex(kind)


class Indexing:
    """One index per kind, and the thread that follows the changes."""

    def __init__(
        self, engine: Engine, implementation: str, folder: Path, registry_id: str, poll_interval_s: float
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._registry_id = registry_id
        self._poll_interval_s = poll_interval_s
        self.implementation = implementation
        self.kinds: tuple[Kind, ...] = (PDQ, SOUND, *vector_kinds())  # all that are known when it starts
        self.by_kind: dict[str, Index] = {
            kind.name: make_index(kind, implementation) for kind in self.kinds
        }
        # One thread at a time applies changes; searches only need the indexes' own locks.
        self._applying = threading.Lock()
        self._through = 0
        self._through_snapshot = 0
        self._in_step_at = monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="indexing", daemon=True)

    def start(self) -> None:
        """Load the newest good snapshot, catch up, keep following."""
        self._load_snapshots()
        with transaction(self._engine) as session:
            self.catch_up(session)
        self._thread.start()

    def stop(self) -> None:
        """Stop following and leave a snapshot for the next start."""
        self._stopping.set()
        self._thread.join()
        self._save_snapshots()

    def catch_up(self, session: Session) -> None:
        """Apply every committed change; afterwards the index is in step with what `session` sees."""
        with self._applying:
            while changes := self._next_changes(session):
                for operation, ids in _runs(changes):
                    self._apply(session, operation, ids)
                self._through = changes[-1].seq or self._through
            self._in_step_at = monotonic()

    def descriptors_held(self) -> list[str]:
        """Descriptor kinds by which at least one record can be found."""
        vectors = (kind.name for kind in self.kinds if kind.family is Family.VECTOR)
        return [name for name in vectors if len(self.by_kind[name])]

    def state(self, session: Session) -> IndexState:
        """How far the index has come, against what `session` sees."""
        newest = session.exec(select(func.max(IndexChange.seq))).one() or 0
        rows = {name: len(index) for name, index in self.by_kind.items()}
        age_s = monotonic() - self._in_step_at
        return IndexState(self._through, max(0, newest - self._through), rows, age_s)

    def _next_changes(self, session: Session) -> list[IndexChange]:
        later = select(IndexChange).where(col(IndexChange.seq) > self._through)
        return list(session.exec(later.order_by(col(IndexChange.seq)).limit(CHANGES_PER_STEP)))

    def _apply(self, session: Session, operation: str, ids: list[int]) -> None:
        if operation == REMOVE:
            for index in self.by_kind.values():
                index.remove(np.array(ids, np.int64))
            return
        for kind in self.kinds:
            for start in range(0, len(ids), ROWS_PER_QUERY):
                self._add(session, kind, ids[start : start + ROWS_PER_QUERY], operation)

    def _add(self, session: Session, kind: Kind, ids: list[int], operation: str) -> None:
        found = session.exec(
            select(Fingerprint.id, Fingerprint.value)
            .where(
                col(Fingerprint.id).in_(ids), Fingerprint.kind == kind.name, Fingerprint.orientation == 0
            )
            .order_by(col(Fingerprint.id))
        ).all()
        if not found:
            return
        rows = np.array([row_id for row_id, _ in found], np.int64)
        index = self.by_kind[kind.name]
        if operation == CHANGE:
            index.remove(rows)  # known already when changes are read again from the start
        index.add(rows, _unpack(kind, [value for _, value in found]))
        if operation == CHANGE:
            for name, other in self.by_kind.items():
                if name != kind.name:
                    other.remove(rows)

    def _follow(self) -> None:
        while not self._stopping.wait(self._poll_interval_s):
            try:
                with transaction(self._engine) as session:
                    self.catch_up(session)
            except SQLAlchemyError:  # the database is away; freshness says for how long
                continue
            if self._through - self._through_snapshot >= CHANGES_PER_SNAPSHOT:
                self._save_snapshots()

    def _load_snapshots(self) -> None:
        loaded = {kind: load_newest(self._folder, self._registry_id, kind) for kind in self.kinds}
        points = {one[0].through_change for one in loaded.values() if one}
        if len(points) != 1 or not all(loaded.values()):
            return  # missing, or not of one moment: the rows are read again from the start
        through = points.pop()
        with transaction(self._engine) as session:
            newest = session.exec(select(func.max(IndexChange.seq))).one() or 0
        if through > newest:
            return  # of another history
        for kind, snapshot in loaded.items():
            if snapshot and snapshot[0].rows:
                self.by_kind[kind.name].add(snapshot[1], snapshot[2])
        self._through = self._through_snapshot = through

    def _save_snapshots(self) -> None:
        with self._applying:
            if self._through == self._through_snapshot:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            for kind in self.kinds:
                rows = self.by_kind[kind.name].rows()
                save_snapshot(self._folder, self._registry_id, kind, rows, self._through)
            self._through_snapshot = self._through


def _runs(changes: list[IndexChange]) -> list[tuple[str, list[int]]]:
    """Neighbouring changes of one operation, joined."""
    runs: list[tuple[str, list[int]]] = []
    for change in changes:
        if runs and runs[-1][0] == change.operation:
            runs[-1][1].extend(change.fingerprint_ids)
        else:
            runs.append((change.operation, list(change.fingerprint_ids)))
    return runs


def _unpack(kind: Kind, values: list[bytes]) -> Values:
    return unpack_codes(values) if kind.family is Family.BINARY else unpack_vectors(values)
