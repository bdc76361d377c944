"""Restores a backup into a new place, and never lets an old copy go on unseen.

A log that is restored to an earlier state and appended to is another log under the same name: receipts that
were handed out are then in neither. So a restore wants to know the newest checkpoint that was published, or
to be told that there is none. The newest that is known becomes the published checkpoint of the restored
registry, which refuses to start where its own log does not reach that far.
"""

import os
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from obstore.exceptions import BaseError
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from registry.errors import BadBackup, DiskFull, NotMigrated, RestoreRefused
from registry.log.transparency_log import read_note, tile_reader
from registry.operate.backup_format import (
    BLOBS,
    DESCRIPTOR_FILE,
    KEYS,
    MODELS,
    ROWS,
    SETTINGS,
    THRESHOLDS,
    WITNESSES,
    Manifest,
    read_manifest,
    verify_files,
)
from registry.operate.whole_folder import whole_folder
from registry.records.acts import LOCAL_OPERATOR, append_act
from registry.settings import Settings
from registry.storage import db
from registry.storage.blobs import Blobs
from registry.storage.faults import fault_of
from registry.storage.opening import open_database
from registry.storage.table_files import read_tables
from sdk.checkpoint import BadCheckpoint, Checkpoint, parse_checkpoint_unverified, parse_verifier_key
from sdk.checkpoint import verify_checkpoint as verify_note
from sdk.durable_files import sync_folder, write_new_durably
from sdk.models import ActType
from sdk.tiles import tree_root
from sdk.tlog_proof import checkpoint_in

BLOB_KEY = re.compile(r"previews/[0-9a-f]{2}/[0-9a-f]{32}[A-Za-z0-9._-]{0,40}")


@dataclass(frozen=True)
class Restored:
    """What was restored, and how it compares with what was published."""

    manifest: Manifest
    home: Path
    published: Checkpoint  # the newest that is known
    ignored: str | None = None  # why what lies in the old home says nothing

    @property
    def lost_entries(self) -> int:
        """Entries that were published and are not in the backup: the registry will not start."""
        return max(0, self.published.size - self.manifest.log.size)


def restore_backup(
    backup: Path, settings: Settings, *, published: Sequence[Path] = (), nothing_newer: bool = False
) -> Restored:
    """Restores into `settings.home`, which must be new, and into its database and store of previews.

    `published`: files of checkpoints that were seen since, of a witness or of the lost home;
    `nothing_newer`: the operator says that there is none. What stands at the end stands whole: the folder
    appears when everything is in it. Raises BadBackup, RestoreRefused, DiskFull.
    """
    home = settings.home
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise RestoreRefused(f"{home} is not empty: restore into a new folder")
    manifest = read_manifest(backup)
    seen = published_checkpoints(manifest, published)
    found, ignored = checkpoint_of_old_home(manifest)
    seen += [found] if found else []
    if not seen and not nothing_newer:
        there = ignored or f"no checkpoint lies in {manifest.home}"
        raise RestoreRefused(
            f"it is not known what was published after this backup: {there}. "
            "Give the newest one, of a witness, a monitor or a receipt, with --published FILE; or say "
            "--nothing-newer where nothing was registered since"
        )
    newest, note = max([(manifest.checkpoint, manifest.log.checkpoint), *seen], key=lambda it: it[0].size)
    restore_copy(backup, manifest, settings, note, [checkpoint for checkpoint, _ in seen])
    return Restored(manifest, home, newest, ignored)


def restore_copy(
    backup: Path, manifest: Manifest, settings: Settings, note: str, seen: Sequence[Checkpoint] = ()
) -> None:
    """Restores all, with `note` as the published checkpoint. `seen`: what the log must lead to.

    Raises BadBackup, RestoreRefused, DiskFull.
    """
    verify_files(backup, manifest)
    home = settings.home
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(home, 0o755) as part:  # started by root, the database runs as another user
            _restore_files(backup, manifest, part, note)
            settings = settings.model_copy(update={"home": part})
            if settings.database_url is not None:
                _require_empty_database(settings)  # before anything is written into its store of previews
            _restore_blobs(backup, settings)
            # Last: a database elsewhere that was filled by a restore that died has no checkpoint in its
            # home, so it does not start.
            _restore_rows(backup, manifest, settings, seen)
            os.sync()  # once for all of the previews
    except (OSError, BaseError, SQLAlchemyError) as error:
        fault = fault_of(error)
        if isinstance(fault, DiskFull):
            raise DiskFull(f"there is no room for the registry in {home.parent}") from error
        if isinstance(error, OSError):
            raise RestoreRefused(f"{error.filename or home}: {error.strerror}") from error
        of = "the database" if isinstance(error, SQLAlchemyError) else "the store of previews"
        raise RestoreRefused(f"{of} failed while it was restored into ({type(error).__name__})") from error


def checkpoint_of_old_home(manifest: Manifest) -> tuple[tuple[Checkpoint, str] | None, str | None]:
    """What the registry published last, with its note, if its file is still there; or why it says nothing.

    In a folder of that name another registry may be, or an older copy of this one.
    """
    old = Path(manifest.home) / "checkpoint"
    try:
        if not old.is_file():
            return None, None
    except (OSError, ValueError):  # nobody could have had a home of that name
        return None, None
    if not manifest.log.keys:
        return None, f"{old} cannot be verified, because the backup knows no key of the log"
    try:
        note = _verified_note(manifest, old)
    except (FileNotFoundError, BadCheckpoint) as error:
        why = str(error) if isinstance(error, BadCheckpoint) else "it is not there any more"
        return None, f"{old} is not believed: {why}"
    checkpoint = parse_checkpoint_unverified(note)
    if checkpoint.size < manifest.log.size:
        return None, f"{old} is older than the backup: {_sizes(manifest, checkpoint)}"
    if checkpoint.size == manifest.log.size:
        # The registry may have gone on elsewhere since, such as where this backup was restored before.
        return None, f"{old} knows of nothing after the backup, which does not say that there is nothing"
    return (checkpoint, note), None


def published_checkpoints(manifest: Manifest, files: Sequence[Path]) -> list[tuple[Checkpoint, str]]:
    """The checkpoints of this log in the given files, each with its note.

    Raises RestoreRefused: a file holds none, or one that is older than the backup and so says nothing of
    what was published since.
    """
    seen: list[tuple[Checkpoint, str]] = []
    for path in files:
        try:
            note = _verified_note(manifest, path)
        except FileNotFoundError:
            raise RestoreRefused(f"{path} is not there") from None
        except BadCheckpoint as error:
            raise RestoreRefused(f"{path}: {error}") from error
        checkpoint = parse_checkpoint_unverified(note)
        if checkpoint.size < manifest.log.size:
            raise RestoreRefused(
                f"{path} says nothing of what was published after the backup, because it is older: "
                f"{_sizes(manifest, checkpoint)}"
            )
        for other, _ in seen:
            if other.size == checkpoint.size and other.root != checkpoint.root:
                raise RestoreRefused(f"the log forked: it signed two trees of {checkpoint.size} entries")
        seen.append((checkpoint, note))
    return seen


def _sizes(manifest: Manifest, checkpoint: Checkpoint) -> str:
    return f"it covers {checkpoint.size} entries, the backup {manifest.log.size}"


def _verified_note(manifest: Manifest, path: Path) -> str:
    """Reads a checkpoint and verifies it, where the backup knows a key of the log. Raises BadCheckpoint."""
    note = checkpoint_in(read_note(path))
    if parse_checkpoint_unverified(note).origin != manifest.log.origin:
        raise BadCheckpoint(f"not a checkpoint of {manifest.log.origin}")
    refused: BadCheckpoint | None = None
    for vkey in manifest.log.keys:
        try:
            verify_note(note, parse_verifier_key(vkey))
            return note
        except BadCheckpoint as error:
            refused = error
    if refused is not None:
        raise refused
    return note


def _restore_files(backup: Path, manifest: Manifest, part: Path, note: str) -> None:
    write_new_durably(part / "checkpoint", note.encode())
    for name in (DESCRIPTOR_FILE, SETTINGS, THRESHOLDS, WITNESSES):
        if name in manifest.names():
            write_new_durably(part / name, (backup / name).read_bytes())
    for folder, mode in ((KEYS, 0o700), (MODELS, 0o755)):
        names = manifest.names(folder)
        if names:
            (part / folder).mkdir(mode=mode)
        for name in names:
            write_new_durably(part / name, (backup / name).read_bytes(), 0o600 if folder == KEYS else 0o644)
    sync_folder(part)


def _restore_rows(backup: Path, manifest: Manifest, settings: Settings, seen: Sequence[Checkpoint]) -> None:
    with open_database(settings) as engine:
        _require_empty(engine)
        with db.transaction(engine) as session:
            try:
                db.make_tables(session.connection(), manifest.migration)
            except NotMigrated as error:
                raise BadBackup(str(error)) from error
            read_tables(session.connection(), backup / ROWS, manifest.sequences)
            # In SQL, not through the models: the tables may be those of an older migration.
            head = session.connection().execute(text("SELECT size, checkpoint FROM log_head")).one()
            if (head.size, head.checkpoint) != (manifest.log.size, manifest.log.checkpoint):
                raise BadBackup("the rows are not those of the manifest: their log has another head")
            for checkpoint in seen:
                within = checkpoint.size <= head.size
                if within and tree_root(tile_reader(session), checkpoint.size) != checkpoint.root:
                    raise RestoreRefused(
                        f"a checkpoint over {checkpoint.size} entries was published that this log does not "
                        "lead to: the log forked"
                    )
            if session.scalar(text("SELECT to_regclass('act')")) is not None:  # since migration 0009
                append_act(session, LOCAL_OPERATOR, ActType.RESTORE_BACKUP, log_size=head.size)


def _require_empty_database(settings: Settings) -> None:
    with open_database(settings) as engine:
        _require_empty(engine)


def _require_empty(engine: Engine) -> None:
    if not db.is_empty(engine):
        raise RestoreRefused("the database is not empty: restore into a new one")


def _restore_blobs(backup: Path, settings: Settings) -> None:
    blobs = Blobs(settings.blob_url, settings.blob_folder)
    try:
        with tarfile.open(backup / BLOBS, mode="r:") as tar:
            for entry in tar:
                # A sparse file is longer than its bytes in the archive, by as much as somebody likes.
                plain = entry.isreg() and not entry.issparse()
                content = tar.extractfile(entry) if plain and BLOB_KEY.fullmatch(entry.name) else None
                if content is None:
                    raise BadBackup("the previews are not named as previews are")
                blobs.write(entry.name, content)
    except (tarfile.TarError, EOFError, ValueError):
        raise BadBackup(f"{BLOBS} is no archive of previews") from None
