from pathlib import Path

import pytest

from registry.operate.bootstrap import initialise
from registry.settings import ANSWER_KEY, LOG_KEY, Settings
from registry.storage import db
from tests.world import DatabaseServer


def test_a_registry_is_there_once_its_operators_key_is_kept(
    database_server: DatabaseServer, home: Path
) -> None:
    settings = Settings(home=home, database_url=database_server.new_database(), blob_url=None)
    assert settings.database_url is not None
    engine = db.connect(settings.database_url)

    def no_room(_: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        initialise(settings, engine, no_room)
    keys = [(settings.key_folder / f"{name}.pem").read_bytes() for name in (LOG_KEY, ANSWER_KEY)]
    kept: list[str] = []
    assert initialise(settings, engine, kept.append) == kept[0]
    assert [(settings.key_folder / f"{name}.pem").read_bytes() for name in (LOG_KEY, ANSWER_KEY)] == keys
    assert initialise(settings, engine, kept.append) is None
    assert len(kept) == 1
    engine.dispose()
