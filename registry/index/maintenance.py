"""The thread that tends the indexes and writes them to disk; nothing waits for it."""

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

LOOKS_EVERY_S = 2.0
CHANGES_PER_SNAPSHOT = 5_000
MOST_PROCESSES = 64  # of one home
_log = logging.getLogger(__name__)


class IndexFolder:
    """A folder of index files for this process alone, as long as it runs.

    Processes of one home take different ones: each drops the files that it no longer needs itself.
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
        """Let another process have it."""
        os.close(self._lock)


class Compactor:
    """Seals and joins segments, and leaves a snapshot every some thousand changes and at the end."""

    def __init__(
        self, indexes: dict[str, Index], changes_paused: Callable[[], AbstractContextManager[int]]
    ) -> None:
        """`changes_paused`: while it is held no index changes; gives the last change that is in all."""
        self._hosts = [host for index in indexes.values() if (host := host_of(index)) is not None]
        self._changes_paused = changes_paused
        self._written_position = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-compaction", daemon=True)

    def start(self, position: int) -> None:
        """Begin; everything up to `position` is on disk already."""
        self._written_position = position
        self._thread.start()

    def stop(self) -> None:
        """End, and leave a snapshot for the next start."""
        self._stopping.set()
        self._thread.join()
        self._write(at_least=1)

    def _run(self) -> None:
        while not self._stopping.wait(LOOKS_EVERY_S):
            for host in self._hosts:
                try:
                    host.compact()
                except (OSError, MemoryError, RuntimeError) as error:
                    # No room, or whatever FAISS raises: the rows stay where they are, and are found.
                    _log.warning("%s cannot be compacted: %s", host.kind.name, error)
            self._write(at_least=CHANGES_PER_SNAPSHOT)

    def _write(self, at_least: int) -> None:
        with self._changes_paused() as position:
            if position - self._written_position < at_least:
                return
            moments = [(host, take_snapshot(host, position)) for host in self._hosts]
        try:
            for host, moment in moments:
                write_snapshot(host, moment)
        except OSError as error:  # a start reads more rows from the database then
            _log.warning("the index cannot be written to disk: %s", error)
            return
        self._written_position = position
