"""The index in this process, which agrees with the committed rows in every answer.

Changes are written under the log's writer lock, so their numbers become visible in order and none is
skipped. Every query first applies what was committed since the last one, so that the very next request on
any node can match a registration; a thread applies changes while nobody asks.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from sqlalchemy import Engine
from sqlmodel import Session

from indexer.fingerprints.kinds import Family, Kind, searched_kinds
from indexer.index.device import Device
from indexer.index.engines import LocalEngine, OnDevice
from indexer.index.port import Index
from registry.index.access import IndexState, Still, state_at
from registry.index.changes import apply_step
from registry.index.check import check_indexes
from registry.index.follower import Follower
from registry.index.loading import load_indexes, newest_change
from registry.index.maintenance import Compactor, IndexFolder
from registry.index.mapped import FilesOfAnother, Reloader
from registry.storage.db import transaction


class LocalIndex:
    """See IndexAccess. One index for each kind; threads follow the changes and compact the files.

    Where the files are those of another process, they are mapped anew when it has written newer ones.
    """

    def __init__(
        self,
        engine: Engine,
        index_engine: LocalEngine,
        folder: Path | FilesOfAnother,
        registry_id: str,
        poll_interval_s: float,
        device: Device | None = None,
    ) -> None:
        self._engine = engine
        self._folder = folder if isinstance(folder, FilesOfAnother) else IndexFolder(folder)
        self._index_engine, self._registry_id, self._device = index_engine, registry_id, device
        self.kinds: tuple[Kind, ...] = searched_kinds()  # all that are known when it starts
        self.by_kind = self._empty_indexes()
        # Held by the one thread that applies changes; searches only need the indexes' own locks.
        self._applying = threading.Lock()
        self._checking = threading.Lock()  # the same rows are checked to the end
        self._position = 0
        self._replay_until = 0  # changes up to this one may be in an index already
        self._up_to_date_at = monotonic()
        self._follower = Follower(engine, self.catch_up, poll_interval_s)
        self._upkeep: Compactor | Reloader
        if self._writes_files:
            self._upkeep = Compactor(self.by_kind, self._changes_paused)
        else:
            self._upkeep = Reloader(self._folder.path, self._reload)

    def _empty_indexes(self) -> dict[str, Index]:
        make, folder = self._index_engine.make, self._folder.path
        return {kind.name: make(kind, folder, self._registry_id, self._device) for kind in self.kinds}

    @property
    def _writes_files(self) -> bool:
        return isinstance(self._folder, IndexFolder)

    def start(self) -> None:
        """Load what is on disk, catch up, then keep following the changes."""
        loading = load_indexes(self._engine, self.by_kind, is_ours=self._writes_files)
        self._position = loading.position
        with transaction(self._engine) as session:
            self._replay_until = newest_change(session)
            self.catch_up(session)
        self._follower.start()
        self._upkeep.start(loading.position_on_disk)

    def stop(self) -> None:
        """Stop following and leave a snapshot for the next start."""
        self._follower.stop()
        self._upkeep.stop()
        self._folder.release()

    def files_for_others(self) -> FilesOfAnother | None:
        """What further processes of this server map, written now; None where a device holds the rows."""
        if self._device is not None or not isinstance(self._upkeep, Compactor):
            return None
        self._upkeep.write()
        return FilesOfAnother(self._folder.path)

    def _reload(self) -> None:
        indexes = self._empty_indexes()
        position = load_indexes(self._engine, indexes, is_ours=False).position
        with transaction(self._engine) as session:
            replay_until = newest_change(session)
        with self._checking, transaction(self._engine) as session, self._after_its_connection(session):
            while (
                further := apply_step(session, indexes, position, replay_until=replay_until)
            ) != position:
                position = further
            # One after the other: a search of the old rows that was begun meanwhile is as good.
            self.by_kind, self._position, self._replay_until = indexes, position, replay_until

    @property
    def description(self) -> str:
        """See IndexAccess."""
        if self._device is None:
            return self._index_engine.description
        left = [
            name
            for name, index in self.by_kind.items()
            if isinstance(index, OnDevice) and not index.is_on_device
        ]
        where = f"device {self._device.name}, {self._device.memory.used_bytes >> 20} MiB"
        return where + (f"; {', '.join(left)} on the CPU: no room on the device" if left else "")

    @property
    def position(self) -> int:
        """The number of the last change that all indexes have applied."""
        return self._position

    def catch_up(self, session: Session) -> None:
        """See IndexAccess. Applies every change that `session` sees."""
        # This query comes before the lock, so that the session has its connection already: a thread that
        # held the lock and waited for a connection, while all connections waited for the lock, would
        # wait for ever.
        if newest_change(session) <= self._position:
            self._up_to_date_at = monotonic()
            return
        with self._applying:
            while True:
                position = apply_step(
                    session, self.by_kind, self._position, replay_until=self._replay_until
                )
                if position == self._position:
                    break
                self._position = position
            self._up_to_date_at = monotonic()

    def descriptors_held(self) -> list[str]:
        """See IndexAccess."""
        vectors = (kind.name for kind in self.kinds if kind.family is Family.VECTOR)
        return [name for name in vectors if len(self.by_kind[name])]

    def state(self, newest: int) -> IndexState:
        """See IndexAccess."""
        return state_at(newest, self._position, self._up_to_date_at)

    def check(self, session: Session, still: Still) -> Iterator[str]:
        """See IndexAccess."""
        with self._checking:
            self.catch_up(session)
            yield from check_indexes(session, self.by_kind, lambda: self._settled(still))

    @contextmanager
    def _settled(self, still: Still) -> Iterator[Session]:
        with still() as session:
            self.catch_up(session)
            with self._changes_paused():
                yield session

    @contextmanager
    def _after_its_connection(self, session: Session) -> Iterator[None]:
        """No change is applied meanwhile, by others than `session`; see `catch_up`."""
        newest_change(session)
        with self._applying:
            yield

    @contextmanager
    def _changes_paused(self) -> Iterator[int]:
        """No change is applied meanwhile; yields the position."""
        with self._applying:
            yield self._position
