"""An index in an engine that all nodes share: Milvus, or PostgreSQL with pgvector.

The first node that is asked applies what was committed since. It holds the lock of one row, which keeps the
engine's position. A node that dies before it writes the new position leaves changes to be applied again,
which changes nothing.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import Engine, create_engine
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from indexer.fingerprints.kinds import Family, Kind, searched_kinds
from indexer.index.engines import SharedEngine
from indexer.index.port import EngineUnavailable
from indexer.index.shared_index import SharedIndex
from registry.errors import IndexUnavailable
from registry.index.access import IndexState, Still, state_at
from registry.index.changes import apply_step
from registry.index.check import check_indexes
from registry.index.follower import Follower
from registry.index.loading import newest_change
from registry.index.rows import stored_rows
from registry.storage.db import transaction
from registry.storage.models import IndexPosition


class SharedEngineIndex:
    """See IndexAccess. One index for each kind, all in the same engine."""

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
        # A connection of its own: the request holds one of the pool's already, and requests may hold all.
        self._engine = create_engine(engine.url, pool_size=1, max_overflow=0, pool_pre_ping=True)
        self._applying = threading.Lock()
        self.kinds: tuple[Kind, ...] = searched_kinds()
        self.by_kind: dict[str, SharedIndex] = {
            kind.name: index_engine.make(kind, address, registry_id) for kind in self.kinds
        }
        self._position = 0  # as far as this node knows; the row may say more
        self._up_to_date_at = monotonic()
        self._descriptors_held: set[str] = set()
        self._follower = Follower(engine, self.catch_up, poll_interval_s)

    def start(self) -> None:
        """Fill an engine that knows nothing of this registry, then keep following the changes."""
        with transaction(self._engine) as session:
            first = insert(IndexPosition).values(engine=self._index_engine.name, position=0)
            session.execute(first.on_conflict_do_nothing())
            row = self._lock_position(session)
            newest = newest_change(session)
            if row.position == 0 or row.position > newest:
                for index in self.by_kind.values():
                    index.clear()
                    for ids, values in stored_rows(session, index.kind):
                        index.add(ids, values)
                row.position = newest
                session.add(row)
            self._position = row.position
        self._follower.start()

    def stop(self) -> None:
        """Stop following the changes and end all connections."""
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
                with self._applying:
                    self._apply_step()
        except EngineUnavailable as error:
            raise IndexUnavailable(str(error)) from error
        self._up_to_date_at = monotonic()

    def descriptors_held(self) -> list[str]:
        """See IndexAccess. A kind found once stays in the list: asking Milvus for a count takes 0.2 s."""
        kinds = [kind.name for kind in self.kinds if kind.family is Family.VECTOR]
        unknown = [name for name in kinds if name not in self._descriptors_held]
        self._descriptors_held |= {name for name in unknown if len(self.by_kind[name])}
        return [name for name in kinds if name in self._descriptors_held]

    def state(self, newest: int) -> IndexState:
        """See IndexAccess."""
        return state_at(newest, self._position, self._up_to_date_at)

    def check(self, session: Session, still: Still) -> Iterator[str]:
        """See IndexAccess."""
        self.catch_up(session)
        return check_indexes(session, self.by_kind, lambda: self._settled(still))

    @contextmanager
    def _settled(self, still: Still) -> Iterator[Session]:
        with still() as session:
            self.catch_up(session)
            yield session

    def _apply_step(self) -> None:
        with transaction(self._engine) as session:
            row = self._lock_position(session)
            # Changes that a node applied before it died, but did not note in the row, are applied again:
            # an engine replaces rows that it knows by the same rows.
            row.position = self._position = apply_step(session, self.by_kind, row.position)
            session.add(row)

    def _lock_position(self, session: Session) -> IndexPosition:
        """The row of this engine, locked until the transaction ends."""
        name = self._index_engine.name
        row = session.exec(select(IndexPosition).where(col(IndexPosition.engine) == name).with_for_update())
        return row.one()
