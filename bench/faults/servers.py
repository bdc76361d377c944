"""Servers as an operator runs them, and clients that register until they are answered."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from bench.faults.site import Site
from registry.log.transparency_log import head_of, tile_reader
from registry.storage import db
from sdk.checkpoint import Checkpoint, parse_checkpoint_unverified
from sdk.client import Client
from sdk.local import local_registration
from sdk.models import FingerprintQuery, FingerprintRegistration, FingerprintValue
from sdk.records import AssetClass
from sdk.tiles import tree_root

PROGRAM = Path(sys.executable).with_name("trueprint")
READY_WITHIN_S = 120.0
ANSWERED_WITHIN_S = 8.0
PASSING = (429, 500, 503)  # answers after which the same is sent again
PAUSE_S = 0.2


class Server:
    """`trueprint serve` on a registry; started again at the same address."""

    def __init__(
        self,
        site: Site,
        *,
        host: str = "127.0.0.1",
        within: Sequence[str] = (),
        database_url: str | None = None,
        **more: str,
    ) -> None:
        """`within`: a command that the server is run by, such as of a network name space."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://{host}:{port}"
        self._said = site.path(f"server-{port}.log")
        self._command = [*within, str(PROGRAM), "serve", "--host", host, "--port", str(port)]
        self._environment = os.environ | {
            "TRUEPRINT_HOME": str(site.settings.home),
            "TRUEPRINT_DATABASE_URL": database_url or str(site.settings.database_url),
            "TRUEPRINT_DECODER_WORKERS": "1",
            "TRUEPRINT_VIDEO_WORKERS": "0",
            **more,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it is ready. Raises TimeoutError with what it said."""
        self._launch()
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server is not ready: {self._said.read_text()[-2000:]}")
            if self._process is None or self._process.poll() is not None:
                self._launch()  # as a supervisor does: its database may still recover from a kill
            time.sleep(PAUSE_S)

    def _launch(self) -> None:
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=said, stderr=said)

    def is_ready(self) -> bool:
        """Whether it says that it can answer."""
        with suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    def kill(self) -> None:
        """Ends it at once, with all that it started."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ends it as an operator does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()


@dataclass
class Acknowledged:
    """What clients were told; all of them write to it."""

    records: dict[str, str] = field(default_factory=dict)  # id by value
    refused: Counter[str] = field(default_factory=Counter)  # codes of answers that mean: try again
    wrong: list[str] = field(default_factory=list)
    at: dict[str, list[float]] = field(default_factory=dict)  # when each server acknowledged something


class Clients:
    """Threads that register one value after another, with the next server where one does not answer."""

    def __init__(self, site: Site, servers: Sequence[Server], threads: int) -> None:
        self.said = Acknowledged(at={server.url: [] for server in servers})
        self._site, self._servers, self._key = site, servers, site.key
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        """Starts them."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends them, each after its answer."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        first = self._servers[number % len(self._servers) :]
        order = [*first, *self._servers[: number % len(self._servers)]]
        headers = {"authorization": f"Bearer {self._site.api_key}"}
        with httpx2.Client(headers=headers, timeout=ANSWERED_WITHIN_S) as http:
            while not self._stopping.is_set():
                value = f"pdq.v1:{secrets.token_hex(32)}"
                self._until_answered(http, [one.url for one in order], value)

    def _request(self, value: str) -> FingerprintRegistration:
        values = [FingerprintValue(value=value, quality=100)]
        digest = secrets.token_hex(32)
        return local_registration(values, self._site.issuer, AssetClass.AUTHENTIC, digest, "a", self._key)

    def _until_answered(self, http: httpx2.Client, urls: Sequence[str], value: str) -> None:
        """Sends the same request with the same idempotency key, as a client must that was not answered."""
        request, headers = (
            self._request(value).model_dump(mode="json"),
            {"idempotency-key": secrets.token_hex(8)},
        )
        while not self._stopping.is_set():
            for url in urls:
                try:
                    answer = http.post(f"{url}/v1/records/fingerprints", json=request, headers=headers)
                except httpx2.HTTPError:
                    continue
                if answer.status_code in PASSING:
                    self.said.refused[answer.json()["code"]] += 1
                    continue
                if answer.status_code not in (200, 201):
                    self.said.wrong.append(f"{answer.status_code}: {answer.text[:200]}")
                    return
                self.said.records[value] = answer.json()["record"]["id"]
                self.said.at[url].append(time.monotonic())
                return
            time.sleep(PAUSE_S)


def lost_of(said: Acknowledged, url: str, api_key: str) -> list[str]:
    """What was acknowledged and is not found, or not just once, at that server."""
    lost = []
    with Client(url, api_key) as client:
        for value, record in said.records.items():
            query = FingerprintQuery(fingerprints=(FingerprintValue(value=value, quality=100),))
            found = [match.record.id for match in client.match_fingerprints(query).matches]
            if found != [record]:
                lost.append(f"{record} is found as {found}")
        lost += [f"{finding.what}: {finding.detail}" for finding in client.audit().findings]
    return lost


def checkpoint_at(server: Server) -> Checkpoint | None:
    """What the server publishes now; None: it does not answer."""
    with suppress(httpx2.HTTPError):
        answer = httpx2.get(f"{server.url}/log/checkpoint", timeout=3)
        if answer.status_code == 200:
            return parse_checkpoint_unverified(answer.text)
    return None


def forks(site: Site, seen: Sequence[Checkpoint]) -> list[str]:
    """Which of these checkpoints are no prefix of the log as it is now."""
    assert site.settings.database_url is not None
    engine = db.connect(site.settings.database_url)
    with db.transaction(engine) as session:
        size, read = head_of(session).size, tile_reader(session)
        found = [
            f"a checkpoint over {one.size} entries is no prefix"
            for one in seen
            if one.size > size or tree_root(read, one.size) != one.root
        ]
    engine.dispose()
    return found
