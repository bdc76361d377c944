"""A backup is whole, or recognised as not; a restore gives back what was acknowledged, and forks no log."""

import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text
from typer.testing import CliRunner

from registry.errors import BackupFailed, BadBackup, RestoreRefused
from registry.log.key_ring import KeyRing
from registry.log.signers import Algorithm
from registry.operate.backup import make_backup
from registry.operate.backup_format import (
    MANIFEST,
    read_manifest,
    verify_files,
)
from registry.operate.rehearsal import rehearse
from registry.operate.restore import restore_backup
from registry.settings import Settings
from registry.storage import db
from samples.video_edits import Piece
from sdk import models
from sdk.cli import app
from sdk.verify import verify_receipt
from tests.pictures import encoded
from tests.registry.jobs.test_lifecycle import finished
from tests.registry.operate.backups import Made, backup_of, moved
from tests.videos import clip, edited
from tests.world import DatabaseServer, World

CHECK_FAILED = 3


def test_a_lost_home_is_restored_while_registrations_went_on(
    world: World, new: Settings, home: Path
) -> None:
    desk = world.enrol("Daily Example")
    before = [world.register(desk, encoded(name), name) for name in ("coffee", "cat")]
    done = threading.Event()

    def go_on() -> None:
        for number in range(1000):
            if done.is_set():
                return
            world.register(desk, encoded("rocket") + bytes([number % 250]) * 3, f"meanwhile {number}")

    meanwhile = threading.Thread(target=go_on)
    meanwhile.start()
    backup = backup_of(world, home / "backup")
    done.set()
    meanwhile.join()
    world.stop()
    shutil.rmtree(world.settings.home / "keys")  # the home is lost: what of it lies elsewhere goes with it
    shutil.rmtree(world.settings.home / "blobs")
    world.settings.checkpoint_file.unlink()

    restore_backup(backup, new, nothing_newer=True)
    moved(world, new)
    world.audit()
    for registration in before:
        verify_receipt(registration.receipt, log_key=world.services.log.key.text())
        now = world.operator.receipt(registration.record.id)
        assert verify_receipt(now).log_index == registration.record.log_index
    assert [match.record.label for match in world.again(desk).client.match(encoded("coffee")).matches]
    assert list(home.glob(".*.part")) == []


def test_private_keys_are_copied_only_when_asked_for_and_for_their_owner_only(
    made: Made, home: Path
) -> None:
    without = backup_of(made.world, home / "without", keys=False)
    assert not (without / "keys").exists()
    with_keys = made.backup / "keys"
    assert {path.name for path in with_keys.iterdir()} >= {"log.pem", "answers.pem", "webhooks.key"}
    for path in (made.backup, with_keys, *with_keys.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_files_of_a_backup_hold_no_password_and_its_settings_are_kept(made: Made, home: Path) -> None:
    settings = made.world.settings.model_copy(update={"log_origin": "localhost/log"})
    settings = Settings(**{**settings.model_dump(), "search_secret": "s" * 20, "candidates": 7})
    settings = settings.model_copy(
        update={"milvus": "https://u:pass@m.example", "search_nodes": "http://u:pass@one:8101"}
    )
    target = home / "backup"
    make_backup(settings, made.world.engine, target)
    text = (target / "settings.env").read_text()
    assert "TRUEPRINT_CANDIDATES=7\n" in text
    assert "ssss" not in text
    assert "pass" not in text
    assert "postgresql://" not in text


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def bit_flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name", ["rows/record.copy.gz", "blobs.tar", "settings.env", "keys/log.pem", "manifest.json"]
)
@pytest.mark.parametrize("damage", [truncated, bit_flipped, Path.unlink])
def test_a_damaged_backup_is_recognised(
    made: Made, new: Settings, home: Path, name: str, damage: Callable[[Path], None]
) -> None:
    copy = made.copy(home)
    damage(copy / name)
    with pytest.raises(BadBackup):
        restore_backup(copy, new, nothing_newer=True)
    assert not new.home.exists()


def test_a_half_written_backup_and_a_strange_file_are_recognised(made: Made, home: Path) -> None:
    copy = made.copy(home)
    (copy / "more").write_bytes(b"")
    with pytest.raises(BadBackup, match="more is not named"):
        verify_files(copy, read_manifest(copy))
    (copy / "manifest.sha256").unlink()  # the last that is written
    with pytest.raises(BadBackup, match="never finished"):
        read_manifest(copy)
    with pytest.raises(BadBackup, match="no folder"):
        read_manifest(home / "nowhere")


def test_a_backup_that_fails_leaves_nothing(made: Made, home: Path) -> None:
    settings = made.world.settings.model_copy(update={"home": home / "keyless"})
    with pytest.raises(BackupFailed, match="no keys"):
        make_backup(settings, made.world.engine, home / "backup", keys=True)
    with pytest.raises(BackupFailed, match="there already"):
        backup_of(made.world, made.backup)
    assert [path.name for path in home.iterdir()] == ["keyless"]


def test_a_restore_takes_no_place_that_is_in_use(made: Made, new: Settings) -> None:
    new.home.mkdir()
    (new.home / "letter").write_bytes(b"")
    with pytest.raises(RestoreRefused, match="not empty"):
        restore_backup(made.backup, new, nothing_newer=True)
    (new.home / "letter").unlink()
    used = new.model_copy(update={"database_url": made.world.settings.database_url})
    with pytest.raises(RestoreRefused, match="the database is not empty"):
        restore_backup(made.backup, used, nothing_newer=True)
    made.world.audit()


def test_a_rehearsal_finds_a_backup_good_and_what_was_tampered_with(world: World, home: Path) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee"), "coffee").record
    vkey = world.services.log.key.text()
    good = rehearse(backup_of(world, home / "good", keys=False), home / "first", vkey)
    assert good.wrong == ()
    assert any("audit is clean: 1 records" in sentence for sentence in good.found)
    assert any("no private keys" in sentence for sentence in good.found)

    world.settings.checkpoint_file.write_text("of another registry\n")  # in the folder of that name, here
    assert rehearse(home / "good", home / "elsewhere", vkey).wrong == ()
    assert world.settings.checkpoint_file.read_text() == "of another registry\n"
    world.settings.checkpoint_file.unlink()

    world.tamper("UPDATE record SET label = 'another' WHERE id = :id", id=record.id)
    world.register(desk, encoded("cat"), "cat")
    shutil.rmtree(world.settings.blob_folder / "previews")
    bad = rehearse(backup_of(world, home / "bad"), home / "second")
    [finding] = bad.wrong
    assert "says something else" in finding
    assert any("2 previews were lost" in sentence for sentence in bad.found)


def test_the_commands_back_up_rehearse_and_restore_a_home(home: Path, made: Made) -> None:
    """A registry in a folder of its own, with its own database."""
    run = CliRunner().invoke
    source = home / "source"
    assert run(app, ["backup", str(home / "b"), "--home", str(source)]).exit_code == 4
    shutil.copytree(made.backup, home / "copy")
    refused = run(app, ["restore", str(home / "copy"), "--home", str(source)])
    assert refused.exit_code == 4
    assert "knows of nothing after the backup, which does not say" in refused.output
    restored = run(app, ["restore", str(home / "copy"), "--home", str(source), "--nothing-newer"])
    assert restored.exit_code == 0, restored.output
    again = run(app, ["backup", str(home / "b"), "--home", str(source)])
    assert again.exit_code == 0, again.output
    assert read_manifest(home / "b").log == read_manifest(made.backup).log
    checked = run(app, ["restore", "--check", str(home / "b")])
    assert checked.exit_code == 0, checked.output
    assert "This backup can be restored." in checked.output
    bit_flipped(home / "b" / MANIFEST)
    refused = run(app, ["restore", "--check", str(home / "b")])
    assert refused.exit_code == CHECK_FAILED
    assert "manifest is damaged" in refused.output
    assert run(app, ["restore", str(home / "b")]).exit_code == 2


def test_an_index_in_the_database_is_left_out_and_made_anew(
    world: World, new: Settings, home: Path
) -> None:
    world.tamper("CREATE EXTENSION vector")
    world.tamper('CREATE SCHEMA trueprint_index CREATE TABLE "pdq.v1" (value vector(3))')
    world.stop()
    restore_backup(backup_of(world, home / "backup"), new, nothing_newer=True)
    moved(world, new)
    with world.engine.connect() as connection:
        left = connection.scalars(text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'trueprint%'"))
        assert left.all() == []
        assert connection.scalars(text("SELECT extname FROM pg_extension")).all() == ["plpgsql"]
    world.audit()


def test_tables_of_somebody_else_are_left_out_and_named(world: World, new: Settings, home: Path) -> None:
    world.tamper("CREATE TABLE note_of_operator (id int)")
    backup = backup_of(world, home / "backup")
    assert read_manifest(backup).left_out == ("note_of_operator",)
    assert restore_backup(backup, new, nothing_newer=True).lost_entries == 0


def test_a_registry_in_another_schema_is_backed_up_and_guarded_too(
    world: World, new: Settings, home: Path
) -> None:
    name = world.engine.url.database
    world.stop()
    world.tamper("ALTER SCHEMA public RENAME TO elsewhere")
    world.tamper(f"ALTER DATABASE {name} SET search_path = elsewhere")
    world.tamper(f"ALTER DATABASE {name} SET client_encoding = 'LATIN1'")
    world.engine.dispose()
    backup = backup_of(world, home / "backup")
    with pytest.raises(RestoreRefused, match="the database is not empty"):
        restore_backup(
            backup,
            world.settings.model_copy(update={"home": home / "other"}),
            nothing_newer=True,
        )
    restore_backup(backup, new, nothing_newer=True)
    moved(world, new)
    world.audit()


def test_a_video_that_waits_is_described_where_the_backup_is_restored(
    database_server: DatabaseServer, new: Settings, home: Path
) -> None:
    with World(database_server, home, video_workers=0) as world:
        desk = world.enrol("Daily Example")
        waiting = desk.client.start_match(edited(Piece(clip("cat"), 0.0, 2.0)))
        assert isinstance(waiting, models.Job)
        restore_backup(backup_of(world, home / "backup"), new, nothing_newer=True)
        world.stop()
        assert new.database_url is not None
        restored = db.connect(new.database_url)
        with restored.connect() as connection:
            events = connection.scalar(text("SELECT count(*) FROM procrastinate_events"))
        restored.dispose()
        assert events == 1, "the queue's triggers add nothing to what it had"
        moved(world, new)
        finished(world, world.again(desk).client, waiting)
        world.audit()


def test_a_backup_of_an_older_migration_is_made_before_migrating_and_rehearsed(
    world: World, home: Path
) -> None:
    world.register(world.enrol("Daily Example"), encoded("coffee"), "coffee")
    world.stop()
    command.downgrade(db.alembic_config(world.engine), "0008")
    backup = backup_of(world, home / "backup")
    assert read_manifest(backup).migration == "0008"
    rehearsal = rehearse(backup, home / "rehearsal")
    assert rehearsal.wrong == ()
    assert any("migration 0008" in sentence for sentence in rehearsal.found)


def test_keys_that_the_settings_name_are_copied_too_or_the_backup_is_refused(
    made: Made, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, elsewhere = made.world.settings.key_folder, home / "elsewhere"
    (elsewhere / "keys").mkdir(parents=True)
    monkeypatch.setenv("LOG_KEY", (keys / "log.pem").read_text())
    answers = f"file:{keys / 'answers.pem'}"

    def copied(name: str, **places: str) -> Path:
        settings = made.world.settings.model_copy(update={"home": elsewhere, **places})
        make_backup(settings, made.world.engine, home / name, keys=True)
        return home / name

    backup = copied("whole", log_keys="env:LOG_KEY", answer_keys=answers)
    assert read_manifest(backup).with_keys
    assert "_KEYS=" not in (backup / "settings.env").read_text()
    [log] = KeyRing(backup / "keys", "log", Algorithm.ED25519).signers()
    assert log.public_key == made.world.services.log.key.public_key
    assert len(KeyRing(backup / "keys", "answers", Algorithm.ES256).signers()) == 1
    assert all(path.stat().st_mode & 0o077 == 0 for path in (backup / "keys").iterdir())

    with pytest.raises(BackupFailed, match="pkcs11:token=a;object=b gives no key away"):
        copied("module", log_keys="pkcs11:token=a;object=b?module-path=/m.so", answer_keys=answers)
    with pytest.raises(BackupFailed, match="of answers"):
        copied("without", log_keys="env:LOG_KEY")
    with pytest.raises(BackupFailed, match="NOT_SET_ANYWHERE is not set"):
        copied("unset", log_keys="env:NOT_SET_ANYWHERE", answer_keys=answers)
    assert {path.name for path in home.iterdir()} == {"elsewhere", "whole"}
