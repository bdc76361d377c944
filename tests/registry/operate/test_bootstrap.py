from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registry.errors import StartRefused
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


def test_a_log_whose_key_is_elsewhere_is_begun_only_when_it_is_said_to_be_new(
    database_server: DatabaseServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    monkeypatch.setenv("LOG_KEY", pem.decode())
    settings = Settings(
        home=home,
        database_url=database_server.new_database(),
        log_origin="registry.example/log",
        log_keys="env:LOG_KEY",
    )
    assert settings.database_url is not None
    engine = db.connect(settings.database_url)
    with pytest.raises(StartRefused, match="serve --init --new-log"):
        initialise(settings, engine)
    assert not settings.checkpoint_file.exists()
    assert initialise(settings, engine, new_log=True)
    assert initialise(settings, engine) is None  # that log is there: nothing new is begun
    engine.dispose()
