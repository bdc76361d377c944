"""An index in an engine that all nodes share: Milvus, or PostgreSQL with pgvector.

Whoever is asked first applies what was committed since, under the lock of one row that says how far the
engine has come. A node that dies in between leaves changes to be applied again, which changes nothing.
"""

import threading
from collections.abc import Iterator
from time import monotonic

from sqlalchemy import Engine, create_engine
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from indexer.fingerprints.kinds import AUDIO, PDQ, Family, Kind, vector_kinds
from indexer.index.engines import SharedEngine
from indexer.index.port import EngineUnavailable
from indexer.index.shared_index import SharedIndex
from registry.errors import IndexUnavailable
from registry.index.access import IndexState, state_at
from registry.index.changes import apply_step
from registry.index.check import check_indexes
from registry.index.follower import Follower
from registry.index.loading import newest_change
from registry.index.rows import stored_rows
from registry.storage.db import transaction
from registry.storage.models import IndexPosition


class SharedEngineIndex:
    """See IndexAccess."""

    def __init__(
        self,
        engine: Engine,
        index_engine: SharedEngine,
        address: str,
        registry_id: str,
        poll_interval_s: float,
    ) -> None:
        """`address`: of the index engine. Raises EngineUnavailable."""
        self._index_engine = index_engine
        # A connection of its own: who asks holds one of the pool already, and all of them may.
        self._engine = create_engine(engine.url, pool_size=1, max_overflow=0, pool_pre_ping=True)
        self._stepping = threading.Lock()
        self.kinds: tuple[Kind, ...] = (PDQ, AUDIO, *vector_kinds())
        self.by_kind: dict[str, SharedIndex] = {
            kind.name: index_engine.make(kind, address, registry_id) for kind in self.kinds
        }
        self._position = 0  # what this node knows of; the row may be further
        self._in_step_at = monotonic()
        self._held: set[str] = set()
        self._follower = Follower(engine, self.catch_up, poll_interval_s)

    def start(self) -> None:
        """Fill an engine that knows nothing of this registry; keep following."""
        with transaction(self._engine) as session:
            first = insert(IndexPosition).values(engine=self._index_engine.name, through_change=0)
            session.execute(first.on_conflict_do_nothing())
            row = self._lock_position(session)
            newest = newest_change(session)
            if row.through_change == 0 or row.through_change > newest:
                for index in self.by_kind.values():
                    index.clear()
                    for ids, values in stored_rows(session, index.kind):
                        index.add(ids, values)
                row.through_change = newest
                session.add(row)
            self._position = row.through_change
        self._follower.start()

    def stop(self) -> None:
        """Stop following."""
        self._follower.stop()
        self._engine.dispose()
        for index in self.by_kind.values():
            index.close()

    @property
    def description(self) -> str:
        """See IndexAccess."""
        return self._index_engine.description

    def catch_up(self, session: Session) -> None:
        """See IndexAccess. Raises IndexUnavailable."""
        newest = newest_change(session)
        try:
            while self._position < newest:
                with self._stepping:
                    self._step()
        except EngineUnavailable as error:
            raise IndexUnavailable(str(error)) from error
        self._in_step_at = monotonic()

    def descriptors_held(self) -> list[str]:
        """See IndexAccess. A kind that was held once stays: asking Milvus for a count takes 0.2 s."""
        kinds = [kind.name for kind in self.kinds if kind.family is Family.VECTOR]
        self._held |= {name for name in kinds if name not in self._held and len(self.by_kind[name])}
        return [name for name in kinds if name in self._held]

    def state(self, session: Session) -> IndexState:
        """See IndexAccess."""
        return state_at(session, self._position, self._in_step_at)

    def check(self, session: Session) -> Iterator[str]:
        """See IndexAccess."""
        return check_indexes(session, self.by_kind)

    def _step(self) -> None:
        with transaction(self._engine) as session:
            row = self._lock_position(session)
            # What the last one who held the row did not live to write down is replaced by the same.
            reached = apply_step(session, self.by_kind, row.through_change)
            row.through_change = self._position = reached
            session.add(row)

    def _lock_position(self, session: Session) -> IndexPosition:
        name = self._index_engine.name
        row = session.exec(select(IndexPosition).where(col(IndexPosition.engine) == name).with_for_update())
        return row.one()
