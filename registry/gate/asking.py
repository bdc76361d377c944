"""What a platform asks: which policy decides, whether it asked before, what it decided earlier."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from registry.errors import IdempotencyConflict
from registry.gate.activation import Standing, require_pack, standing_of
from registry.gate.fact_finding import History
from registry.gate.pack_rows import keep_used_pack, own_pack
from registry.gate.platform_keys import (
    content_digest,
    key_of,
    new_decision_id,
    request_digest,
    uploader_digest,
)
from registry.gate.recording import KEY_IS_USED, Asked, newest_body
from registry.storage import direct
from registry.storage.models import ApiKey
from registry.storage.models import Decision as DecisionRow
from registry.storage.models.columns import now
from sdk.models import Decision, Effort, GateContext, Outcome

REFUSED_WITHIN = timedelta(days=90)


@dataclass(frozen=True)
class Question:
    """One upload that is asked about: what stays on record of it, and what is said of it now."""

    asked: Asked
    context: GateContext
    platform_key: bytes
    is_first_of_pack: bool = False  # the pack has just become the platform's, in this transaction

    @property
    def effort(self) -> Effort | None:
        """How closely a still is compared: a request may ask for more than its policy, never for less."""
        wanted, least = self.context.effort, self.asked.pack.document.effort
        return wanted.at_least(least) if wanted else least

    def as_job(self, job_id: str) -> "Question":
        """The same, worked on as a job."""
        return replace(self, asked=replace(self.asked, job=job_id))


def prepare(
    session: Session,
    registry_key: bytes,
    api_key: ApiKey,
    context: GateContext,
    content_sha256: str,
    sent_sha256: str,
    idempotency_key: str | None,
    base_url: str,
) -> Question | Decision:
    """Which policy decides; or the decision that was taken when the same was sent before.

    `content_sha256`: of the file, as far as it is known. `sent_sha256`: of what was sent. Raises
    UnknownPack, NoActivePolicy, ActivationRefused, IdempotencyConflict.
    """
    platform = api_key.publisher_id
    platform_key = key_of(registry_key, platform)
    request = request_digest(platform_key, sent_sha256, _as_sent(context))
    standing = standing_of(session, platform, api_key.id, idempotency_key)
    if standing.replayed is not None:
        return _replayed(session, standing, request)
    force = require_pack(session, platform, standing, context.policy, is_dry_run=context.dry_run)
    assert force.active is not None
    is_first_of_pack = keep_used_pack(session, api_key, force.active)
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
        dispute_url=standing.dispute_url,
        base_url=base_url,
        idempotency_key=idempotency_key,
        request_sha256=request,
    )
    return Question(asked, context, platform_key, is_first_of_pack)


def _as_sent(context: GateContext) -> str:
    """A context as it is told from others; without what requests of an earlier version could not say."""
    return context.model_dump_json(exclude={"effort"} if context.effort is None else None)


# Straight on the driver, since every request of a named uploader asks it.
HISTORY = """
SELECT count(*) FILTER (WHERE is_confirmed),
    count(DISTINCT content) FILTER (WHERE outcome = 'refuse' AND state <> 'failed' AND at > %(since)s),
    (SELECT coalesce(uploader, '') FROM (
        (SELECT uploader, first_number FROM decision WHERE publisher_id = %(platform)s AND id <> %(id)s
            AND NOT is_dry_run AND content = %(content)s ORDER BY first_number LIMIT 1)
        UNION ALL
        (SELECT uploader, first_number FROM decision WHERE publisher_id = %(platform)s AND id <> %(id)s
            AND NOT is_dry_run AND record_id = %(record)s ORDER BY first_number LIMIT 1)
    ) AS earlier ORDER BY first_number LIMIT 1)
FROM decision
WHERE publisher_id = %(platform)s AND uploader = %(uploader)s AND NOT is_dry_run AND id <> %(id)s
"""


def _replayed(session: Session, standing: Standing, request: str) -> Decision:
    """What was decided when a request with this key came first. Raises IdempotencyConflict."""
    if standing.replayed_request != request:
        raise IdempotencyConflict(KEY_IS_USED)
    row = session.get(DecisionRow, standing.replayed)
    assert row is not None, "it was there a moment ago, and is kept for a day at least"
    return newest_body(session, row)


def history_of(session: Session, asked: Asked, record_id: str | None) -> History:
    """What the platform decided before, dry runs aside. `record_id`: of the asset of a sure match.

    An uploader is refused where a rule or a person did it, once for each file: that something failed is no
    fault of theirs. Who posted first is who this platform saw the content first from, or anything else of
    the same asset; unknown where it did not say from whom that was.
    """
    if asked.uploader is None:
        return History()
    named = {
        "platform": asked.platform,
        "id": asked.id,
        "uploader": asked.uploader,
        "content": asked.content,
        "record": record_id,
        "since": now() - REFUSED_WITHIN,
    }
    confirmed, refused, earlier = direct.fetch_one(session, HISTORY, named)
    poster = "first" if earlier in (None, asked.uploader) else "resharer" if earlier else "unknown"
    return History(confirmed_violations=confirmed, refused=refused, poster=poster)


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
            # What is unset is left out, so that a process of an earlier version can read it.
            "context": context.model_dump(mode="json", exclude_none=True),
        }
    )


def decision_in(written: str) -> str | None:
    """The id of the decision that a question of `as_text` ends in; None: it cannot be read."""
    try:
        return str(json.loads(written)["id"])
    except (ValueError, TypeError, LookupError):
        return None


def from_text(session: Session, registry_key: bytes, written: str) -> Question:
    """A question as it was before a restart."""
    kept: Mapping[str, Any] = json.loads(written)
    context = GateContext.model_validate(kept["context"])
    platform = kept["platform"]
    shadow = kept["shadow"]
    asked = Asked(
        id=kept["id"],
        platform=platform,
        api_key=kept["api_key"],
        pack=own_pack(session, platform, kept["pack"]),
        shadow=None if shadow is None else own_pack(session, platform, shadow),
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
