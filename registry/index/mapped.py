"""The index of a further process of one server: the files of the first one, mapped a second time.

The first process alone compacts and writes. The others map its sealed segments, so that the machine holds
their rows once, and keep in memory only what was registered since; when the first has written a newer
snapshot, they map that one instead.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from indexer.index.snapshot import newest_position

LOOKED_FOR_EVERY_S = 2.0
_log = logging.getLogger(__name__)


class FilesOfAnother:
    """A folder of index files that another process writes, as long as this one runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def release(self) -> None:
        """Nothing was taken."""


class Reloader:
    """Calls `reload` when there is a newer snapshot than the one that was loaded."""

    def __init__(self, folder: Path, reload: Callable[[], None]) -> None:
        self._folder, self._reload = folder, reload
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-reloading", daemon=True)
        self._loaded = 0

    def start(self, position: int) -> None:
        """Start the thread; the changes up to `position` were loaded."""
        self._loaded = position
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOKED_FOR_EVERY_S):
            newest = newest_position(self._folder)
            if newest <= self._loaded:
                continue
            try:
                self._reload()
            except Exception:
                # The old rows are searched on; what they lack is in memory.
                _log.warning("the newer files of the index are not mapped", exc_info=True)
                continue
            self._loaded = newest
