"""The chain of one organisation's decisions: entries are appended one after another, and never changed.

Only what an entry says (body and salt) is deleted when its time is over: the entry `forgotten` then says up
to which number. See `sdk.decisions` for what a digest covers.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session, col, select

from registry.records.acts import Actor, append_act
from registry.storage.db import keep_connection
from registry.storage.models import DecisionEntry
from registry.storage.models.columns import now
from sdk.decisions import FIRST_PREVIOUS, ChainEntry, commitment_to, entry_digest
from sdk.models import ActType

FORGOTTEN = "forgotten"  # the state of the entry that says which bodies were deleted
SALT_BYTES = 32
LOCKS_OF_CHAINS = 0x6465_6369  # "deci": the first half of the keys of their advisory locks


@dataclass(frozen=True)
class Place:
    """Where the next entry of a chain goes, which nobody else takes until the transaction ends."""

    platform: str
    number: int
    previous: str  # digest of the entry before, in hexadecimal
    at: datetime


def next_place(session: Session, platform: str) -> Place:
    """Locks an organisation's chain, until the transaction ends, and looks where it ends."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(:chains, :platform)"),
        {"chains": LOCKS_OF_CHAINS, "platform": _lock_number(platform)},
    )
    keep_connection(session)
    last = session.exec(
        select(DecisionEntry.number, DecisionEntry.digest)
        .where(DecisionEntry.publisher_id == platform)
        .order_by(col(DecisionEntry.number).desc())
        .limit(1)
    ).first()
    if last is None:
        return Place(platform, 0, FIRST_PREVIOUS, now())
    return Place(platform, last[0] + 1, last[1].hex(), now())


def append_entry(
    session: Session, place: Place, decision_id: str | None, state: str, body: str, api_key_id: str | None
) -> DecisionEntry:
    """Appends an entry at a place of `next_place`, in the caller's transaction."""
    salt = secrets.token_bytes(SALT_BYTES)
    row = DecisionEntry(
        publisher_id=place.platform,
        number=place.number,
        decision_id=decision_id,
        state=state,
        at=place.at,
        api_key_id=api_key_id,
        body=body,
        salt=salt,
        commitment=commitment_to(body, salt),
        previous=bytes.fromhex(place.previous),
        digest=b"",
    )
    row.digest = entry_digest(link_of(row))
    session.add(row)
    session.flush()
    return row


def note_heads(session: Session, by: Actor) -> None:
    """Notes in the acts where each chain ends that has grown since the last note.

    Whoever writes a chain anew contradicts that; the log commits to the acts (`commit_acts`).
    """
    heads = text(
        "SELECT DISTINCT ON (publisher_id) publisher_id, number, digest FROM decision_entry "
        "ORDER BY publisher_id, number DESC"
    )
    noted = text(
        "SELECT object, max(CAST(details ->> 'number' AS bigint)) FROM act WHERE type = :type "
        "GROUP BY object"
    )
    connection = session.connection()
    known: dict[str, int] = dict(connection.execute(noted, {"type": ActType.NOTE_DECISIONS.value}).all())
    for platform, number, digest in connection.execute(heads).all():
        if known.get(platform, -1) < number:
            append_act(
                session, by, ActType.NOTE_DECISIONS, platform, number=number, digest=bytes(digest).hex()
            )


def link_of(row: DecisionEntry) -> ChainEntry:
    """What a row's digest must cover."""
    return ChainEntry(
        platform=row.publisher_id,
        number=row.number,
        decision=row.decision_id,
        state=row.state,
        at=row.at,
        api_key=row.api_key_id,
        commitment=row.commitment,
        previous=row.previous,
    )


def _lock_number(platform: str) -> int:
    """32 bits, with sign, as PostgreSQL wants them; two organisations may share a lock, and wait."""
    return int.from_bytes(hashlib.sha256(platform.encode()).digest()[:4], "big", signed=True)
