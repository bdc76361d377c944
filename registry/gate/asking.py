"""What a platform asks: which policy decides, whether it asked before, what it decided earlier."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlmodel import Session, col, func, or_, select

from registry.errors import IdempotencyConflict
from registry.gate.activation import require_pack
from registry.gate.fact_finding import History
from registry.gate.gate_settings import settings_of
from registry.gate.pack_rows import find_pack
from registry.gate.platform_keys import (
    content_digest,
    key_of,
    new_decision_id,
    request_digest,
    uploader_digest,
)
from registry.gate.recording import KEY_IS_USED, Asked, newest_body
from registry.storage.models import ApiKey
from registry.storage.models import Decision as DecisionRow
from registry.storage.models.columns import now
from sdk.models import Decision, DecisionState, GateContext, Outcome

REFUSED_WITHIN = timedelta(days=90)


@dataclass(frozen=True)
class Question:
    """One upload that is asked about: what stays on record of it, and what is said of it now."""

    asked: Asked
    context: GateContext
    platform_key: bytes

    def as_job(self, job_id: str) -> "Question":
        """The same, worked on as a job."""
        return replace(self, asked=replace(self.asked, job=job_id))


def prepare(
    session: Session,
    registry_key: bytes,
    api_key: ApiKey,
    context: GateContext,
    content_sha256: str,
    idempotency_key: str | None,
    base_url: str,
) -> Question | Decision:
    """Which policy decides; or the decision that was taken when the same was sent before.

    `content_sha256`: of the file, or of the fingerprints as they were sent. Raises UnknownPack,
    NoActivePolicy, ActivationRefused, IdempotencyConflict.
    """
    platform = api_key.publisher_id
    platform_key = key_of(registry_key, platform)
    request = request_digest(platform_key, content_sha256, context.model_dump_json())
    if idempotency_key is not None:
        known = replayed(session, api_key, idempotency_key, request)
        if known is not None:
            return known
    force = require_pack(session, platform, context.policy, is_dry_run=context.dry_run)
    assert force.active is not None
    settings = settings_of(session, platform)
    uploader = context.uploader_ref
    asked = Asked(
        id=new_decision_id(),
        platform=platform,
        api_key=api_key.id,
        pack=force.active,
        shadow=force.shadow,
        on_failure=Outcome(context.on_failure),
        is_dry_run=context.dry_run,
        language=context.language,
        content_ref=context.content_ref,
        uploader=None if uploader is None else uploader_digest(platform_key, uploader),
        content=content_digest(platform_key, content_sha256),
        content_date=context.content_date,
        exceptions=context.exceptions,
        dispute_url=settings.dispute_url,
        base_url=base_url,
        idempotency_key=idempotency_key,
        request_sha256=request,
    )
    return Question(asked, context, platform_key)


def replayed(session: Session, api_key: ApiKey, idempotency_key: str, request: str) -> Decision | None:
    """What was decided when a request with this key came first. Raises IdempotencyConflict."""
    row = session.exec(
        select(DecisionRow).where(
            DecisionRow.api_key_id == api_key.id, DecisionRow.idempotency_key == idempotency_key
        )
    ).first()
    if row is None:
        return None
    if row.request_sha256 != request:
        raise IdempotencyConflict(KEY_IS_USED)
    return newest_body(session, row)


def history_of(session: Session, asked: Asked, record_id: str | None) -> History:
    """What the platform decided before. `record_id`: of the asset that the upload surely comes from."""
    mine = select(func.count()).where(
        DecisionRow.publisher_id == asked.platform,
        DecisionRow.uploader == asked.uploader,
        col(DecisionRow.is_dry_run).is_(False),
        DecisionRow.id != asked.id,
    )
    if asked.uploader is None:
        return History()
    confirmed = mine.where(col(DecisionRow.is_confirmed))
    refused = mine.where(
        DecisionRow.outcome == Outcome.REFUSE.value,
        col(DecisionRow.at) > now() - REFUSED_WITHIN,
        DecisionRow.state != DecisionState.FAILED.value,  # that was no fault of theirs
    )
    return History(
        confirmed_violations=session.exec(confirmed).one(),
        refused=session.exec(refused).one(),
        poster=_poster(session, asked, record_id),
    )


def _poster(session: Session, asked: Asked, record_id: str | None) -> str:
    """Whether this platform saw the content, or anything of the same asset, first from this uploader."""
    same = [col(DecisionRow.content) == asked.content]
    if record_id is not None:
        same.append(col(DecisionRow.record_id) == record_id)
    earlier = session.exec(
        select(DecisionRow.uploader)
        .where(DecisionRow.publisher_id == asked.platform, DecisionRow.id != asked.id, or_(*same))
        .where(col(DecisionRow.is_dry_run).is_(False), col(DecisionRow.uploader).is_not(None))
        .order_by(col(DecisionRow.first_number))
        .limit(1)
    ).first()
    return "first" if earlier in (None, asked.uploader) else "resharer"


def as_text(question: Question) -> str:
    """A question as a job keeps it until it is done; nothing in it names the uploader."""
    asked = question.asked
    context = question.context.model_copy(update={"uploader_ref": None})
    return json.dumps(
        {
            "id": asked.id,
            "platform": asked.platform,
            "api_key": asked.api_key,
            "pack": asked.pack.sha256,
            "shadow": asked.shadow and asked.shadow.sha256,
            "uploader": asked.uploader,
            "content": asked.content,
            "dispute_url": asked.dispute_url,
            "base_url": asked.base_url,
            "idempotency_key": asked.idempotency_key,
            "request_sha256": asked.request_sha256,
            "job": asked.job,
            "context": context.model_dump(mode="json"),
        }
    )


def from_text(session: Session, registry_key: bytes, text: str) -> Question:
    """A question as it was before a restart."""
    kept: Mapping[str, Any] = json.loads(text)
    context = GateContext.model_validate(kept["context"])
    platform = kept["platform"]
    shadow = kept["shadow"]
    asked = Asked(
        id=kept["id"],
        platform=platform,
        api_key=kept["api_key"],
        pack=find_pack(session, platform, kept["pack"]),
        shadow=None if shadow is None else find_pack(session, platform, shadow),
        on_failure=Outcome(context.on_failure),
        is_dry_run=context.dry_run,
        language=context.language,
        content_ref=context.content_ref,
        uploader=kept["uploader"],
        content=kept["content"],
        content_date=context.content_date,
        exceptions=context.exceptions,
        dispute_url=kept["dispute_url"],
        base_url=kept["base_url"],
        idempotency_key=kept["idempotency_key"],
        request_sha256=kept["request_sha256"],
        job=kept["job"],
    )
    return Question(asked, context, key_of(registry_key, platform))
