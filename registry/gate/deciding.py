"""Decides about one upload: matches, facts, the policy's ruling, and a decision on record.

Whatever breaks on the way ends in a decision, too: the outcome that the caller wants then, and what broke.
"""

import logging
from dataclasses import dataclass
from time import perf_counter

from sqlmodel import Session

from registry.errors import RegistryError
from registry.gate.asking import Question, history_of
from registry.gate.evaluation import RuleFailed, Ruling, rule_on
from registry.gate.fact_finding import facts_of, facts_of_nothing, is_sure, lead_of
from registry.gate.facts import Value, kept_of
from registry.gate.pack_schema import Rule
from registry.gate.packs import Pack
from registry.gate.recording import Draft, applied, record_decision
from registry.gate.summary import evidence_of
from registry.gate.three_answers import answers_of
from registry.log.answer_signer import AnswerSigner
from registry.match.answers import answer_about
from registry.media.uploads import Progress, Upload
from registry.records.publishers import did_status, get_publisher
from registry.services import RequestContext
from registry.storage import direct
from sdk.models import (
    AppliedRule,
    Decision,
    DecisionState,
    EvidenceSummary,
    Failure,
    MatchAnswer,
    Outcome,
    Timings,
)

RULE_FAILED, DEADLINE, INTERNAL = "rule_failed", "deadline", "internal"
DID = "SELECT did FROM publisher WHERE id = %(publisher)s"
VIDEO_IS_WORKED_ON = EvidenceSummary(verdict="waiting", sentence="The video is being worked on.")
_log = logging.getLogger(__name__)


@dataclass
class _Clock:
    """Measures the parts of one decision, in milliseconds."""

    last: float

    def lap(self) -> float:
        before, self.last = self.last, perf_counter()
        return round(1000 * (self.last - before), 2)


def decide(
    context: RequestContext,
    question: Question,
    upload: Upload,
    *,
    with_evidence: bool,
    progress: Progress | None = None,
) -> Decision:
    """Matches an upload and decides about it, on record in the transaction of `context.session`.

    What is returned has the match answer with it, which is not kept.
    """
    clock = _Clock(perf_counter())
    session = context.session
    answered = answer_about(context, upload, with_evidence=with_evidence, progress=progress)
    answer, match_ms = answered.answer, clock.lap()
    lead = lead_of(answer)
    sure_record = lead.record.id if lead is not None and is_sure(lead) else None
    facts = facts_of(
        answer,
        answered.facts,
        question.context,
        history_of(session, question.asked, sure_record),
        platform=question.asked.platform,
        publisher_proven=_proven(session, answer),
    )
    facts_ms = clock.lap()
    draft = _ruled(question, facts)
    shadow, shadow_outcome = _in_shadow(question, facts)
    rules_ms = clock.lap()
    draft = Draft(
        **{
            **vars(draft),
            "evidence": evidence_of(answer),
            "facts": kept_of(facts),
            "record_id": sure_record,
            "match_sha256": answered.digest,
            "shadow": shadow,
            "shadow_outcome": shadow_outcome,
            "timings": Timings(match_ms=match_ms, facts_ms=facts_ms, rules_ms=rules_ms),
        }
    )
    decision = record_decision(session, context.signer, question.platform_key, question.asked, draft)
    is_of_this_answer = decision.match_sha256 == draft.match_sha256
    return decision.model_copy(update={"match": answer}) if is_of_this_answer else decision


def wait_for_video(session: Session, signer: AnswerSigner, question: Question) -> Decision:
    """Notes that a video is worked on, and held meanwhile."""
    draft = Draft(
        state=DecisionState.WAITING,
        outcome=Outcome.HOLD,
        evidence=VIDEO_IS_WORKED_ON,
        facts=kept_of(facts_of_nothing(question.context, history_of(session, question.asked, None))),
    )
    return record_decision(session, signer, question.platform_key, question.asked, draft)


def fail(session: Session, signer: AnswerSigner, question: Question, failure: Failure) -> Decision:
    """Notes that nothing could be decided: the outcome is what the caller wants then.

    Returns what was decided, if that came first.
    """
    draft = Draft(
        state=DecisionState.FAILED,
        outcome=question.asked.on_failure,
        failure=failure,
        facts=kept_of(facts_of_nothing(question.context, history_of(session, question.asked, None))),
    )
    return record_decision(session, signer, question.platform_key, question.asked, draft)


def failure_of(error: Exception) -> Failure:
    """What a decision says of an error; of one that nobody foresaw only that it was logged."""
    if isinstance(error, RegistryError):
        return Failure(code=error.code, detail=f"{error.title}: {error}" if str(error) else error.title)
    _log.error("the gate could not decide", exc_info=error)
    return Failure(code=INTERNAL, detail="The registry failed; this was logged.")


def _ruled(question: Question, facts: dict[str, Value]) -> Draft:
    try:
        ruling = rule_on(question.asked.pack, facts)
    except RuleFailed as error:
        failure = Failure(code=RULE_FAILED, detail=f"A rule of the policy could not be evaluated: {error}")
        return Draft(state=DecisionState.FAILED, outcome=question.asked.on_failure, failure=failure)
    return Draft(
        state=DecisionState.DECIDED,
        outcome=ruling.outcome,
        rule_id=ruling.rule_id,
        rule=ruling.rule,
        answers=answers_of(question.context, ruling),
        account_action=ruling.rule.account if isinstance(ruling.rule, Rule) else None,
    )


def _in_shadow(question: Question, facts: dict[str, Value]) -> tuple[AppliedRule | None, Outcome | None]:
    """What the pack that runs beside the active one says; if it fails, nothing comes of that."""
    pack: Pack | None = question.asked.shadow
    if pack is None:
        return None, None
    try:
        ruling: Ruling = rule_on(pack, facts)
    except RuleFailed as error:
        _log.warning("the policy in shadow could not be evaluated: %s", error)
        return None, None
    return applied(question.asked, pack, ruling.rule_id, ruling.rule), ruling.outcome


def _proven(session: Session, answer: MatchAnswer) -> str:
    lead = lead_of(answer)
    if lead is None:
        return "none"
    publisher = lead.record.publisher
    (did,) = direct.fetch_one(session, DID, {"publisher": publisher})
    if did is None:  # of most; no more is asked
        return "none"
    status = did_status(session, get_publisher(session, publisher))
    return "none" if status is None else status.value
