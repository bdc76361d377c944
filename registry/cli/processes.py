"""Further processes of one server: each answers requests from the same listening socket.

Python computes on one core a process. The first process does everything that there is to do once: it works
on videos, compacts the index, audits at night. The others answer requests alone. Whatever any of them
writes goes through the log's writer lock in the database, as that of any other node.

What another process is to know goes to its standard input, in one line, because other users see arguments.
The input stays open: it ends with the first process, however that ends, and then so do the others.
"""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pydantic import SecretStr
from sqlalchemy import Engine

from registry.app import Further
from registry.errors import StartRefused
from registry.index.local import LocalIndex
from registry.index.mapped import FilesOfAnother
from registry.services import Services
from registry.settings import API, Settings
from registry.storage.db import POOL_SIZE, conninfo

READY = b"ready\n"
STARTED_WITHIN_S = 120.0
STOPPED_WITHIN_S = 3.0
LOOKED_AFTER_EVERY_S, LONGEST_PAUSE_S = 2.0, 60.0
# Settings that bound what one machine bears, whatever the number of its processes, each with that for one
# caller; a caller leaves room for others in every process.
OF_THE_MACHINE = {"uploads": "uploads_per_key", "followers": "followers_per_key"}
LEAST_IN_A_PROCESS = 2
# Each process counts for itself what is found out of a hidden fingerprint, and every chain of queries costs
# anew in each: with fewer windows, platforms that send copies of one picture are refused.
LEAST_PROBED_WINDOWS = 64
CONNECTIONS_BESIDE = 10  # to the database: of jobs, witnesses and people
_log = logging.getLogger(__name__)


def share_of(settings: Settings) -> Settings:
    """The settings of each of several processes, which together take what one would."""
    count = settings.processes
    if count == 1:
        return settings

    def share(name: str) -> int:
        return max(LEAST_IN_A_PROCESS, -(-int(getattr(settings, name)) // count))

    shares = {name: share(name) for name in ("uploads_waiting", "lookups", "lookups_per_minute_in_all")}
    for name, of_one in OF_THE_MACHINE.items():
        shares[name] = share(name)
        shares[of_one] = max(1, min(-(-int(getattr(settings, of_one)) // count), shares[name] - 1))
    windows = max(min(LEAST_PROBED_WINDOWS, settings.probed_windows), settings.probed_windows // count)
    workers = max(1, settings.decoder_workers // count)
    return settings.model_copy(update={**shares, "probed_windows": windows, "decoder_workers": workers})


def pool_size(engine: Engine, processes: int) -> int:
    """How many connections each further process may keep; in need it opens as many more.

    Another follows the changes. Raises StartRefused.
    """
    with engine.connect() as connection:
        most = int(connection.exec_driver_sql("SHOW max_connections").scalar_one())
    left = most - CONNECTIONS_BESIDE - (2 * POOL_SIZE + 1)  # by the first
    size = (left // (processes - 1) - 1) // 2
    if size < 1:
        raise StartRefused(
            f"{processes} processes need more than the {most} connections that the database allows, "
            f"which are enough for {max(1, 1 + left // 3)}"
        )
    return min(POOL_SIZE, size)


class FurtherProcesses:
    """The other processes; one that ends is started again."""

    def __init__(
        self, settings: Settings, engine: Engine, listener: socket.socket, services: Services
    ) -> None:
        """Raises StartRefused where the index is on a device, which one process fills."""
        self._listener = os.dup(listener.fileno())  # the server closes its own before the others have ended
        self._told = {
            "settings": _as_json(settings),
            "noted": dict(services.noted),
            "database": conninfo(engine),
            "pool": pool_size(engine, settings.processes),
            "listener": self._listener,
            "index": _files_to_map(services),
        }
        self._count = settings.processes - 1
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="further-processes", daemon=True)

    def start(self) -> None:
        """Starts all of them, and returns when they answer. Raises StartRefused."""
        try:
            for _ in range(self._count):
                self._running.append(self._begun())
            for process in self._running:
                _wait_until_ready(process)
        except BaseException:
            self._end()
            raise
        self._thread.start()

    def tell(self) -> None:
        """Has all of them end; what is being answered is answered."""
        self._stopping.set()
        for process in self._running:
            with suppress(OSError):
                _close(process.stdin)

    def stop(self) -> None:
        """Ends all of them."""
        self.tell()
        self._thread.join()
        self._end()

    def _begun(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            # -P: nothing is imported from the folder that the server was started in.
            [sys.executable, "-P", "-m", "registry.cli.further_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._listener],
            # A terminal's Ctrl-C goes to the first process, which tells the others in its turn.
            process_group=0,
        )
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once; whoever waits for it is told
            process.stdin.write(json.dumps(self._told).encode() + b"\n")
            process.stdin.flush()
        return process

    def _watch(self) -> None:
        pause = LOOKED_AFTER_EVERY_S
        while not self._stopping.wait(pause):
            pause = (
                LOOKED_AFTER_EVERY_S
                if self._replace_those_that_ended()
                else min(2 * pause, LONGEST_PAUSE_S)
            )

    def _replace_those_that_ended(self) -> bool:
        """Whether all of them run."""
        for place, process in enumerate(self._running):
            if process.poll() is None:
                continue
            ended = process.pid, process.returncode
            _log.warning("process %d ended with status %d; another is started", *ended)
            _close(process.stdin, process.stdout)
            try:
                self._running[place] = self._begun()
                _wait_until_ready(self._running[place])
            except (OSError, StartRefused) as error:
                _log.error("another process cannot be started: %s", error)
                return False
        return True

    def _end(self) -> None:
        for process in self._running:
            _close(process.stdin)
        deadline = time.monotonic() + STOPPED_WITHIN_S
        for process in self._running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process.stdout)
        os.close(self._listener)


@contextmanager
def further_processes(
    settings: Settings, engine: Engine, listener: socket.socket, services: Services
) -> Iterator[list[Callable[[], None]]]:
    """Runs `settings.processes` less one; yields what tells them to end. Raises StartRefused."""
    if settings.processes == 1:
        yield []
        return
    processes = FurtherProcesses(settings, engine, listener, services)
    processes.start()
    try:
        yield [processes.tell]
    finally:
        processes.stop()


def _as_json(settings: Settings) -> dict[str, Any]:
    """With its secrets: it goes to a process of the same user, through a pipe."""
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in settings.model_dump().items()
    }
    told = {name: str(value) if isinstance(value, Path) else value for name, value in plain.items()}
    # Which descriptor is wanted may be chosen anew while this server runs.
    chosen = {"descriptor": settings.wanted_descriptor, "processes": 1, "video_workers": 0}
    return {**told, **chosen, "role": API}


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
    return Further(FilesOfAnother(Path(told["index"])) if told["index"] else None, told["noted"])


def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    patience = threading.Timer(STARTED_WITHIN_S, process.kill)
    patience.start()
    try:
        if process.stdout.readline() != READY:
            raise StartRefused("a further process does not start; what it says is above")
    finally:
        patience.cancel()


def _close(*streams: IO[bytes] | None) -> None:
    for stream in streams:
        if stream is not None:
            with suppress(OSError):
                stream.close()
