"""An organisation's decisions: read, listed, reviewed by a person, forgotten when their time is over."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, func, select, update

from registry.errors import InvalidRequest, UnknownDecision
from registry.gate.asking import decision_in
from registry.gate.chain import FORGOTTEN, append_entry, next_place
from registry.gate.gate_settings import settings_of
from registry.gate.pack_rows import find_pack
from registry.gate.platform_keys import key_of
from registry.gate.recording import Asked, Draft, newest_body, record_decision
from registry.log.answer_signer import AnswerSigner
from registry.records.acts import Actor, append_act
from registry.storage.models import ApiKey, DecisionEntry, Job
from registry.storage.models import Decision as DecisionRow
from registry.storage.models.columns import now
from sdk.models import (
    AccountAction,
    ActType,
    Decision,
    DecisionPage,
    DecisionState,
    NewDecisionReview,
    Outcome,
    PersonsReview,
    QuestionAnswer,
    StatementPage,
)

FORGOTTEN_AT_ONCE = 2000  # in one transaction, which holds the platform's chain and the acts


@dataclass(frozen=True)
class DecisionFilter:
    """Which decisions are wanted; None: any."""

    before: int | None = None  # cursor, exclusive
    outcome: Outcome | None = None
    state: DecisionState | None = None
    rule: str | None = None
    policy: str | None = None  # SHA-256
    content_ref: str | None = None
    uploader: str | None = None  # digest
    record: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    dry_runs: bool | None = None


def list_decisions(session: Session, platform: str, wanted: DecisionFilter, limit: int) -> DecisionPage:
    """The organisation's own decisions, as they are now, the newest first."""
    rows = select(DecisionRow).where(DecisionRow.publisher_id == platform)
    for column, value in (
        (DecisionRow.outcome, wanted.outcome),
        (DecisionRow.state, wanted.state),
        (DecisionRow.rule_id, wanted.rule),
        (DecisionRow.pack_sha256, wanted.policy),
        (DecisionRow.content_ref, wanted.content_ref),
        (DecisionRow.uploader, wanted.uploader),
        (DecisionRow.record_id, wanted.record),
        (DecisionRow.is_dry_run, wanted.dry_runs),
    ):
        if value is not None:
            rows = rows.where(col(column) == value)
    if wanted.before is not None:
        rows = rows.where(col(DecisionRow.first_number) < wanted.before)
    if wanted.since is not None:
        rows = rows.where(col(DecisionRow.at) >= wanted.since)
    if wanted.until is not None:
        rows = rows.where(col(DecisionRow.at) < wanted.until)
    found = session.exec(rows.order_by(col(DecisionRow.first_number).desc()).limit(limit + 1)).all()
    shown = found[:limit]
    more = str(shown[-1].first_number) if len(found) > limit else None
    return DecisionPage(decisions=tuple(bodies_of(session, shown)), next=more)


def bodies_of(session: Session, rows: Sequence[DecisionRow]) -> Iterator[Decision]:
    """Decisions as their newest entries say them, in the order of the rows, by one query."""
    if not rows:
        return
    entries = session.exec(
        select(DecisionEntry.number, DecisionEntry.body).where(
            DecisionEntry.publisher_id == rows[0].publisher_id,
            col(DecisionEntry.number).in_([row.number for row in rows]),
        )
    ).all()
    bodies = dict(entries)
    for row in rows:
        body = bodies.get(row.number)
        if body is not None:
            yield Decision.model_validate(json.loads(body))


def list_statements(
    session: Session, platform: str, before: int | None, since: datetime | None, limit: int
) -> StatementPage:
    """The statements that the DSA Transparency Database is owed, the newest first, of every entry that has
    one: what was restricted for an hour and then reviewed was restricted.
    """
    rows = (
        select(DecisionEntry.number, DecisionEntry.body)
        .where(DecisionEntry.publisher_id == platform, col(DecisionEntry.body).is_not(None))
        .where(col(DecisionEntry.is_stated))
    )
    if before is not None:
        rows = rows.where(col(DecisionEntry.number) < before)
    if since is not None:
        rows = rows.where(col(DecisionEntry.at) >= since)
    found = session.exec(rows.order_by(col(DecisionEntry.number).desc()).limit(limit + 1)).all()
    statements = tuple(json.loads(str(body))["statement"]["dsa"] for _, body in found[:limit])
    more = str(found[limit - 1][0]) if len(found) > limit else None
    return StatementPage(statements=statements, next=more)


def get_decision(session: Session, platform: str, decision_id: str) -> Decision:
    """One decision as it is now. Raises UnknownDecision, also for those of others."""
    return newest_body(session, _row(session, platform, decision_id))


def history(session: Session, platform: str, decision_id: str) -> list[Decision]:
    """Every entry about one decision, the oldest first. Raises UnknownDecision."""
    _row(session, platform, decision_id)
    entries = session.exec(
        select(DecisionEntry)
        .where(DecisionEntry.publisher_id == platform, DecisionEntry.decision_id == decision_id)
        .order_by(col(DecisionEntry.number))
    )
    return [Decision.model_validate(json.loads(entry.body)) for entry in entries if entry.body is not None]


def decision_at(session: Session, address: str) -> Decision:
    """The decision whose page has this address. Raises UnknownDecision."""
    row = session.exec(select(DecisionRow).where(DecisionRow.address == address)).first()
    if row is None:
        raise UnknownDecision("no decision has this address, or its time is over")
    return newest_body(session, row)


def _row(session: Session, platform: str, decision_id: str) -> DecisionRow:
    row = session.get(DecisionRow, decision_id, populate_existing=True)
    if row is None or row.publisher_id != platform:
        raise UnknownDecision(f"no decision of yours has the id {decision_id[:40]!r}")
    return row


def review(
    session: Session,
    signer: AnswerSigner,
    registry_key: bytes,
    api_key: ApiKey,
    decision_id: str,
    new: NewDecisionReview,
    base_url: str,
) -> Decision:
    """Notes what a person decided. Raises UnknownDecision, InvalidRequest."""
    _row(session, api_key.publisher_id, decision_id)
    next_place(session, api_key.publisher_id)  # nothing is decided meanwhile that this would overwrite
    row = _row(session, api_key.publisher_id, decision_id)
    before = newest_body(session, row)
    if new.account_action is not None and new.outcome in (Outcome.ALLOW, Outcome.HOLD):
        raise InvalidRequest(f"an account is not restricted by {new.outcome.value}")
    pack = find_pack(session, row.publisher_id, row.pack_sha256)
    given = PersonsReview(by=new.by, reason=new.reason, confirmed=new.confirmed, answers=new.answers)
    rule = None if before.rule is None else pack.rule_named(before.rule.rule)
    draft = Draft(
        state=DecisionState.REVIEWED,
        outcome=new.outcome,
        rule_id=before.rule.rule if before.rule and rule else None,
        rule=rule,
        answers=tuple(_answered(one, given) for one in before.answers),
        evidence=before.evidence,
        facts=dict(before.facts),
        failure=before.failure,
        review=given,
        account_action=_account_action(before, new),
        shadow=before.shadow,
        shadow_outcome=before.shadow_outcome,
        match_sha256=before.match_sha256,
    )
    asked = Asked(
        id=row.id,
        platform=row.publisher_id,
        api_key=api_key.id,
        pack=pack,
        shadow=None,
        on_failure=before.on_failure,
        is_dry_run=row.is_dry_run,
        language=before.language,
        content_ref=row.content_ref,
        uploader=row.uploader,
        content=row.content,
        content_date=before.content_date or row.at.date(),
        exceptions=before.exceptions,
        dispute_url=settings_of(session, row.publisher_id).dispute_url,
        base_url=base_url,
        job=row.job_id,
    )
    return record_decision(session, signer, key_of(registry_key, row.publisher_id), asked, draft)


def _account_action(before: Decision, new: NewDecisionReview) -> AccountAction | None:
    """What was not said stays as it was, unless nothing is wrong with the upload any more."""
    if new.account_action is not None or new.outcome in (Outcome.ALLOW, Outcome.HOLD):
        return new.account_action
    return before.account_action


def _answered(before: QuestionAnswer, given: PersonsReview) -> QuestionAnswer:
    answer = given.answers.get(before.question)
    if answer is None:
        return before
    return before.model_copy(update={"answer": answer, "by": given.by, "evidence": given.reason})


def forget(session: Session, by: Actor, platform: str, before: datetime) -> int:
    """Deletes what decisions from before a time say; their links stay. Returns how many decisions were it.

    An entry of the chain says up to which number, so that an audit can tell this from a loss: nothing is
    deleted behind a decision whose time is not over, whatever a clock that was wrong wrote on later ones.
    The chain is locked until the transaction ends, and only where there is something to delete.
    """
    old = select(DecisionRow.first_number).where(
        DecisionRow.publisher_id == platform, col(DecisionRow.at) < before
    )
    for kept in (_first_that_waits(session, platform), _first_since(session, platform, before)):
        if kept is not None:
            old = old.where(col(DecisionRow.first_number) < kept)
    numbers = session.exec(old.order_by(col(DecisionRow.first_number)).limit(FORGOTTEN_AT_ONCE)).all()
    if not numbers:
        return 0
    place, _ = next_place(session, platform)
    up_to = numbers[-1]
    gone = select(DecisionRow.id).where(
        DecisionRow.publisher_id == platform, col(DecisionRow.first_number) <= up_to
    )
    ids = session.exec(gone).all()
    # A job's result says what the decision said.
    jobs = select(DecisionRow.job_id).where(
        col(DecisionRow.id).in_(ids), col(DecisionRow.job_id).is_not(None)
    )
    session.execute(delete(Job).where(col(Job.id).in_(session.exec(jobs).all())))
    entries = update(DecisionEntry).where(
        col(DecisionEntry.publisher_id) == platform, col(DecisionEntry.decision_id).in_(ids)
    )
    session.execute(entries.values(body=None, salt=None))
    session.execute(delete(DecisionRow).where(col(DecisionRow.id).in_(ids)))
    told = {"decisions": len(ids), "first_number_up_to": up_to, "before": before.isoformat()}
    append_entry(session, place, None, FORGOTTEN, json.dumps(told), by.api_key_id)
    # Without the act an audit does not believe the entry: who deletes by hand can write one.
    said = {"decisions": len(ids), "first_number_up_to": up_to, "entry": place.number}
    append_act(session, by, ActType.FORGET_DECISIONS, platform, **said)
    return len(ids)


def _first_that_waits(session: Session, platform: str) -> int | None:
    """The place of the first decision whose video is still worked on: the job would write it anew.

    By what the jobs hold: a decision that failed for want of time before its job was made does not name it.
    """
    questions = (
        select(Job.gate_context)
        .join(ApiKey, col(ApiKey.id) == col(Job.api_key_id))
        .where(ApiKey.publisher_id == platform, col(Job.finished_at).is_(None))
        .where(col(Job.gate_context).is_not(None))
    )
    ids = [decision_in(written) for written in session.exec(questions) if written is not None]
    places = select(func.min(DecisionRow.first_number)).where(col(DecisionRow.id).in_(ids))
    return session.exec(places).one()


def _first_since(session: Session, platform: str, since: datetime) -> int | None:
    """The place of the first decision from then on; one from the future keeps nothing."""
    young = select(DecisionRow.first_number).where(
        DecisionRow.publisher_id == platform, col(DecisionRow.at) >= since, col(DecisionRow.at) <= now()
    )
    return session.exec(young.order_by(col(DecisionRow.first_number)).limit(1)).first()


def platforms_with_decisions(session: Session) -> list[str]:
    """Ids of the organisations that the gate decided for."""
    platforms = select(DecisionRow.publisher_id).distinct().order_by(col(DecisionRow.publisher_id))
    return list(session.exec(platforms))


def forget_what_is_over(session: Session, by: Actor, platform: str) -> int:
    """The same of one organisation, after the time that it set; some thousands at once."""
    days = settings_of(session, platform).retention_days
    return forget(session, by, platform, now() - timedelta(days=days))
