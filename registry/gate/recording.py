"""Makes a decision of a draft: signed, with its statement of reasons, an entry of the platform's chain.

What was decided first stands: a rule that comes after the caller was answered is noted as late, and a
person's review is changed by no rule.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import insert
from sqlmodel import Session

from registry.errors import IdempotencyConflict
from registry.gate.chain import Place, entry_values, next_place
from registry.gate.dsa import dsa_statement
from registry.gate.pack_rows import page_of
from registry.gate.pack_schema import Otherwise, Rule
from registry.gate.packs import Pack
from registry.gate.platform_keys import page_address
from registry.gate.reasons import paragraphs_of
from registry.log.answer_signer import AnswerSigner
from registry.storage import direct
from registry.storage.models import Decision as DecisionRow
from registry.storage.models import DecisionEntry
from sdk.decisions import sign_decision_by
from sdk.models import (
    AccountAction,
    AppliedRule,
    Decision,
    DecisionLabel,
    DecisionLinks,
    DecisionState,
    EvidenceSummary,
    Failure,
    GivenException,
    Outcome,
    PersonsReview,
    QuestionAnswer,
    StatementOfReasons,
    Timings,
)

KEY_IS_USED = "the key was used for another upload, or for another context"
DISPUTED_WITHIN = timedelta(days=184)  # six months at least (DSA, article 20)


@dataclass(frozen=True)
class Asked:
    """What is known of a request to the gate before anything is decided; it outlives a restart."""

    id: str  # of the decision
    platform: str
    api_key: str
    pack: Pack
    shadow: Pack | None
    on_failure: Outcome
    is_dry_run: bool
    language: str
    content_ref: str | None
    uploader: str | None  # digest
    content: str | None  # digest
    content_date: date | None
    exceptions: tuple[GivenException, ...]
    dispute_url: str | None
    base_url: str  # of this registry, as uploaders reach it; without a slash at its end
    idempotency_key: str | None = None
    request_sha256: str | None = None
    job: str | None = None


@dataclass(frozen=True)
class Draft:
    """What was decided, before it is written down."""

    state: DecisionState
    outcome: Outcome
    rule_id: str | None = None
    rule: Rule | Otherwise | None = None
    answers: tuple[QuestionAnswer, ...] = ()
    evidence: EvidenceSummary | None = None
    facts: Mapping[str, object] | None = None  # as `facts.kept_of` makes them
    record_id: str | None = None  # of a sure match
    failure: Failure | None = None
    review: PersonsReview | None = None
    account_action: AccountAction | None = None
    shadow: AppliedRule | None = None
    shadow_outcome: Outcome | None = None
    timings: Timings | None = None
    match_sha256: str | None = None


def record_decision(
    session: Session, signer: AnswerSigner, platform_key: bytes, asked: Asked, draft: Draft
) -> Decision:
    """Writes a decision down in the caller's transaction; returns it, or what was decided before.

    Raises IdempotencyConflict: another upload came in with the same key, and was written down first.
    """
    place, known = next_place(session, asked.platform, asked.id, asked.api_key, asked.idempotency_key)
    row = None if known is None else session.get(DecisionRow, known, populate_existing=True)
    if row is not None and row.id != asked.id:  # sent at the same time, with the same Idempotency-Key
        if row.request_sha256 != asked.request_sha256:
            raise IdempotencyConflict(KEY_IS_USED)
        return newest_body(session, row)
    state = _state_after(row, draft.state)
    if state is DecisionState.FAILED and asked.job is None:  # what failed may be asked again
        asked = replace(asked, idempotency_key=None)
    if state is None:
        assert row is not None
        return newest_body(session, row)
    address = page_address(platform_key, asked.id)
    decision = _decision(place, state, asked, draft, address)
    decision = _with_statement(decision, asked, draft)
    signer.refresh(session)
    signature = signer.sign(lambda kid, sign: sign_decision_by(decision, kid, sign))
    decision = decision.model_copy(update={"signature": signature})
    body = decision.model_dump_json(exclude={"match"}, exclude_defaults=True)
    is_stated = decision.statement is not None and decision.statement.dsa is not None
    entry = entry_values(place, asked.id, state.value, body, asked.api_key, is_stated=is_stated)
    is_now = _state_of(place, decision, asked, draft)
    if row is None:
        values = {f"e_{name}": value for name, value in entry.items()}
        values |= {
            f"d_{name}": value for name, value in (_first_state(asked, place, address) | is_now).items()
        }
        direct.execute(session, STORE, values)
        return decision
    kept = {"record_id": row.record_id, "content": row.content}
    for name, value in is_now.items():
        setattr(row, name, value if value is not None else kept.get(name))
    session.connection().execute(insert(DecisionEntry), entry)
    session.add(row)
    session.flush()
    return decision


# In one statement and straight on the driver, since every request to the gate stores both.
def _names(table: Any, named: str = "{}") -> str:
    return ", ".join(named.format(column.name) for column in table.__table__.columns)


STORE = (
    f"WITH entry AS (INSERT INTO decision_entry ({_names(DecisionEntry)}) "
    f"VALUES ({_names(DecisionEntry, '%(e_{})s')})) "
    f"INSERT INTO decision ({_names(DecisionRow)}) VALUES ({_names(DecisionRow, '%(d_{})s')})"
)


def newest_body(session: Session, row: DecisionRow) -> Decision:
    """A decision as its newest entry says it."""
    entry = session.get(DecisionEntry, (row.publisher_id, row.number))
    assert entry is not None, "the row of a decision names an entry"
    assert entry.body is not None, "the row goes with the body"
    return Decision.model_validate(json.loads(entry.body))


def _state_after(row: DecisionRow | None, wanted: DecisionState) -> DecisionState | None:
    """The state of the next entry; None: what was decided before stands."""
    if row is None or wanted is DecisionState.REVIEWED or row.state == DecisionState.WAITING.value:
        return wanted
    if row.state == DecisionState.FAILED.value and wanted is DecisionState.DECIDED:
        return DecisionState.LATE
    return None


def _decision(place: Place, state: DecisionState, asked: Asked, draft: Draft, address: str) -> Decision:
    base = asked.base_url
    explain = f"{base}/decisions/{address}"
    return Decision(
        id=asked.id,
        platform=asked.platform,
        state=state,
        at=place.at,
        outcome=draft.outcome,
        account_action=draft.account_action,
        label=_label(asked, draft),
        rule=None if draft.rule is None else applied(asked, asked.pack, str(draft.rule_id), draft.rule),
        answers=draft.answers,
        evidence=draft.evidence,
        facts=dict(draft.facts or {}),
        policy=asked.pack.sha256,
        content_ref=asked.content_ref,
        uploader=asked.uploader,
        content=asked.content,
        idempotency_key=asked.idempotency_key,
        request_sha256=asked.request_sha256,
        language=asked.language,
        content_date=asked.content_date,
        exceptions=asked.exceptions,
        on_failure=asked.on_failure,
        dry_run=asked.is_dry_run,
        failure=draft.failure,
        job=asked.job,
        review=draft.review,
        links=DecisionLinks(
            decision=f"{base}/v1/decisions/{asked.id}", explain=explain, dispute=_dispute(asked, explain)
        ),
        timings=draft.timings,
        shadow=draft.shadow,
        shadow_outcome=draft.shadow_outcome,
        number=place.number,
        previous=place.previous,
        api_key=asked.api_key,
        match_sha256=draft.match_sha256,
    )


def applied(asked: Asked, pack: Pack, rule_id: str, rule: Rule | Otherwise) -> AppliedRule:
    """A rule as a decision names it."""
    document = pack.document
    return AppliedRule(
        pack=document.pack,
        version=document.version,
        sha256=pack.sha256,
        rule=rule_id,
        why=rule.why,
        page=asked.base_url + page_of(pack.sha256, rule_id),
    )


def _label(asked: Asked, draft: Draft) -> DecisionLabel | None:
    """What is written beside the upload, in the language that was asked for or in English."""
    key = draft.rule.label if isinstance(draft.rule, Rule) else None
    if key is None or draft.outcome in (Outcome.ALLOW, Outcome.REFUSE):
        return None
    texts = asked.pack.document.labels[key]
    wanted = (asked.language, asked.language.split("-")[0], "en")
    language = next((one for one in wanted if one in texts), next(iter(texts)))
    return DecisionLabel(key=key, text=texts[language], language=language)


def _dispute(asked: Asked, explain: str) -> str:
    if asked.dispute_url is None:
        return f"{explain}#dispute"
    return asked.dispute_url.replace("{content_ref}", quote(asked.content_ref or "", safe=""))


def _with_statement(decision: Decision, asked: Asked, draft: Draft) -> Decision:
    until = (decision.at + DISPUTED_WITHIN).date()
    pack = None if draft.rule is None and draft.review is None else asked.pack
    language, paragraphs = paragraphs_of(decision, pack, asked.language, until)
    content_date = asked.content_date or decision.at.date()
    statement = StatementOfReasons(
        language=language,
        paragraphs=paragraphs,
        dispute_until=until,
        dsa=dsa_statement(decision, pack, content_date),
    )
    return decision.model_copy(update={"statement": statement})


def _first_state(asked: Asked, place: Place, address: str) -> dict[str, Any]:
    """What of a decision's row never changes."""
    return {
        "id": asked.id,
        "publisher_id": asked.platform,
        "at": place.at,
        "first_number": place.number,
        "address": address,
        "pack_sha256": asked.pack.sha256,
        "content_ref": asked.content_ref,
        "uploader": asked.uploader,
        "is_dry_run": asked.is_dry_run,
        "api_key_id": asked.api_key,
        "idempotency_key": asked.idempotency_key,
        "request_sha256": asked.request_sha256,
        "job_id": asked.job,
    }


def _state_of(place: Place, decision: Decision, asked: Asked, draft: Draft) -> dict[str, Any]:
    """What of it changes with an entry."""
    return {
        "number": place.number,
        "state": decision.state.value,
        "outcome": decision.outcome.value,
        "rule_id": draft.rule_id,
        "verdict": draft.evidence.verdict if draft.evidence else None,
        "record_id": draft.record_id,
        "content": asked.content,
        "is_confirmed": draft.review is not None and draft.review.confirmed,
    }
