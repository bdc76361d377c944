"""Copies private keys into a backup, wherever they are, and makes sure that those in use are among them.

They lie there as files of the names that a registry looks for, so that one which is restored finds them
without the settings that named their places.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, text

from registry.errors import BackupFailed, MissingKey
from registry.log.answer_signer import jwk_of
from registry.log.key_ring import KeyRing
from registry.operate.backup_format import NAME
from registry.operate.bootstrap import answer_ring, log_ring
from registry.settings import Settings
from sdk.checkpoint import VerifierKey
from sdk.durable_files import copy_new_durably, write_new_durably


@dataclass(frozen=True)
class KeysInUse:
    """The keys without which a registry does not start."""

    log: Sequence[VerifierKey]
    answers: Sequence[str]  # `kid`; none in a database of an older migration


def answer_keys_in_use(connection: Connection) -> tuple[str, ...]:
    """The `kid` of the key that signs answers now, and of those that will."""
    if connection.scalar(text("SELECT to_regclass('answer_key')")) is None:
        return ()
    rows = connection.execute(
        text("SELECT kid, signs_from FROM answer_key ORDER BY signs_from NULLS FIRST")
    ).all()
    ends = [row.signs_from for row in rows[1:]] + [None]
    now = datetime.now(UTC)
    return tuple(row.kid for row, end in zip(rows, ends, strict=False) if end is None or end > now)


def copy_keys(settings: Settings, in_use: KeysInUse, target: Path) -> None:
    """Copies all private keys into the new folder `target`, for its owner only.

    Raises BackupFailed: there are none, or one that is in use cannot be copied.
    """
    folder = settings.key_folder
    if not folder.is_dir():
        raise BackupFailed(f"there are no keys in {folder}")
    target.mkdir(mode=0o700)
    for path in sorted(folder.iterdir()):
        if path.is_file() and re.fullmatch(NAME, path.name):
            copy_new_durably(path, target / path.name, 0o600)
    kept: list[str] = []
    try:
        log, answers = log_ring(settings), answer_ring(settings)
        log_copy, answer_copy = _copied(log, target, kept), _copied(answers, target, kept)
        log_here = {signer.public_key for signer in log_copy.signers()}
        answers_here = {jwk_of(signer)["kid"] for signer in answer_copy.signers()}
    except MissingKey as error:
        raise BackupFailed(f"a private key cannot be copied: {error}") from error
    missing = [key.text() for key in in_use.log if key.public_key not in log_here]
    missing += [f"{kid} of answers" for kid in in_use.answers if kid not in answers_here]
    if not in_use.log:
        missing.append("the log's")
    if not in_use.answers and not answers_here:
        missing.append("that of answers")
    if missing:
        places = f": {', '.join(kept)} gives no key away" if kept else ""
        raise BackupFailed(
            f"keys that are in use cannot be copied ({', '.join(missing)}){places}. "
            "Keep them by other means, and make the backup without --with-keys"
        )


def _copied(ring: KeyRing, target: Path, kept: list[str]) -> KeyRing:
    """The ring of the copies; those that give none away join `kept`."""
    copy = KeyRing(target, ring.name, ring.algorithm)
    named, giving_none = ring.copies()
    there = {signer.public_key for signer in copy.signers()}
    for public_key, content in named.items():
        if public_key not in there:
            stem = hashlib.sha256(public_key).hexdigest()[:8]
            write_new_durably(target / f"{ring.name}-{stem}.pem", content, 0o600)
    kept += giving_none
    return copy
