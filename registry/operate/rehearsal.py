"""Rehearses a restore: restores into a throwaway folder, migrates, audits, and says what it found.

Nothing outside that folder is touched, and nothing is signed: the log's private key is not needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from registry.errors import RegistryError, RestoreRefused
from registry.index.access import IndexAccess
from registry.index.opening import open_local_index
from registry.log.transparency_log import Log, head_of
from registry.operate.audit import audit, lost_preview
from registry.operate.backup_format import Manifest, read_manifest
from registry.operate.restore import (
    checkpoint_of_old_home,
    open_restored,
    published_checkpoints,
    restore_copy,
)
from registry.settings import Settings
from registry.storage import db
from registry.storage.blobs import Blobs
from registry.storage.models import Record
from sdk.checkpoint import BadCheckpoint, VerifierKey, parse_verifier_key, verify_checkpoint


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
        with open_restored(settings) as engine:
            db.migrate(engine)
            db.require_migrated(engine)
            found.append(f"The database is at migration {manifest.migration}, and migrates to the newest.")
            key = _verified_key(manifest, log_key)
            pinned = "that was given" if log_key else "of the backup, which nothing here vouches for"
            found.append(f"The checkpoint is signed by the key {key.key_id.hex()} {pinned}.")
            wrong = _audited(settings, engine, manifest, key, found)
    except RegistryError as error:
        return Rehearsal(tuple(found), (f"{error.title}: {error}",))
    return Rehearsal(tuple(found), tuple(wrong))


def _restored(manifest: Manifest) -> Iterator[str]:
    size = sum(file.bytes for file in manifest.files)
    yield f"All {len(manifest.files)} files, {size} bytes, are those that were written."
    yield f"Rows and previews can be restored; the log has {manifest.log.size} entries and the root stated."
    for checkpoint, _ in published_checkpoints(manifest, checkpoint_of_old_home(manifest)):
        since = max(0, checkpoint.size - manifest.log.size)
        yield f"Since then the registry in {manifest.home} published {since} entries, which are not in it."
    if not manifest.with_keys:
        yield "There are no private keys in it: keep those elsewhere, no registry starts without them."


def _verified_key(manifest: Manifest, log_key: str | None) -> VerifierKey:
    """The key that signs the checkpoint. Raises RestoreRefused."""
    refused = "no key of the log is known: the backup names none, and none was given"
    for vkey in [log_key] if log_key else manifest.log.keys:
        try:
            key = parse_verifier_key(vkey)
            verify_checkpoint(manifest.log.checkpoint, key)
            return key
        except BadCheckpoint as error:
            refused = str(error)
    raise RestoreRefused(f"the checkpoint of the backup: {refused}")


def _audited(
    settings: Settings, engine: Engine, manifest: Manifest, key: VerifierKey, found: list[str]
) -> list[str]:
    # A key of no log: nothing is signed here.
    log = Log(manifest.log.origin, Ed25519PrivateKey.generate(), settings.checkpoint_file)
    log.key = key
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
