"""Administrative acts: each is one row of a hash chain, written in the transaction of the act itself.

This module knows who acted, what an act's row says and how rows follow one another (`sdk.acts`). It must
not know what an act does. Details name ids, scopes and counts: never a secret, a name, a label or a
fingerprint, since a row outlives what was erased.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from registry.errors import ActDamaged
from registry.log.transparency_log import Log, lock_writer
from registry.storage.models import Act as ActRow
from registry.storage.models import ApiKey
from registry.storage.models.columns import now
from sdk.acts import ENTRY_TYPE, FIRST_PREVIOUS, digest_of, head_content
from sdk.models import Act, ActorKind, ActType


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
    last = newest_act(session)
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
    last, before = newest_act(session), newest_act(session, ActType.COMMIT_ACTS)
    since = select(ActRow.number).where(col(ActRow.number) > (before.number if before else -1))
    if last is None or session.exec(since.where(ActRow.type != ActType.AUDIT.value)).first() is None:
        return
    size, head = last.number + 1, last.digest.hex()
    index, salt = log.append(session, ENTRY_TYPE, head_content(size, head))
    append_act(
        session, by, ActType.COMMIT_ACTS, str(index), size=size, head=head, log_index=index, salt=salt.hex()
    )


def newest_act(session: Session, act_type: ActType | None = None) -> ActRow | None:
    """The last act, or the last of a type."""
    acts = select(ActRow).order_by(col(ActRow.number).desc()).limit(1)
    if act_type is not None:
        acts = acts.where(ActRow.type == act_type.value)
    return session.exec(acts).first()


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
    return [_readable(row) for row in session.exec(acts)]


def _readable(row: ActRow) -> Act:
    try:
        return act_of(row)
    except ValueError:
        raise ActDamaged(
            f"act {row.number} cannot be read: somebody changed its row. An audit says what else is wrong; "
            f"the acts before it are listed with `before={row.number}`"
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
