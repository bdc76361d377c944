"""The thread that compacts the indexes and writes snapshots of them; nothing waits for it."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from indexer.index.engines import host_of
from indexer.index.port import Index
from indexer.index.snapshot import take_snapshot, write_snapshot

COMPACTION_INTERVAL_S = 2.0
CHANGES_PER_SNAPSHOT = 5_000
MOST_PROCESSES = 64  # that share one home
_log = logging.getLogger(__name__)


class IndexFolder:
    """A folder of index files that belongs to this process as long as it runs.

    Processes that share a home take different folders, because each deletes the files that it no longer
    needs.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        for number in range(MOST_PROCESSES):
            self._lock = os.open(home / f"{number}.lock", os.O_CREAT | os.O_RDWR, 0o644)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._lock)
                continue
            self.path = home / str(number)
            self.path.mkdir(exist_ok=True)
            return
        raise OSError(f"{MOST_PROCESSES} processes use {home} already")

    def release(self) -> None:
        """Let another process take the folder."""
        os.close(self._lock)


class Compactor:
    """Compacts the indexes every few seconds, and writes snapshots now and then and at the end."""

    def __init__(
        self, indexes: dict[str, Index], changes_paused: Callable[[], AbstractContextManager[int]]
    ) -> None:
        """`changes_paused`: while it is held, no index changes; it yields the position of the indexes."""
        self._hosts = [host for index in indexes.values() if (host := host_of(index)) is not None]
        self._changes_paused = changes_paused
        self._written_position = 0
        self._writing = threading.Lock()  # an index is not compacted while it is written
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-compaction", daemon=True)

    def start(self, position: int) -> None:
        """Start the thread; the changes up to `position` are in snapshots already."""
        self._written_position = position
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and write snapshots for the next start."""
        self._stopping.set()
        self._thread.join()
        self._write_snapshots(least_changes=1)

    def write(self) -> None:
        """Write snapshots of what no snapshot has yet."""
        self._write_snapshots(least_changes=1)

    def _run(self) -> None:
        while not self._stopping.wait(COMPACTION_INTERVAL_S):
            self._compact()
            self._write_snapshots(least_changes=CHANGES_PER_SNAPSHOT)

    def _compact(self) -> None:
        for host in self._hosts:
            try:
                with self._writing:
                    host.compact()
            except (OSError, MemoryError, RuntimeError) as error:
                # The disk or the memory is full, or FAISS fails: the rows stay where they are, and a
                # search finds them there.
                _log.warning("%s cannot be compacted: %s", host.kind.name, error)

    def _write_snapshots(self, least_changes: int) -> None:
        with self._writing:
            with self._changes_paused() as position:
                if position - self._written_position < least_changes:
                    return
                snapshots = [(host, take_snapshot(host, position)) for host in self._hosts]
            try:
                for host, snapshot in snapshots:
                    write_snapshot(host, snapshot)
            except OSError as error:  # the next start then reads more rows from the database
                _log.warning("the index cannot be written to disk: %s", error)
                return
            self._written_position = position
