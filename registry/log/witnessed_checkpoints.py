"""The rows of witnessing: the newest checkpoint that enough witnesses cosigned, and what stops a log.

Several processes share them. An older checkpoint never replaces a newer one, and of one size each witness's
newest line is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, delete, select

from registry.errors import BadWitnesses, LogDiverged, LogRolledBack
from registry.log.transparency_log import Log, head_of, lock_writer, tile_reader
from registry.storage.models import LogHead, WitnessedCheckpoint
from registry.storage.models.columns import now
from sdk.checkpoint import BadCheckpoint, VerifierKey
from sdk.cosignature import Cosignature, verify_cosignatures
from sdk.tiles import tree_root
from sdk.witness_policy import WitnessPolicy


@dataclass(frozen=True)
class Head:
    """The log's head as it was committed at one moment."""

    size: int
    root: bytes
    note: str  # signed by the log alone
    stopped: str | None


def committed_head(session: Session) -> Head:
    """Reads the head as it is now."""
    row = head_of(session, anew=True)
    return Head(row.size, row.root, row.checkpoint, row.stopped)


def newest_witnessed(session: Session) -> WitnessedCheckpoint | None:
    """Reads the newest checkpoint that enough witnesses cosigned; None: there is none yet."""
    newest = select(WitnessedCheckpoint).execution_options(populate_existing=True)
    return session.exec(newest).first()


def keep(
    session: Session, head: Head, cosignatures: Iterable[Cosignature], witnesses: Iterable[VerifierKey]
) -> None:
    """Makes this head, with these lines, the published checkpoint, unless a newer one is.

    Call it with lines that are enough. Those of other `witnesses` that are there for this size stay. Raises
    LogDiverged.
    """
    lines = {cosignature.key: cosignature for cosignature in cosignatures}
    new = _insert(head, _signed(head.note, lines.values()))
    if session.execute(new).first() is not None:
        return
    locked = select(WitnessedCheckpoint).with_for_update().execution_options(populate_existing=True)
    row = session.exec(locked).one()
    if row.size > head.size:
        return
    if row.size == head.size:
        if row.root != head.root:
            raise LogDiverged(f"two root hashes of {head.size} entries were cosigned here")
        for old in verify_cosignatures(row.checkpoint, witnesses):
            lines[old.key] = max(old, lines.get(old.key, old), key=lambda line: line.at)
    row.size, row.root, row.cosigned_at = head.size, head.root, now()
    row.checkpoint = _signed(head.note, lines.values())
    session.add(row)


def require_witnessed_sound(session: Session, log: Log) -> None:
    """Raises LogRolledBack unless the log here continues the checkpoint that witnesses cosigned."""
    row = newest_witnessed(session)
    if row is None:
        return
    try:
        log.keys.refresh(session)
        checkpoint = log.keys.verify(row.checkpoint)
    except BadCheckpoint as error:
        raise LogRolledBack(f"the checkpoint that witnesses cosigned is damaged: {error}") from error
    if (checkpoint.size, checkpoint.root) != (row.size, row.root):
        raise LogRolledBack("the checkpoint that witnesses cosigned is not the one of its row")
    if row.size > head_of(session).size or tree_root(tile_reader(session), row.size) != row.root:
        raise LogRolledBack(
            f"witnesses cosigned another log of {row.size} entries: an old backup was restored"
        )


def require_no_witnesses(session: Session) -> None:
    """Raises BadWitnesses where witnesses cosigned this log: who has no policy must not go on without."""
    row = newest_witnessed(session)
    if row is not None:
        raise BadWitnesses(
            f"witnesses cosigned this log at {row.size} entries, and there is no policy of them here: put "
            "the file `witnesses` back under its home, or name it in TRUEPRINT_WITNESSES; `trueprint "
            "give-up-witnesses` says that there shall be none"
        )


def forget_witnessed(session: Session) -> None:
    """Publishes nothing as cosigned, until enough witnesses cosign again."""
    session.execute(delete(WitnessedCheckpoint))


def forget_unless_met(session: Session, policy: WitnessPolicy) -> None:
    """Publishes nothing where what was cosigned is not enough by the policy that is in force now."""
    row = newest_witnessed(session)
    if row is None:
        return
    signed = verify_cosignatures(row.checkpoint, [witness.key for witness in policy.witnesses])
    if not policy.is_met([cosignature.key for cosignature in signed]):
        forget_witnessed(session)


def stop_signing(session: Session, why: str) -> None:
    """Marks the log as stopped, durably once committed; the first reason stays."""
    session.execute(update(LogHead).where(col(LogHead.stopped).is_(None)).values(stopped=why))


def resume_signing(session: Session) -> str | None:
    """Removes the mark; returns what it said, or None where there was none.

    Holds the log's writer lock until the caller's transaction ends.
    """
    lock_writer(session)  # before the head, as whoever appends: else two could wait for one another
    why = head_of(session, anew=True).stopped
    session.execute(update(LogHead).values(stopped=None))
    return why


def _insert(head: Head, note: str) -> Any:
    """The first row, where there is none."""
    values = {"id": 1, "size": head.size, "root": head.root, "checkpoint": note, "cosigned_at": now()}
    first = insert(WitnessedCheckpoint).values(values).on_conflict_do_nothing()
    return first.returning(col(WitnessedCheckpoint.id))


def _signed(note: str, cosignatures: Iterable[Cosignature]) -> str:
    return note + "".join(f"{cosignature.line}\n" for cosignature in cosignatures)
