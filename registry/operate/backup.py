"""Makes a backup: a consistent copy of a registry, running or stopped, in one new folder.

One snapshot of the database gives rows and log; previews are copied after it, so that none is missing which
a row of the snapshot names. Nothing is locked: registrations go on. What was acknowledged before the call
is in it. It works on a database of an older migration too, since backing up comes before migrating.
"""

import base64
import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, text

from registry import __version__
from registry.errors import BackupFailed, DiskFull, MissingKey
from registry.operate.backup_format import (
    BLOBS,
    DESCRIPTOR_FILE,
    KEYS,
    MODELS,
    NAME,
    ROWS,
    SETTINGS,
    THRESHOLDS,
    WITNESSES,
    BackupFile,
    LogState,
    Manifest,
    digest_of,
    write_manifest,
)
from registry.operate.backup_keys import KeysInUse, answer_keys_in_use, copy_keys
from registry.operate.bootstrap import log_ring
from registry.operate.whole_folder import whole_folder
from registry.settings import Settings
from registry.storage.blobs import Blobs
from registry.storage.db import is_empty
from registry.storage.faults import fault_of
from registry.storage.table_files import Written, write_tables
from sdk.checkpoint import BadCheckpoint, VerifierKey, parse_checkpoint_unverified, signers_of
from sdk.durable_files import copy_new_durably, sync_file, sync_folder, write_new_durably
from sdk.log_keys import KeyPeriod, key_periods

# A registry elsewhere has others, and passwords do not belong into a backup.
NOT_COPIED = {"home", "database_url", "blob_url", "milvus", "search_nodes", "thresholds", "witnesses"}

KEY_PLACES = {"log_keys", "answer_keys"}  # a backup with keys has them where a registry looks by itself


@dataclass(frozen=True)
class _Snapshot:
    """What the database said at one moment."""

    registry_id: str
    checkpoint: str
    migration: str
    previews: frozenset[str]
    log_keys: tuple[KeyPeriod, ...]  # none in a database of an older migration
    answer_keys_in_use: tuple[str, ...]
    written: Written


def make_backup(settings: Settings, engine: Engine, target: Path, *, keys: bool = False) -> Manifest:
    """Copies the registry into the new folder `target`, which appears when the copy is whole and synced.

    `keys`: with the private keys, too. Raises BackupFailed, DiskFull.
    """
    if target.exists():
        raise BackupFailed(f"{target} is there already")
    if is_empty(engine):
        raise BackupFailed("the database is empty: there is no registry to copy")
    if not target.parent.is_dir():
        raise BackupFailed(f"{target.parent} is not there: is its disk mounted?")
    try:
        with whole_folder(target) as part:
            manifest = _copy(settings, engine, part, keys=keys)
            write_manifest(part, manifest)
            for folder in (part / ROWS, part / KEYS, part / MODELS, part):
                if folder.is_dir():
                    sync_folder(folder)
    except OSError as error:
        full = fault_of(error)
        if isinstance(full, DiskFull):
            raise DiskFull(f"there is no room for the backup in {target.parent}") from error
        raise BackupFailed(f"{error.filename or target}: {error.strerror}") from error
    return manifest


def _copy(settings: Settings, engine: Engine, part: Path, *, keys: bool) -> Manifest:
    snapshot = _copy_rows(engine, part / ROWS)
    missing = _copy_blobs(settings, snapshot.previews, part / BLOBS)
    try:
        head = parse_checkpoint_unverified(snapshot.checkpoint)
    except BadCheckpoint as error:
        raise BackupFailed(f"the log of this database is damaged: {error}") from error
    periods = snapshot.log_keys or _keys_here(settings, snapshot.checkpoint)
    _copy_files(settings, part, keys=keys)
    if keys:
        log_keys = [period.key for period in periods if period.covers(head.size + 1)]
        copy_keys(settings, KeysInUse(log_keys, snapshot.answer_keys_in_use), part / KEYS)
    return Manifest(
        made_at=datetime.now(UTC),
        version=__version__,
        migration=snapshot.migration,
        registry_id=snapshot.registry_id,
        home=str(settings.home.resolve()),
        descriptor=settings.wanted_descriptor,
        sequences=snapshot.written.sequences,
        left_out=snapshot.written.left_out,
        log=LogState(
            origin=head.origin,
            size=head.size,
            root=base64.b64encode(head.root).decode(),
            checkpoint=snapshot.checkpoint,
            keys=tuple(period.key.text() for period in periods),
        ),
        with_keys=keys,
        missing_previews=missing,
        files=tuple(_described(part)),
    )


def _copy_rows(engine: Engine, folder: Path) -> _Snapshot:
    """Writes all tables as they were at one moment, and says what else was true then."""
    folder.mkdir()
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        # In SQL, not through the models: the tables may be those of an older migration.
        head = connection.execute(text("SELECT registry_id, checkpoint FROM log_head")).one_or_none()
        if head is None:
            raise BackupFailed("the database has no log: it was never set up")
        migration = connection.scalar(text("SELECT version_num FROM alembic_version"))
        written = write_tables(connection, folder)
        for file in folder.iterdir():
            sync_file(file)
        return _Snapshot(
            head.registry_id,
            head.checkpoint,
            str(migration),
            _previews(connection),
            _log_keys(connection, head.checkpoint.partition("\n")[0]),
            answer_keys_in_use(connection),
            written,
        )


def _log_keys(connection: Connection, origin: str) -> tuple[KeyPeriod, ...]:
    """The keys that the log ever had, oldest first."""
    if connection.scalar(text("SELECT to_regclass('log_key_change')")) is None:
        return ()
    rows = connection.execute(text("SELECT public_key, note FROM log_key_change ORDER BY number")).all()
    first = [VerifierKey(origin, row.public_key) for row in rows[:1]]
    try:
        return tuple(period for key in first for period in key_periods(key, [row.note for row in rows[1:]]))
    except BadCheckpoint as error:
        raise BackupFailed(f"the history of the log's keys is damaged: {error}") from error


def _keys_here(settings: Settings, checkpoint: str) -> tuple[KeyPeriod, ...]:
    """The key of a database that does not know it yet, where its private key is here."""
    try:
        signers = log_ring(settings).signers()
        here = [VerifierKey(settings.log_origin, signer.public_key) for signer in signers]
        return tuple(KeyPeriod(key) for key in signers_of(checkpoint, here))
    except (MissingKey, BadCheckpoint):
        return ()  # a registry that lost its key should be backed up all the more


def _previews(connection: Connection) -> frozenset[str]:
    found = connection.scalars(text("SELECT preview_key FROM record WHERE preview_key IS NOT NULL"))
    return frozenset(found)


def _copy_blobs(settings: Settings, named: frozenset[str], file: Path) -> tuple[str, ...]:
    """Copies all that is stored into one file; returns which previews of the rows were not there.

    One file and not many: a million previews would be synced for hours.
    """
    blobs = Blobs(settings.blob_url, settings.blob_folder)
    missing = set(named)
    with file.open("wb") as raw, tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for key, content in blobs.contents():
            entry = tarfile.TarInfo(key)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
            missing.discard(key)
    sync_file(file)
    return tuple(sorted(missing))


def _copy_files(settings: Settings, part: Path, *, keys: bool) -> None:
    not_copied = NOT_COPIED | KEY_PLACES if keys else NOT_COPIED
    lines = [
        f"TRUEPRINT_{name.upper()}={value}"
        for name, value in sorted(settings.model_dump(include=settings.model_fields_set).items())
        if name not in not_copied and value is not None and not isinstance(value, SecretStr)
    ]
    write_new_durably(part / SETTINGS, "".join(f"{line}\n" for line in lines).encode())
    if settings.descriptor_file.exists():
        copy_new_durably(settings.descriptor_file, part / DESCRIPTOR_FILE)
    if settings.thresholds is not None:
        copy_new_durably(settings.thresholds, part / THRESHOLDS)
    if settings.witness_policy_file is not None:
        # Restored into the home: there they are asked before anything is signed.
        copy_new_durably(settings.witness_policy_file, part / WITNESSES)
    models = sorted(settings.model_folder.glob("*"))  # none where there is no such folder
    models = [path for path in models if path.is_file() and re.fullmatch(NAME, path.name)]
    if models:
        (part / MODELS).mkdir()
    for path in models:
        copy_new_durably(path, part / MODELS / path.name)


def _described(part: Path) -> Iterator[BackupFile]:
    for path in sorted(path for path in part.rglob("*") if path.is_file()):
        name = path.relative_to(part).as_posix()
        yield BackupFile(name=name, bytes=path.stat().st_size, sha256=digest_of(path))
