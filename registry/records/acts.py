"""Administrative acts: each is one row of a hash chain, written in the transaction of the act itself.

This module knows who acted, what an act's row says and how rows follow one another (`sdk.acts`). It must
not know what an act does. Details name ids, scopes and counts: never a secret, a name, a label or a
fingerprint, since a row outlives what was erased.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from registry.errors import ActDamaged
from registry.log.transparency_log import Log, lock_writer
from registry.storage.models import Act as ActRow
from registry.storage.models import ApiKey
from registry.storage.models.columns import now
from sdk.acts import ENTRY_TYPE, FIRST_PREVIOUS, digest_of, head_content
from sdk.models import Act, ActorKind, ActType

LAST_NUMBER = 1 << 62  # of an act; beyond it somebody wants no other to follow


@dataclass(frozen=True)
class Actor:
    """Who acts."""

    kind: ActorKind
    api_key_id: str | None = None
    publisher_id: str | None = None


LOCAL_OPERATOR = Actor(ActorKind.LOCAL_OPERATOR)
REGISTRY = Actor(ActorKind.REGISTRY)


def actor_of(api_key: ApiKey) -> Actor:
    """The holder of an API key."""
    return Actor(ActorKind.API_KEY, api_key.id, api_key.publisher_id)


@dataclass(frozen=True)
class ActFilter:
    """Which acts are wanted; None: any."""

    before: int | None = None  # number, exclusive
    type: ActType | None = None
    api_key: str | None = None
    publisher: str | None = None  # whose API key acted
    object: str | None = None
    since: datetime | None = None


def append_act(
    session: Session, by: Actor, act_type: ActType, object_id: str | None = None, **details: Any
) -> Act:
    """Appends an act to the chain. `details`: JSON without floats.

    Holds the log's writer lock until the caller's transaction ends, so that acts come one after another.
    """
    lock_writer(session)
    last = _last_link(session)
    act = Act(
        number=0 if last is None else last.number + 1,
        at=now(),
        actor=by.kind,
        api_key=by.api_key_id,
        publisher=by.publisher_id,
        type=act_type,
        object=object_id,
        details=details,
        previous=FIRST_PREVIOUS if last is None else last.digest.hex(),
        digest=FIRST_PREVIOUS,
    )
    act = act.model_copy(update={"digest": digest_of(act)})
    session.add(_row_of(act))
    session.flush()
    return act


def commit_acts(session: Session, log: Log, by: Actor) -> None:
    """Commits in the log to all acts so far, and notes where.

    Does nothing where there were only audits since: the log of a registry that rests does not grow.
    """
    lock_writer(session)
    last, before = _last_link(session), newest_number(session, ActType.COMMIT_ACTS)
    since = select(ActRow.number).where(col(ActRow.number) > (-1 if before is None else before))
    if last is None or session.exec(since.where(ActRow.type != ActType.AUDIT.value)).first() is None:
        return
    size, head = last.number + 1, last.digest.hex()
    index, salt = log.append(session, ENTRY_TYPE, head_content(size, head))
    append_act(
        session, by, ActType.COMMIT_ACTS, str(index), size=size, head=head, log_index=index, salt=salt.hex()
    )


@dataclass(frozen=True)
class _Link:
    """What the next act is chained to. Nothing else of a row is read: its details may be unreadable."""

    number: int
    digest: bytes


def _last_link(session: Session) -> _Link | None:
    """The end of the chain. Raises ActDamaged: no act can follow it."""
    row = session.exec(
        select(ActRow.number, ActRow.digest).order_by(col(ActRow.number).desc()).limit(1)
    ).first()
    if row is not None and row[0] > LAST_NUMBER:
        raise ActDamaged(f"the last act has the number {row[0]}, which none can have")
    return None if row is None else _Link(*row)


def newest_number(session: Session, act_type: ActType) -> int | None:
    """The number of the last act of a type."""
    return session.exec(select(func.max(ActRow.number)).where(ActRow.type == act_type.value)).one()


def newest_act(session: Session, act_type: ActType) -> Act | None:
    """The last act of a type, whether or not its digests hold. Raises ActDamaged: it cannot be read."""
    acts = select(ActRow).order_by(col(ActRow.number).desc()).limit(1)
    return next(_readable(session, acts.where(ActRow.type == act_type.value)), None)


def list_acts(session: Session, wanted: ActFilter, limit: int) -> list[Act]:
    """Returns acts, newest first. Raises ActDamaged."""
    acts = select(ActRow).order_by(col(ActRow.number).desc()).limit(limit)
    if wanted.before is not None:
        acts = acts.where(col(ActRow.number) < wanted.before)
    if wanted.since is not None:
        acts = acts.where(col(ActRow.at) >= wanted.since)
    for column, value in (
        (ActRow.type, wanted.type),
        (ActRow.api_key_id, wanted.api_key),
        (ActRow.publisher_id, wanted.publisher),
        (ActRow.object, wanted.object),
    ):
        if value is not None:
            acts = acts.where(col(column) == value)
    return list(_readable(session, acts))


def _readable(session: Session, acts: SelectOfScalar[ActRow]) -> Iterator[Act]:
    """The acts of a query. Raises ActDamaged."""
    number: int | None = None
    try:
        for row in session.exec(acts):
            number = row.number
            if number > LAST_NUMBER:
                raise ValueError("no act has such a number")
            yield act_of(row)
            number = None
    except (ValueError, RecursionError):  # also numbers of more digits, and lists deeper than are read
        which = "an act" if number is None else f"act {number}"
        before = "" if number is None else f"; the acts before it are listed with `before={number}`"
        raise ActDamaged(
            f"{which} cannot be read: somebody changed its row. An audit says what else is wrong{before}"
        ) from None


def act_of(row: ActRow) -> Act:
    """The act in a row, whether or not its digests hold. Raises ValueError where it is none."""
    return Act(
        number=row.number,
        at=row.at,
        actor=ActorKind(row.actor),
        api_key=row.api_key_id,
        publisher=row.publisher_id,
        type=ActType(row.type),
        object=row.object,
        details=row.details,
        previous=row.previous.hex(),
        digest=row.digest.hex(),
    )


def _row_of(act: Act) -> ActRow:
    return ActRow(
        number=act.number,
        at=act.at,
        actor=act.actor.value,
        api_key_id=act.api_key,
        publisher_id=act.publisher,
        type=act.type.value,
        object=act.object,
        details=act.details,
        previous=bytes.fromhex(act.previous),
        digest=bytes.fromhex(act.digest),
    )
