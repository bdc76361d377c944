"""Further processes of one server: each answers requests from the same listening socket.

Python computes on one core a process. The first process does everything that there is to do once: it works
on videos, compacts the index, audits at night. The others answer requests alone. Whatever any of them
writes goes through the log's writer lock in the database, as that of any other node.

What another process is to know goes to its standard input, in one line, because other users see arguments.
The input stays open: it ends with the first process, however that ends, and then so do the others.
"""

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Engine

from registry.app import Further
from registry.errors import StartRefused
from registry.index.local import LocalIndex
from registry.index.mapped import FilesOfAnother
from registry.services import Services
from registry.settings import API, Settings
from registry.storage.db import conninfo

READY = b"ready\n"
STARTED_WITHIN_S = 120.0
STOPPED_WITHIN_S = 5.0
STARTED_AGAIN_AFTER_S = 2.0
# Settings that bound what one machine bears, whatever the number of its processes.
OF_THE_MACHINE = ("uploads", "uploads_waiting", "lookups", "lookups_per_minute_in_all", "followers")
LEAST_PROBED_WINDOWS = 16
_log = logging.getLogger(__name__)


def share_of(settings: Settings) -> Settings:
    """The settings of each of several processes, which together take what one would."""
    count = settings.processes
    shares = {name: -(-getattr(settings, name) // count) for name in (*OF_THE_MACHINE, "decoder_workers")}
    # Each process counts for itself what is found out of a hidden fingerprint.
    windows = max(LEAST_PROBED_WINDOWS, settings.probed_windows // count)
    return settings.model_copy(update={**shares, "probed_windows": windows})


class FurtherProcesses:
    """The other processes; one that ends is started again."""

    def __init__(
        self, settings: Settings, engine: Engine, listener: socket.socket, services: Services
    ) -> None:
        """Raises StartRefused where the index is on a device, which one process fills."""
        self._listener = listener
        self._told = {
            "settings": _as_json(settings),
            "database": conninfo(engine),
            "listener": listener.fileno(),
            "index": _files_to_map(services),
        }
        self._count = settings.processes - 1
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="further-processes", daemon=True)

    def start(self) -> None:
        """Starts all of them, and returns when they answer. Raises StartRefused."""
        self._running = [self._begun() for _ in range(self._count)]
        try:
            for process in self._running:
                _wait_until_ready(process)
        except StartRefused:
            self._end()
            raise
        self._thread.start()

    def stop(self) -> None:
        """Ends all of them; what is being answered is answered."""
        self._stopping.set()
        self._thread.join()
        self._end()

    def _begun(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "registry.cli.further_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._listener.fileno()],
            # A terminal's Ctrl-C goes to the first process, which tells the others in its turn.
            process_group=0,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(self._told).encode() + b"\n")
        process.stdin.flush()
        return process

    def _watch(self) -> None:
        while not self._stopping.wait(STARTED_AGAIN_AFTER_S):
            for place, process in enumerate(self._running):
                if process.poll() is None:
                    continue
                _log.warning(
                    "process %d ended with status %d; another is started", process.pid, process.returncode
                )
                _close(process)
                try:
                    self._running[place] = self._begun()
                except OSError as error:
                    _log.warning("it cannot be started: %s", error)

    def _end(self) -> None:
        for process in self._running:
            process.terminate()
        deadline = time.monotonic() + STOPPED_WITHIN_S
        for process in self._running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process)


@contextmanager
def further_processes(
    settings: Settings, engine: Engine, listener: socket.socket, services: Services
) -> Iterator[None]:
    """Runs `settings.processes` less one, until the end. Raises StartRefused."""
    if settings.processes == 1:
        yield
        return
    processes = FurtherProcesses(settings, engine, listener, services)
    processes.start()
    try:
        yield
    finally:
        processes.stop()


def _as_json(settings: Settings) -> dict[str, Any]:
    """With its secrets: it goes to a process of the same user, through a pipe."""
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in settings.model_dump().items()
    }
    told = {name: str(value) if isinstance(value, Path) else value for name, value in plain.items()}
    return {**told, "role": API, "processes": 1}


def _files_to_map(services: Services) -> str | None:
    index = services.index
    if not isinstance(index, LocalIndex):
        return None  # it lies outside this process already
    files = index.files_for_others()
    if files is None:
        raise StartRefused("an index on a device is filled by one process: --processes 1")
    return str(files.path)


def further_of(told: dict[str, Any]) -> Further:
    """What a further process has from the first."""
    return Further(FilesOfAnother(Path(told["index"])) if told["index"] else None)


def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    patience = threading.Timer(STARTED_WITHIN_S, process.kill)
    patience.start()
    try:
        if process.stdout.readline() != READY:
            raise StartRefused("a further process does not start; what it says is above")
    finally:
        patience.cancel()


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
