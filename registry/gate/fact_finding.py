"""From an answer, and what the platform says, to the facts that conditions read.

This module alone knows where each fact comes from; the names, types and meanings stand in `facts.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from indexer.operations import OPERATIONS, Direction
from registry.gate.facts import UNKNOWN, Unclear, Value
from registry.match.facts import MatchFacts
from sdk.models import (
    AlterationShown,
    Declared,
    GateContext,
    Match,
    MatchAnswer,
    MatchRelation,
    Operation,
    Segment,
    Severity,
    Strength,
    VerdictKind,
)
from sdk.records import AssetClass

MISLEADING = (Severity.MISLEADING_CAPABLE, Severity.PERSON_ALTERED)
SURE = (Strength.EXACT, Strength.VERY_STRONG, Strength.STRONG)
PLACES = 4  # decimal, of shares: a decision says no more than that


@dataclass(frozen=True)
class History:
    """What the platform decided before about this uploader and this content."""

    confirmed_violations: int = 0
    refused: int = 0
    poster: str = "unknown"


def lead_of(answer: MatchAnswer) -> Match | None:
    """The match that the verdict is about."""
    named = (match for match in answer.matches if match.record.id == answer.verdict.record)
    return next(named, answer.matches[0] if answer.matches else None)


def is_sure(match: Match) -> bool:
    """Whether a decision may rest on it: fingerprints alone cannot tell a fake from its original."""
    return match.strength in SURE and (match.verified or match.relation is MatchRelation.SAME_FILE)


def facts_of(
    answer: MatchAnswer,
    match_facts: Mapping[str, MatchFacts],
    context: GateContext,
    history: History,
    *,
    platform: str,
    publisher_proven: str,
) -> dict[str, Value]:
    """All facts of an upload. `publisher_proven`: of the publisher of the lead match."""
    lead = lead_of(answer)
    facts = dict(UNKNOWN)
    facts |= _of_upload(answer, context)
    facts |= {"verdict.kind": answer.verdict.kind.value, "verdict.severity": answer.verdict.severity.value}
    facts |= _of_uploader(history)
    if lead is not None:
        facts |= _of_match(answer, lead, match_facts.get(lead.record.id))
        facts |= _of_record(answer, lead, platform, publisher_proven)
        facts |= _of_operations(lead)
    facts["upload.unclear"] = [one.value for one in _unclear(answer, lead)]
    facts |= {f"declared.{one.value}": True for one in context.declared}
    if lead is not None and is_sure(lead):  # nothing unsure refutes anybody
        facts["declared.refuted"] = _is_refuted(context, answer, lead)
        facts["declared.contradicted"] = _is_contradicted(context, lead)
    facts |= {
        f"answers.{question.value}": given.answer.value for question, given in context.answers.items()
    }
    return facts


def facts_of_nothing(context: GateContext, history: History) -> dict[str, Value]:
    """The same of an upload that could not be looked at."""
    return dict(UNKNOWN) | _said_by_platform(context) | _of_uploader(history)


def _said_by_platform(context: GateContext) -> dict[str, Value]:
    return {
        "upload.audience": context.audience.value,
        "upload.language": context.content_language or "",
        "upload.text": context.text,
        "upload.signals": list(dict.fromkeys(context.signals)),
        "upload.exceptions": sorted({one.kind.value for one in context.exceptions}),
    }


def _of_upload(answer: MatchAnswer, context: GateContext) -> dict[str, Value]:
    computed = answer.computed
    sent = "video" if computed.duration_s is not None else "image"
    return _said_by_platform(context) | {
        "upload.media": sent if computed.width is not None else "fingerprints",
        "upload.media_type": computed.media_type or "",
        "upload.seconds": round(computed.duration_s or 0.0, 3),
    }


def _of_uploader(history: History) -> dict[str, Value]:
    return {
        "uploader.confirmed_violations": history.confirmed_violations,
        "uploader.refused": history.refused,
        "uploader.poster": history.poster,
    }


def _of_match(answer: MatchAnswer, lead: Match, known: MatchFacts | None) -> dict[str, Value]:
    rows = [OPERATIONS[operation.type] for operation in _all_operations(lead)]
    return {
        "match.found": lead.strength is not Strength.WEAK,
        "match.sure": is_sure(lead),
        "match.relation": lead.relation.value,
        "match.strength": lead.strength.value,
        "match.verified": lead.verified,
        "match.direction": lead.direction.value,
        "match.alteration": lead.alteration.value if lead.alteration else "none",
        "match.changes_content": any(row.changes_content for row in rows),
        "match.another_face": any(row.shows_another_face for row in rows),
        "match.concerns_face": any(row.concerns_face for row in rows),
        "match.share_of_upload": round(known.explained, PLACES) if known else 0.0,
        "match.share_of_record": round(known.shown, PLACES) if known else 0.0,
        "match.operations": list(dict.fromkeys(row.type.value for row in rows)),
        "match.count": len(answer.matches),
        "match.any_intimate": any(match.record.intimate for match in answer.matches),
    }


def _all_operations(match: Match) -> Iterable[Operation]:
    """Those of the whole, then those that only some stretches of a video show."""
    yield from match.operations
    for segment in match.segments:
        yield from segment.operations


def _of_record(answer: MatchAnswer, lead: Match, platform: str, publisher_proven: str) -> dict[str, Value]:
    record = lead.record
    return {
        "record.class": record.asset_class.value,
        "record.standing": record.fake.standing.value if record.fake else "none",
        "record.disputed": answer.verdict.kind is VerdictKind.DISPUTED or bool(record.disputed_with),
        "record.status": record.status,
        "record.intimate": record.intimate,
        "record.publisher": record.publisher,
        "record.publisher_proven": publisher_proven,
        "record.own": record.publisher == platform,
    }


def _of_operations(lead: Match) -> dict[str, Value]:
    facts: dict[str, Value] = {}
    for operation in _all_operations(lead):
        name = f"op.{operation.type.value}"
        if facts.get(f"{name}.found"):
            continue  # the first is that of the whole, or the first stretch of several
        facts |= {
            f"{name}.found": True,
            f"{name}.degree": operation.degree.value,
            f"{name}.certainty": operation.certainty.value if operation.certainty else "none",
            f"{name}.share": round(operation.share or 0.0, PLACES),
            f"{name}.factor": round(operation.factor or 0.0, PLACES),
            f"{name}.seconds": _seconds_of(operation, lead.segments),
        }
    return facts


def _seconds_of(operation: Operation, segments: Iterable[Segment]) -> float:
    """In how many seconds of the upload it was found; of the whole match where no stretch has it alone."""
    lengths = [(segment.query[1] - segment.query[0], segment.operations) for segment in segments]
    alone = [length for length, done in lengths if any(one.type is operation.type for one in done)]
    return round(sum(alone) if alone else sum(length for length, _ in lengths), 3)


def _unclear(answer: MatchAnswer, lead: Match | None) -> Iterable[Unclear]:
    if answer.verdict.kind is VerdictKind.NOT_FINGERPRINTABLE:
        yield Unclear.TOO_LITTLE_DETAIL
    if lead is None:
        return
    if not lead.verified and lead.relation is not MatchRelation.SAME_FILE:
        yield Unclear.NOT_COMPARED
    if lead.alteration is AlterationShown.UNKNOWN:
        yield Unclear.ALTERATION
    if lead.direction is Direction.UNKNOWN and lead.relation is MatchRelation.DERIVATIVE:
        yield Unclear.DIRECTION
    if lead.uncertain:
        yield Unclear.CHANGE


def _is_refuted(context: GateContext, answer: MatchAnswer, lead: Match) -> bool:
    """Whether the uploader denies what was done to the upload, not to the registered asset."""
    kind = answer.verdict.kind
    is_changed = _is_altered_original(lead) and lead.direction is Direction.FROM_REFERENCE
    denials = {
        # That something was made by AI is denied by `not_ai_generated`, and by nothing else.
        Declared.UNALTERED: is_changed or kind is VerdictKind.KNOWN_FAKE,
        Declared.NOT_AI_GENERATED: kind is VerdictKind.AI_GENERATED,
    }
    return any(refuted for denied, refuted in denials.items() if denied in context.declared)


def _is_contradicted(context: GateContext, lead: Match) -> bool:
    """Whether it is said to be unaltered, and a registered original shows something else."""
    may_be_from_it = lead.direction is not Direction.TO_REFERENCE
    return Declared.UNALTERED in context.declared and may_be_from_it and _is_altered_original(lead)


def _is_altered_original(lead: Match) -> bool:
    rows = [OPERATIONS[one.type] for one in _all_operations(lead)]
    is_changed = any(row.changes_content and row.severity in MISLEADING for row in rows)
    return is_changed and lead.record.asset_class is AssetClass.AUTHENTIC and not lead.record.disputed_with
