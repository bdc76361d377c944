"""Rehearses a restore: restores into a throwaway folder, migrates, audits, and says what it found.

Nothing outside that folder is touched, and nothing is signed: the log's private key is not needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from registry.errors import RegistryError, RestoreRefused
from registry.index.access import IndexAccess
from registry.index.opening import open_local_index
from registry.log.log_keys import LogKeys
from registry.log.transparency_log import Log, head_of
from registry.operate.audit import audit, lost_preview
from registry.operate.backup_format import Manifest, read_manifest
from registry.operate.restore import (
    checkpoint_of_old_home,
    restore_copy,
)
from registry.settings import Settings
from registry.storage import db
from registry.storage.blobs import Blobs
from registry.storage.models import Record
from registry.storage.opening import open_database
from sdk.checkpoint import BadCheckpoint, parse_verifier_key


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal found, each as a sentence; the backup can be relied on if nothing is wrong."""

    found: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class _Copy:
    """What an audit reads of the restored copy."""

    log: Log
    index: IndexAccess
    blobs: Blobs


def rehearse(backup: Path, folder: Path, log_key: str | None = None) -> Rehearsal:
    """Restores into `folder`, which the caller removes, and checks what is there.

    `log_key`: the verifier key that the log is known by; without it, the one in the backup is believed.
    """
    found: list[str] = []
    try:
        # Given here, so that the environment of another registry does not leak in.
        settings = Settings(home=folder / "home", database_url=None, blob_url=None, index="cpu")
        manifest = read_manifest(backup)
        restore_copy(backup, manifest, settings, manifest.log.checkpoint)
        found += _restored(manifest)
        with open_database(settings) as engine:
            db.migrate(engine)
            db.require_migrated(engine)
            found.append(f"The database is at migration {manifest.migration}, and migrates to the newest.")
            log = _log_of(settings, engine, manifest, log_key)
            pinned = (
                "leads to it" if log_key else "the backup itself says so, and nothing here vouches for it"
            )
            found.append(
                f"The log's key is {log.key.text()}: {'the given one ' if log_key else ''}{pinned}."
            )
            wrong = _audited(settings, engine, manifest, log, found)
    except RegistryError as error:
        return Rehearsal(tuple(found), (f"{error.title}: {error}",))
    return Rehearsal(tuple(found), tuple(wrong))


def _restored(manifest: Manifest) -> Iterator[str]:
    size = sum(file.bytes for file in manifest.files)
    yield f"All {len(manifest.files)} files, {size} bytes, are those that were written."
    yield f"Rows and previews can be restored; the log has {manifest.log.size} entries and the root stated."
    published, ignored = checkpoint_of_old_home(manifest)
    if published:
        since = published[0].size - manifest.log.size
        yield (
            f"Since then {since} entries were published in {manifest.home}, which are not in it: while "
            "that is known, what is restored from it does not start. Use a newer one, unless they are lost."
        )
    if ignored:  # a rehearsal is often elsewhere, where that folder is another registry's
        yield f"What is published in {manifest.home} here says nothing: {ignored}."
    if not manifest.with_keys:
        yield "There are no private keys in it: keep those elsewhere, no registry starts without them."


def _log_of(settings: Settings, engine: Engine, manifest: Manifest, log_key: str | None) -> Log:
    """The log with its public keys. Raises RestoreRefused: the given key is none of them."""
    keys = LogKeys(manifest.log.origin, ring=None)
    try:
        with db.transaction(engine) as session:
            keys.refresh(session)
            if not keys.periods:  # of an older migration
                if not (log_key or manifest.log.keys):
                    raise RestoreRefused("the backup names no key of the log: give the one that you trust")
                keys.begin(session, parse_verifier_key(log_key or manifest.log.keys[0]).public_key)
        if log_key and parse_verifier_key(log_key) not in [period.key for period in keys.periods]:
            raise RestoreRefused("the given key is none that this log ever had")
    except BadCheckpoint as error:
        raise RestoreRefused(f"the log's key: {error}") from error
    return Log(keys, settings.checkpoint_file)


def _audited(
    settings: Settings, engine: Engine, manifest: Manifest, log: Log, found: list[str]
) -> list[str]:
    with db.transaction(engine) as session:
        registry_id = head_of(session).registry_id
    with open_local_index(settings, engine, registry_id) as index, db.transaction(engine) as session:
        copy = _Copy(log, index, Blobs(None, settings.blob_folder))
        report = audit(copy, session)
        explained = _explained(session, manifest)
    known = [finding for finding in report.findings if finding.detail in explained]
    unknown = [finding for finding in report.findings if finding.detail not in explained]
    if known:
        found.append(f"{len(known)} previews were lost or erased already when the backup was made.")
    if not unknown:
        counted = (
            f"{report.records} records, {report.log_size} log entries, {report.fingerprints} fingerprints"
        )
        found.append(f"The audit is clean: {counted} derived again.")
    return [f"audit: {finding.what}: {finding.detail}" for finding in unknown]


def _explained(session: Session, manifest: Manifest) -> set[str]:
    """What an audit says of previews that were not there when the backup was made."""
    missing = col(Record.preview_key).in_(manifest.missing_previews)
    return {lost_preview(record_id) for record_id in session.exec(select(Record.id).where(missing))}
