"""Measures a registry of many assets: CPU time of a request, memory, and how soon it starts.

    python -m bench.scale [--assets 10000 100000 1000000]

The server is `trueprint serve` in a process of its own, PostgreSQL the embedded one. Assets are real rows
with random PDQ codes and random descriptors, written by COPY, beside a few photographs that are registered
over HTTP. CPU time is that of the server and of PostgreSQL, the client's is not counted. The baselines are
what HMA was measured to take per request on such a machine: 14 ms by hash, 79 ms by photograph.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import psycopg
from sqlalchemy import text

from bench.speed import edited, megapixel_photograph
from indexer.fingerprints.kinds import DESCRIPTOR, PDQ
from registry.cli.demo import DISTRACTORS, ORIGINALS, package_file
from registry.cli.home import open_home, settings_of_folder, throwaway_home
from registry.settings import OPERATOR_KEY, Settings
from registry.storage import db
from registry.storage.embedded import EmbeddedDatabase
from sdk.client import Client
from sdk.errors import SdkError
from sdk.models import FingerprintQuery, FingerprintValue
from sdk.registering import register_file
from sdk.signers import signer_of_home

HMA_HASH_MS, HMA_PHOTO_MS = 14.0, 79.0
ROWS_PER_CHANGE = 1_000
ROWS_AT_ONCE = 10_000
START_WITHIN_S = 900
COLUMNS = (
    "assets",
    "started from",
    "ready after s",
    "by a known hash, CPU ms",
    "by an unknown one",
    "times HMA",
    "a copy, CPU ms",
    "times HMA",
    "a distractor, CPU ms",
    "memory own / peak MB",
)
HASH_QUERIES, PHOTO_QUERIES = 100, 8


def fill(settings: Settings, assets: int) -> list[bytes]:
    """Writes `assets` records with a PDQ code and a descriptor each, and returns some of the codes."""
    random = np.random.default_rng(4)
    database = EmbeddedDatabase(settings.database_folder)
    engine = db.connect(database.url)
    asked: list[bytes] = []
    with psycopg.connect(db.conninfo(engine)) as connection:
        row = connection.execute("SELECT publisher_id, kid FROM record LIMIT 1").fetchone()
        assert row is not None
        for start in range(0, assets, ROWS_AT_ONCE):
            count = min(ROWS_AT_ONCE, assets - start)
            names = [str(uuid.uuid4()) for _ in range(count)]
            codes = random.integers(0, 256, (count, 32), np.uint8)
            vectors = random.normal(size=(count, DESCRIPTOR.size)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            asked.append(codes[0].tobytes())
            _copy_records(connection, names, row, start)
            with connection.cursor().copy(
                "COPY fingerprint (record_id, kind, orientation, time_ms, quality, value) FROM STDIN"
            ) as copy:
                for name, code, vector in zip(names, codes, vectors.astype("<f2"), strict=True):
                    copy.write_row((name, PDQ.name, 0, 0, 100, code.tobytes()))
                    copy.write_row((name, DESCRIPTOR.name, 0, 0, None, vector.tobytes()))
        connection.execute(
            "INSERT INTO index_change (operation, fingerprint_ids)"
            " SELECT 'add', array_agg(id) FROM fingerprint"
            " WHERE record_id NOT IN (SELECT id FROM record WHERE log_index < 1000000000)"
            f" GROUP BY id / {ROWS_PER_CHANGE} ORDER BY id / {ROWS_PER_CHANGE}"
        )
        connection.execute("UPDATE log_head SET active_records = active_records + %s", (assets,))
        connection.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    database.stop()
    return asked


def _copy_records(
    connection: "psycopg.Connection[object]", names: list[str], by: tuple[object, ...], start: int
) -> None:
    publisher, kid = by
    with connection.cursor().copy(
        "COPY record (id, publisher_id, kid, log_index, digest_sha256, asset_class, label, status,"
        " intimate, registered_at) FROM STDIN"
    ) as copy:
        for number, name in enumerate(names):
            digest = uuid.UUID(name).hex * 2
            copy.write_row(
                (name, publisher, kid, 1_000_000_000 + start + number, digest, "authentic", "an asset",
                 "active", False, "2026-01-01T00:00:00Z")
            )  # fmt: skip


@contextmanager
def served(home: Path, *options: str) -> Iterator[tuple[psutil.Process, str, float]]:
    """Runs the server of `home`; gives its process, its address, and the seconds until it was ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    trueprint = Path(sys.executable).with_name("trueprint")
    command = [str(trueprint), "serve", "--home", str(home), "--port", str(port), *options]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while time.monotonic() - started < START_WITHIN_S:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    with Client(f"http://127.0.0.1:{port}") as client:
                        client.log_state()
                    break
                except (OSError, SdkError):
                    time.sleep(0.1)
            else:
                raise TimeoutError(f"the server is not ready after {START_WITHIN_S} s")
            yield psutil.Process(process.pid), f"http://127.0.0.1:{port}", time.monotonic() - started
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def cpu_s(server: psutil.Process, folder: Path) -> float:
    """Returns the CPU seconds of the server, its children, and the database in `folder`."""
    total = 0.0
    for process in [server, *server.children(recursive=True), *_database(folder)]:
        try:
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
        except psutil.NoSuchProcess:
            continue
    return total


def _database(folder: Path) -> list[psutil.Process]:
    try:
        first = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        return [first, *first.children()]
    except (OSError, ValueError, psutil.NoSuchProcess):
        return []


def memory_mb(server: psutil.Process) -> tuple[float, float]:
    """Returns the server's own memory, and the most that it ever held with mapped files."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("RssAnon", "VmHWM"))}
    return int(found["RssAnon"]) / 1024, int(found["VmHWM"]) / 1024


def measure(assets: int) -> None:
    """Prints one row for the first start, from rows, and one for the next, from files."""
    with throwaway_home() as home:
        with open_home(home) as (url, key), Client(url, key) as client:
            signer = signer_of_home(client, home)
            for label, original in ORIGINALS.items():
                register_file(client, signer, package_file(*original), label=label)
        settings = settings_of_folder(home)
        key = (settings.key_folder / OPERATOR_KEY).read_text().strip()
        codes = fill(settings, assets)
        for source in ("rows", "files"):
            with served(home) as (server, url, ready_s), Client(url, key) as client:
                _report(assets, source, server, client, ready_s, codes, settings.database_folder)


def _report(
    assets: int,
    source: str,
    server: psutil.Process,
    client: Client,
    ready_s: float,
    codes: list[bytes],
    folder: Path,
) -> None:
    random = np.random.default_rng(6)

    def by_hash(known: bytes | None) -> None:
        others = [random.integers(0, 256, 32, np.uint8).tobytes() for _ in range(8)]
        asked = (known, *others[1:]) if known else others
        values = [
            FingerprintValue(value=f"{PDQ.name}:{code.hex()}", quality=100, orientation=place)
            for place, code in enumerate(asked)
        ]
        answer = client.match_fingerprints(FingerprintQuery(fingerprints=tuple(values)))
        assert bool(answer.matches) == bool(known)

    copy, unknown = (
        edited(megapixel_photograph()),
        package_file(*DISTRACTORS["motorcycle.png"]).read_bytes(),
    )

    def cost_ms(work: Callable[[], object], count: int) -> float:
        for _ in range(2):
            work()
        before = cpu_s(server, folder)
        for _ in range(count):
            work()
        return 1000 * (cpu_s(server, folder) - before) / count

    time.sleep(3)  # what a start leaves to be done in the background
    by_code = cost_ms(lambda: by_hash(codes[int(random.integers(len(codes)))]), HASH_QUERIES)
    by_nothing = cost_ms(lambda: by_hash(None), HASH_QUERIES)
    by_copy = cost_ms(lambda: client.match(copy), PHOTO_QUERIES)
    by_distractor = cost_ms(lambda: client.match(unknown), PHOTO_QUERIES)
    own, peak = memory_mb(server)
    print(
        f"| {assets:,} | {source} | {ready_s:.1f} | {by_code:.1f} | {by_nothing:.1f} | "
        f"{by_nothing / HMA_HASH_MS:.2f} | "
        f"{by_copy:.0f} | {by_copy / HMA_PHOTO_MS:.1f} | {by_distractor:.0f} | {own:.0f} / {peak:.0f} |",
        flush=True,
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--assets", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
    for assets in parser.parse_args().assets:
        measure(assets)


if __name__ == "__main__":
    main()
