"""Fixtures. One embedded PostgreSQL serves the whole run; tests copy a migrated template in 0.2 s."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
# Otherwise gRPC (of pymilvus) starts its threads anew in every child that is forked for a terminal, until
# they are gone with the call of the program: one of them may then have complained on that terminal.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

from indexer.fingerprints.kinds import PDQ
from indexer.index.milvus_index import MilvusIndex
from indexer.index.port import EngineUnavailable
from registry.storage.embedded import EmbeddedDatabase
from tests.world import DatabaseServer, World

MILVUS_PROGRAM = Path(__file__).parents[1] / ".venv-milvus" / "bin" / "milvus-server"
START_WITHIN_S = 120
SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A short path that the database's user may read: pytest's are closed, and too long for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="tp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database_server(scratch: Path) -> Iterator[DatabaseServer]:
    database = EmbeddedDatabase(scratch / "pg")
    server = DatabaseServer(database.url)
    server.make_template()
    yield server
    database.stop()


@pytest.fixture(scope="module")
def milvus() -> Iterator[str]:
    """The address of a Milvus server that runs for one module."""
    if not MILVUS_PROGRAM.exists():
        pytest.skip("Milvus is not installed: make milvus")
    # One at a time: not all of a server's ports can be chosen.
    with (Path(tempfile.gettempdir()) / "trueprint-milvus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield from _run_milvus()


def _run_milvus() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="tpm")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(MILVUS_PROGRAM), "--data", folder, "--proxy-port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            deadline = time.monotonic() + START_WITHIN_S
            while True:
                try:
                    MilvusIndex(PDQ, f"http://127.0.0.1:{port}", "ready").close()
                    break
                except EngineUnavailable:
                    assert time.monotonic() < deadline, "Milvus does not start"
                    time.sleep(1)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(scratch: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=scratch))


@pytest.fixture
def world(database_server: DatabaseServer, home: Path) -> Iterator[World]:
    with World(database_server, home) as made:
        yield made


@pytest.fixture(scope="module")
def world_of_module(database_server: DatabaseServer, scratch: Path) -> Iterator[World]:
    """A world for a module whose tests only ask."""
    with World(database_server, Path(tempfile.mkdtemp(dir=scratch))) as made:
        yield made
        made.audit()


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the development media are not here")
    return SHARED
