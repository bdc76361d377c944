"""An old backup is an old log: no restore lets it go on unseen."""

import shutil
from pathlib import Path

import pytest

from registry.errors import LogRolledBack, RestoreRefused
from registry.operate.restore import restore_backup
from registry.settings import Settings
from tests.pictures import encoded
from tests.registry.operate.backups import Made, backup_of, moved
from tests.world import World


def test_a_copy_that_is_older_than_what_was_published_does_not_start(
    world: World, new: Settings, home: Path
) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"), "coffee")
    backup = backup_of(world, home / "backup")
    world.register(desk, encoded("cat"), "after the backup")
    world.stop()
    # The old home's checkpoint is still there, and is found there.
    assert restore_backup(backup, new, nothing_newer=True).lost_entries == 1
    with pytest.raises(LogRolledBack, match="an old backup was restored"):
        moved(world, new)


def test_what_was_published_since_must_be_said(made: Made, new: Settings, home: Path) -> None:
    world, backup = made.world, made.backup
    elsewhere = home / "elsewhere"
    shutil.move(world.settings.checkpoint_file, elsewhere)
    try:
        with pytest.raises(RestoreRefused, match="--nothing-newer"):
            restore_backup(backup, new)
        assert not new.home.exists()
        assert restore_backup(backup, new, published=[elsewhere]).lost_entries == 0
    finally:
        shutil.move(elsewhere, world.settings.checkpoint_file)


def test_a_checkpoint_of_another_log_is_no_evidence(made: Made, new: Settings, home: Path) -> None:
    forged = home / "forged"
    forged.write_text(
        made.world.settings.checkpoint_file.read_text().replace("localhost/log", "other/log", 1)
    )
    with pytest.raises(RestoreRefused, match="not a checkpoint of localhost/log"):
        restore_backup(made.backup, new, published=[forged])
    forged.write_text(made.world.settings.checkpoint_file.read_text().replace("\n3\n", "\n4\n", 1))
    with pytest.raises(RestoreRefused, match="does not verify"):
        restore_backup(made.backup, new, published=[forged])
    with pytest.raises(RestoreRefused, match="not there"):
        restore_backup(made.backup, new, published=[home / "nowhere"])


def test_a_checkpoint_that_is_older_than_the_backup_says_nothing(
    world: World, new: Settings, home: Path
) -> None:
    checkpoint = world.settings.checkpoint_file
    old = checkpoint.read_text()
    world.register(world.enrol("Daily Example"), encoded("coffee"), "coffee")
    newest = checkpoint.read_text()
    backup = backup_of(world, home / "backup", keys=False)
    for content, says in (
        (old, "is older than the backup"),
        (newest.replace("localhost/log", "other/log", 1), "is not believed"),
        (newest.replace("\u2014 ", "\u2014 x", 1), "is not believed"),
    ):
        checkpoint.write_text(content)
        with pytest.raises(RestoreRefused, match=says):
            restore_backup(backup, new)
    checkpoint.write_text(old)
    with pytest.raises(RestoreRefused, match="says nothing of what was published after"):
        restore_backup(backup, new, published=[checkpoint], nothing_newer=True)
    restored = restore_backup(backup, new, nothing_newer=True)
    assert "is older than the backup" in (restored.ignored or "")
    assert (new.home / "checkpoint").read_text() == newest
    checkpoint.write_text(newest)


@pytest.mark.parametrize("form", ["receipt", "proof"])
def test_a_receipt_says_what_was_published(made: Made, new: Settings, home: Path, form: str) -> None:
    receipt = made.world.operator.receipt(made.registered.record.id)
    (home / "late").write_text(receipt.proof if form == "proof" else receipt.model_dump_json())
    assert restore_backup(made.backup, new, published=[home / "late"]).lost_entries == 0
