"""Commands on the machine itself say in a line what keeps a registry from them."""

from pathlib import Path

import pytest
from sqlalchemy import text

from registry.cli.existing import existing_registry
from registry.errors import BadBackup
from registry.settings import Settings
from registry.storage import db
from tests.world import DatabaseServer


@pytest.fixture
def settings(database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    url = database_server.new_database()
    monkeypatch.setenv("TRUEPRINT_DATABASE_URL", url)
    return Settings(home=tmp_path, database_url=url)


def test_a_folder_without_a_registry_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRUEPRINT_DATABASE_URL", raising=False)
    with pytest.raises(SystemExit), existing_registry(tmp_path):
        pass
    assert "there is no registry in" in capsys.readouterr().err


def test_what_the_registry_refuses_is_said(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), existing_registry(settings.home):
        raise BadBackup("it has no manifest")
    assert "it has no manifest [bad_backup]" in capsys.readouterr().err


def wait_in_vain(home: Path) -> None:
    with existing_registry(home) as (_, engine), db.transaction(engine) as session:
        session.execute(text("SET LOCAL statement_timeout = '10ms'"))
        session.execute(text("SELECT pg_sleep(60)"))


def test_a_database_that_is_waited_for_in_vain_is_said(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        wait_in_vain(settings.home)
    assert "[database_frozen]" in " ".join(capsys.readouterr().err.split())
