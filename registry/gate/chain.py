"""The chain of one organisation's decisions: entries are appended one after another, and never changed.

Only what an entry says (body and salt) is deleted when its time is over: the entry `forgotten` then says up
to which number. See `sdk.decisions` for what a digest covers.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, text
from sqlmodel import Session

from registry.records.acts import Actor, append_act
from registry.storage import direct
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


LOCK = "SELECT pg_advisory_xact_lock(%(chains)s, %(platform)s)"
# After the lock, and not with it: a statement sees what was committed before it began.
LAST = """
SELECT last.number, last.digest, known.id FROM (VALUES (1)) AS one
LEFT JOIN LATERAL (SELECT number, digest FROM decision_entry WHERE publisher_id = %(platform)s
    ORDER BY number DESC LIMIT 1) AS last ON true
LEFT JOIN LATERAL (SELECT id FROM decision
    WHERE id = %(id)s OR (api_key_id = %(api_key)s AND idempotency_key = %(key)s)
    ORDER BY id = %(id)s DESC LIMIT 1) AS known ON true
"""


def next_place(
    session: Session,
    platform: str,
    decision_id: str | None = None,
    api_key: str | None = None,
    idempotency_key: str | None = None,
) -> tuple[Place, str | None]:
    """Locks an organisation's chain, until the transaction ends, and looks where it ends.

    Also the id of the decision that is there already: of this id, or else of this Idempotency-Key.
    """
    direct.execute(session, LOCK, {"chains": LOCKS_OF_CHAINS, "platform": _lock_number(platform)})
    keep_connection(session)
    named = {"platform": platform, "id": decision_id, "api_key": api_key, "key": idempotency_key}
    number, digest, known = direct.fetch_one(session, LAST, named)
    if number is None:
        return Place(platform, 0, FIRST_PREVIOUS, now()), known
    return Place(platform, number + 1, bytes(digest).hex(), now()), known


def append_entry(
    session: Session, place: Place, decision_id: str | None, state: str, body: str, api_key_id: str | None
) -> None:
    """Appends an entry at a place of `next_place`, in the caller's transaction."""
    values = entry_values(place, decision_id, state, body, api_key_id)
    session.connection().execute(insert(DecisionEntry), values)


def entry_values(
    place: Place,
    decision_id: str | None,
    state: str,
    body: str,
    api_key_id: str | None,
    *,
    is_stated: bool = False,
) -> dict[str, Any]:
    """The row of an entry at a place of `next_place`, by the names of its columns."""
    salt = secrets.token_bytes(SALT_BYTES)
    link = ChainEntry(
        platform=place.platform,
        number=place.number,
        decision=decision_id,
        state=state,
        at=place.at,
        api_key=api_key_id,
        commitment=commitment_to(body, salt),
        previous=bytes.fromhex(place.previous),
    )
    return {
        "publisher_id": link.platform,
        "number": link.number,
        "decision_id": decision_id,
        "state": state,
        "at": link.at,
        "api_key_id": api_key_id,
        "is_stated": is_stated,
        "body": body,
        "salt": salt,
        "commitment": link.commitment,
        "previous": link.previous,
        "digest": entry_digest(link),
    }


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
