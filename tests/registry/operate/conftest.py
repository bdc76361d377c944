"""A registry that was backed up, and where it can be restored into."""

import tempfile
from pathlib import Path

import pytest

from registry.settings import Settings
from tests.pictures import encoded
from tests.registry.operate.backups import Made, backup_of
from tests.world import DatabaseServer, World


@pytest.fixture(scope="module")
def made(world_of_module: World, scratch: Path) -> Made:
    desk = world_of_module.enrol("Daily Example")
    registered = world_of_module.register(desk, encoded("coffee"), "coffee")
    world_of_module.audit()  # which commits to the acts so far: a later one publishes nothing newer
    folder = Path(tempfile.mkdtemp(dir=scratch))
    return Made(world_of_module, backup_of(world_of_module, folder / "made"), registered)


@pytest.fixture
def new(home: Path, database_server: DatabaseServer) -> Settings:
    """Where a registry can be restored into: an empty database, and a folder that is not there yet."""
    url = database_server.new_database(template="template0")
    return Settings(home=home / "new", database_url=url, blob_url=None, decoder_workers=1)
