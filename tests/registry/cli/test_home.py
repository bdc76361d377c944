"""A folder's own registry is opened by what is in the folder, whatever is set for another one."""

from pathlib import Path

import pytest

from registry.cli.home import settings_of_folder
from registry.log.transparency_log import read_note
from tests.world import World


def test_a_folders_log_has_neither_the_name_nor_the_keys_nor_the_witnesses_of_another(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "LOG_ORIGIN": "registry.example/log",
        "LOG_KEYS": "env:LOG_KEY",
        "ANSWER_KEYS": "env:ANSWER_KEY",
        "WITNESSES": "/etc/trueprint/witnesses",
        "DATABASE_URL": "postgresql://db.example/registry",
    }.items():
        monkeypatch.setenv(f"TRUEPRINT_{name}", value)
    settings = settings_of_folder(tmp_path)
    assert settings.log_origin == "localhost/log"
    assert (settings.log_keys, settings.answer_keys, settings.database_url) == (None, None, None)
    assert settings.witness_policy_file is None
    (tmp_path / "witnesses").write_text("quorum none\n")
    published = read_note(world.settings.checkpoint_file).replace("localhost/log", "desk.example/log", 1)
    (tmp_path / "checkpoint").write_text(published)
    settings = settings_of_folder(tmp_path)
    assert settings.witness_policy_file == tmp_path / "witnesses"
    assert settings.log_origin == "desk.example/log"
