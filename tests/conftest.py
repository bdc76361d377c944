"""One embedded PostgreSQL for the whole run; a migrated template that every test copies in 0.2 s."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())

from registry import db
from tests.world import DatabaseServer, World

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A short path, open to the database's own user: pytest's are closed, and too long for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="tp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database_server(scratch: Path) -> Iterator[DatabaseServer]:
    database = db.EmbeddedDatabase(scratch / "pg")
    server = DatabaseServer(database.url)
    server.make_template()
    yield server
    database.stop()


@pytest.fixture
def home(scratch: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=scratch))


@pytest.fixture
def world(database_server: DatabaseServer, home: Path) -> Iterator[World]:
    with World(database_server, home) as made:
        yield made


@pytest.fixture(scope="module")
def world_of_module(database_server: DatabaseServer, scratch: Path) -> Iterator[World]:
    """For a module whose tests only ask."""
    with World(database_server, Path(tempfile.mkdtemp(dir=scratch))) as made:
        yield made
        made.audit()


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the development media are not here")
    return SHARED
