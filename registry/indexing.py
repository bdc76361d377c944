"""Keep the indexes in step with the rows: follow the changes, answer with freshness.

Changes are written under the log's writer lock, so their numbers become visible in order and none is
skipped. Every query first takes what was committed since, which makes a registration matchable by the
very next request on every node; a thread takes it when nobody asks, as soon as the database tells of it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import numpy as np
import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from indexer.fingerprints.kinds import PDQ, SOUND, Kind, vector_kinds
from indexer.index.choice import BRUTE_FORCE, make_index
from indexer.index.device import Device
from indexer.index.port import Index
from registry.db import conninfo, transaction
from registry.index_access import IndexState
from registry.index_check import check_indexes
from registry.index_keeping import IndexFolder, IndexKeeper
from registry.index_loading import load_indexes, newest_change, unpack
from registry.models import Fingerprint, IndexChange

CHANGES_PER_STEP = 5_000
ROWS_PER_QUERY = 20_000
CHANNEL = "trueprint_index"
# `CHANGE`: the rows have another kind and value now; the new index has them before the old one lets go.
ADD, REMOVE, CHANGE = "add", "remove", "change"


def announce(session: Session, operation: str, fingerprint_ids: list[int]) -> None:
    """Tell every index of a change, in the transaction of the change, under the log's writer lock."""
    session.add(IndexChange(operation=operation, fingerprint_ids=fingerprint_ids))
    session.flush()
    session.execute(text(f"NOTIFY {CHANNEL}"))  # sent by the commit


class Indexing:
    """One index per kind, and the threads that follow the changes and tend the files."""

    def __init__(
        self,
        engine: Engine,
        implementation: str,
        folder: Path,
        registry_id: str,
        poll_interval_s: float,
        device: Device | None = None,
    ) -> None:
        self._engine = engine
        self._poll_interval_s = poll_interval_s
        self._folder = IndexFolder(folder)
        self._implementation, self._device = implementation, device
        self.kinds: tuple[Kind, ...] = (PDQ, SOUND, *vector_kinds())  # all that are known when it starts
        self.by_kind: dict[str, Index] = {
            kind.name: make_index(kind, implementation, self._folder.path, registry_id, device)
            for kind in self.kinds
        }
        # One thread at a time applies changes; searches only need the indexes' own locks.
        self._applying = threading.Lock()
        self._through = 0
        # Up to here a change may be in an index already.
        self._known_through = 0
        self._in_step_at = monotonic()
        self._stopping = threading.Event()
        self._follower = threading.Thread(target=self._follow, name="index-follower", daemon=True)
        self._keeper = IndexKeeper(self.by_kind, self._standing_still)

    def start(self) -> None:
        """Load what is on disk, catch up, keep following."""
        loading = load_indexes(self._engine, self.by_kind)
        self._through = loading.through_change
        with transaction(self._engine) as session:
            self._known_through = newest_change(session)
            self.catch_up(session)
        self._follower.start()
        self._keeper.start(loading.on_disk_through)

    def stop(self) -> None:
        """Stop following and leave a snapshot for the next start."""
        self._stopping.set()
        with suppress(SQLAlchemyError), transaction(self._engine) as session:
            session.execute(text(f"NOTIFY {CHANNEL}"))  # wakes the follower
        self._follower.join()
        self._keeper.stop()
        self._folder.release()

    @property
    def description(self) -> str:
        """What is searched, and where, in words."""
        if self._device is None:
            return "brute force" if self._implementation == BRUTE_FORCE else "segments on the CPU"
        left = [name for name, index in self.by_kind.items() if not getattr(index, "is_on_device", True)]
        where = f"device {self._device.name}, {self._device.memory.used_bytes >> 20} MiB"
        return where + (f"; {', '.join(left)} on the CPU: no room on the device" if left else "")

    def catch_up(self, session: Session) -> None:
        """Apply every committed change; afterwards the index is in step with what `session` sees."""
        with self._applying:
            while changes := self._next_changes(session):
                for operation, ids in _runs(changes):
                    self._apply(session, operation, ids)
                self._through = changes[-1].seq or self._through
            self._in_step_at = monotonic()

    @property
    def through(self) -> int:
        """The last change that is in all indexes."""
        return self._through

    def rows(self) -> dict[str, int]:
        """See IndexAccess."""
        return {name: len(index) for name, index in self.by_kind.items()}

    def check(self, session: Session) -> Iterator[str]:
        """See IndexAccess."""
        with self._standing_still():
            yield from check_indexes(session, self.by_kind)

    def state(self, session: Session) -> IndexState:
        """How far the index has come, against what `session` sees."""
        age_s = monotonic() - self._in_step_at
        behind = max(0, newest_change(session) - self._through)
        return IndexState(self._through, behind, self.rows(), age_s)

    @contextmanager
    def _standing_still(self) -> Iterator[int]:
        with self._applying:
            yield self._through

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
        if operation == CHANGE or self._through < self._known_through:
            index.remove(rows)  # known already where changes are applied again
        index.add(rows, unpack(kind, [value for _, value in found]))
        if operation == CHANGE:
            for name, other in self.by_kind.items():
                if name != kind.name:
                    other.remove(rows)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            with suppress(SQLAlchemyError, psycopg.Error):  # away: freshness says for how long
                self._listen()
            self._stopping.wait(self._poll_interval_s)

    def _listen(self) -> None:
        """Catch up whenever the database tells of a change, and now and then in case it does not."""
        with psycopg.connect(conninfo(self._engine), autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            while not self._stopping.is_set():
                with transaction(self._engine) as session:
                    self.catch_up(session)
                for _ in connection.notifies(timeout=self._poll_interval_s, stop_after=1):
                    pass


def _runs(changes: list[IndexChange]) -> list[tuple[str, list[int]]]:
    """Neighbouring changes of one operation, joined."""
    runs: list[tuple[str, list[int]]] = []
    for change in changes:
        if runs and runs[-1][0] == change.operation:
            runs[-1][1].extend(change.fingerprint_ids)
        else:
            runs.append((change.operation, list(change.fingerprint_ids)))
    return runs
