"""Registers and matches over loopback, at the highest rate whose 99th percentile is bearable.

    python -m bench.load [--minutes 10] [--photographs 0.0] [--rate R]

Two of three requests match, one registers; by fingerprints, and a share by photographs. Requests come at
fixed times, whether earlier ones are answered or not, and latency counts from those times. Without --rate
the rate is doubled, then halved in between, in probes of 20 seconds. At the end every acknowledged record
is asked for, the registry is audited, and the growth of the server's memory is shown.
"""

import argparse
import hashlib
import io
import secrets
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from bench.scale import memory_mb, served
from registry.cli.demo import DISTRACTORS, ORIGINALS, package_file
from registry.cli.home import open_home, throwaway_home
from registry.settings import OPERATOR_KEY
from sdk.client import Client
from sdk.local import local_registration
from sdk.models import FingerprintQuery, FingerprintValue
from sdk.records import AssetClass, new_statement, sign_statement
from sdk.registering import register_file
from sdk.signers import Signer, signer_of_home

BEARABLE_MS = 250.0
CLIENTS = 32
PROBE_S = 20.0
FIRST_RATE = 8.0  # requests a second
SAMPLE_EVERY_S = 15.0
SPAN_S, WORST_SPANS = 10.0, 3


@dataclass
class LoadResult:
    """What happened; all clients write to it."""

    latencies_ms: list[float] = field(default_factory=list)
    due_s: list[float] = field(default_factory=list)  # of the same requests, since the first
    errors: list[str] = field(default_factory=list)
    records: dict[str, str] = field(default_factory=dict)  # by fingerprint
    lock: threading.Lock = field(default_factory=threading.Lock)


class Load:
    """The clients of one registry."""

    def __init__(self, url: str, key: str, signer: Signer, photographs: float) -> None:
        self.url, self.key, self.signer = url, key, signer
        self._photographs = photographs
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._random = np.random.default_rng(9)
        self._pictures = [package_file(*source) for source in (*ORIGINALS.values(), *DISTRACTORS.values())]
        self.known: list[str] = []

    def warm_up(self) -> None:
        """Connects every client, so that no answer's time has a connection in it."""
        all_there = threading.Barrier(CLIENTS)

        def connect() -> None:
            self.client().log_state()
            all_there.wait()

        for future in [self._pool.submit(connect) for _ in range(CLIENTS)]:
            future.result()

    def client(self) -> Client:
        """Returns the client of this thread."""
        if not hasattr(self._local, "client"):
            self._local.client = Client(self.url, self.key)
        found: Client = self._local.client
        return found

    def run(self, rate: float, seconds: float) -> LoadResult:
        """Sends `rate` requests a second for so long."""
        result = LoadResult()
        pending: list[Future[None]] = []
        started = time.monotonic()
        for number in range(int(rate * seconds)):
            due = started + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            request = self._request(number, result)
            pending.append(self._pool.submit(self._one, due, due - started, request, result))
        for future in pending:
            future.result()
        return result

    def _request(self, number: int, result: LoadResult) -> Callable[[], None]:
        by_photograph = self._random.random() < self._photographs
        if number % 3 == 0:
            return self._register_photograph if by_photograph else lambda: self._register(result)
        return self._match_photograph if by_photograph else self._match

    def _one(self, due: float, due_s: float, request: Callable[[], None], result: LoadResult) -> None:
        try:
            request()
        except Exception as error:  # whatever it is, it is counted
            with result.lock:
                result.errors.append(f"{type(error).__name__}: {error}")
        with result.lock:
            result.latencies_ms.append(1000 * (time.monotonic() - due))
            result.due_s.append(due_s)

    def _register(self, result: LoadResult) -> None:
        code, digest = f"pdq.v1:{secrets.token_hex(32)}", secrets.token_hex(32)
        value = FingerprintValue(value=code, quality=100)
        issuer, key = self.signer.issuer, self.signer.key
        request = local_registration([value], issuer, AssetClass.AUTHENTIC, digest, "an asset", key)
        record = self.client().register_fingerprints(request).record.id
        with result.lock:
            result.records[code] = record
            self.known.append(code)

    def _match(self) -> None:
        known = self.known
        code = known[secrets.randbelow(len(known))] if known and secrets.randbelow(2) else None
        value = FingerprintValue(value=code or f"pdq.v1:{secrets.token_hex(32)}", quality=100)
        found = self.client().match_fingerprints(FingerprintQuery(fingerprints=(value,))).matches
        if bool(found) != bool(code):
            raise AssertionError("a wrong answer")

    def _crop(self) -> bytes:
        path: Path = self._pictures[secrets.randbelow(len(self._pictures))]
        with Image.open(path) as image:
            left, top = (secrets.randbelow(max(1, side // 6)) for side in image.size)
            buffer = io.BytesIO()
            image.convert("RGB").crop((left, top, image.width, image.height)).save(
                buffer, "JPEG", quality=80
            )
        return buffer.getvalue()

    def _match_photograph(self) -> None:
        self.client().match(self._crop())

    def _register_photograph(self) -> None:
        content = self._crop()
        issuer, key = self.signer.issuer, self.signer.key
        digest = hashlib.sha256(content).hexdigest()
        statement = new_statement(issuer, AssetClass.AUTHENTIC, digest, "a picture", preview_allowed=True)
        self.client().register(content, sign_statement(statement, key))


def p99(result: LoadResult) -> float:
    """Returns the 99th percentile in milliseconds."""
    return float(np.percentile(result.latencies_ms, 99))


def worst_spans(result: LoadResult) -> list[tuple[float, float]]:
    """Returns the slowest spans of ten seconds: when each began, its 99th percentile in milliseconds."""
    spans = (np.array(result.due_s) // SPAN_S).astype(int)
    latencies = np.array(result.latencies_ms)
    slowest = [
        (SPAN_S * span, float(np.percentile(latencies[spans == span], 99))) for span in np.unique(spans)
    ]
    return sorted(slowest, key=lambda span: -span[1])[:WORST_SPANS]


def highest_rate(load: Load) -> float:
    """Returns the highest bearable requests a second, found by doubling and halving."""
    good, bad, rate = 0.0, float("inf"), FIRST_RATE
    while bad - good > 0.15 * good or not good:
        result = load.run(rate, PROBE_S)
        fine = p99(result) <= BEARABLE_MS and not result.errors
        print(f"{rate:.0f} a second: 99th percentile {p99(result):.0f} ms", flush=True)
        good, bad = (rate, bad) if fine else (good, rate)
        rate = 2 * rate if bad == float("inf") else (good + bad) / 2
        if rate < 0.5:
            break
    return good


def main() -> None:
    """Finds the rate, holds it, and prints what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--photographs", type=float, default=0.0, help="their share of the requests")
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    with throwaway_home() as home:
        with open_home(home) as (url, key), Client(url, key) as client:
            signer = signer_of_home(client, home)
            for label, source in ORIGINALS.items():
                register_file(client, signer, package_file(*source), label=label)
        key = (home / "keys" / OPERATOR_KEY).read_text().strip()
        with served(home) as (server, url, _):
            load = Load(url, key, signer, options.photographs)
            load.warm_up()
            rate = options.rate or 0.9 * highest_rate(load)
            memory: list[float] = []
            done = threading.Event()
            watcher = threading.Thread(target=_watch, args=(server, memory, done))
            watcher.start()
            result = load.run(rate, 60 * options.minutes)
            done.set()
            watcher.join()
            _report(load, result, rate, memory, url, key)


def _watch(server: psutil.Process, memory: list[float], done: threading.Event) -> None:
    while not done.wait(SAMPLE_EVERY_S):
        memory.append(memory_mb(server)[0])


def _report(load: Load, result: LoadResult, rate: float, memory: list[float], url: str, key: str) -> None:
    with Client(url, key) as client:
        lost = 0
        for code, record in result.records.items():
            value = (FingerprintValue(value=code, quality=100),)
            matches = client.match_fingerprints(FingerprintQuery(fingerprints=value)).matches
            lost += record not in [match.record.id for match in matches]
        audit = client.audit()
    half = len(memory) // 2
    print(f"requests: {len(result.latencies_ms)} at {rate:.1f} a second")
    print(f"median {statistics.median(result.latencies_ms):.0f} ms, 99th percentile {p99(result):.0f} ms")
    for start, slowest in worst_spans(result):
        print(f"from second {start:.0f} on: 99th percentile {slowest:.0f} ms")
    print(f"errors: {len(result.errors)} {result.errors[:3]}")
    print(f"registered and acknowledged: {len(result.records)}, lost: {lost}, audit clean: {audit.clean}")
    if half:
        first, second = statistics.mean(memory[:half]), statistics.mean(memory[half:])
        print(f"memory of the server: {first:.0f} MB in the first half, {second:.0f} MB in the second")


if __name__ == "__main__":
    main()
