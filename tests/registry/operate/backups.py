"""What tests of backups share."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from registry.operate.backup import make_backup
from registry.settings import Settings
from registry.storage import db
from sdk import models
from tests.world import World


def backup_of(world: World, target: Path, *, keys: bool = True) -> Path:
    make_backup(world.settings, world.engine, target, keys=keys)
    return target


def moved(world: World, settings: Settings) -> None:
    """Runs the world on what was restored."""
    assert settings.database_url is not None
    world.engine.dispose()
    world.settings, world.engine = settings, db.connect(settings.database_url)
    world.start()


@dataclass(frozen=True)
class Made:
    """A registry that was backed up, for tests that leave both as they are."""

    world: World
    backup: Path
    registered: models.Registration

    def copy(self, folder: Path) -> Path:
        return Path(shutil.copytree(self.backup, folder / "copy"))
