"""A registry with witnesses, and a client that gives up at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.witnesses import WitnessedWorld
from tests.world import DatabaseServer


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gives up at once instead of asking again."""
    monkeypatch.setattr("sdk.patience.PATIENCE_S", 0.0)


@pytest.fixture
def world(database_server: DatabaseServer, home: Path, impatient: None) -> Iterator[WitnessedWorld]:
    with WitnessedWorld(database_server, home) as made:
        yield made
