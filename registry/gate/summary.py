"""What a decision says of its evidence: words out of a match answer, no picture and no fingerprint."""

from collections.abc import Iterator

from indexer.compare.vocabulary import is_part, where_in_words
from registry.gate.fact_finding import lead_of
from sdk.models import (
    OPERATIONS,
    ChangeShown,
    EvidenceSummary,
    Match,
    MatchAnswer,
    Operation,
    OperationType,
    in_words,
)

MOST_CHANGES = 40  # the most severe


def evidence_of(answer: MatchAnswer) -> EvidenceSummary:
    """The verdict and the match that it is about, in short.

    A label may be somebody's name: of an intimate record neither it nor its publisher is told, and where
    any match is intimate not the verdict's sentence, which may name it.
    """
    lead = lead_of(answer)
    verdict = answer.verdict
    if lead is None:
        return EvidenceSummary(verdict=verdict.kind.value, sentence=verdict.sentence)
    is_intimate = lead.record.intimate
    hides = any(match.record.intimate for match in answer.matches)
    changes = sorted(_changes(lead), key=lambda change: OPERATIONS[OperationType(change.type)].rank)
    return EvidenceSummary(
        verdict=verdict.kind.value,
        sentence=_untold(lead) if hides else verdict.sentence,
        record=lead.record.id,
        label=None if is_intimate else lead.record.label,
        publisher=None if is_intimate else lead.record.publisher_name,
        strength=lead.strength.value,
        relation=lead.relation.value,
        verified=lead.verified,
        intimate=is_intimate,
        changes=tuple(changes[:MOST_CHANGES]),
        uncertain=() if hides else lead.uncertain[:MOST_CHANGES],
    )


def _untold(lead: Match) -> str:
    """In place of a sentence that may name an intimate record."""
    how_sure = in_words(lead.strength).capitalize()
    if lead.record.intimate:
        return f"{how_sure} match with an intimate picture or video that somebody protects here."
    return f"{how_sure} match with a registered record; another possible match is intimate, and not named."


def _changes(match: Match) -> Iterator[ChangeShown]:
    for operation in match.operations:
        yield _change(operation, None)
    for segment in match.segments:
        for operation in segment.operations:
            yield _change(operation, segment.query)


def _change(operation: Operation, seconds: tuple[float, float] | None) -> ChangeShown:
    region = operation.region
    where = where_in_words(region.corners) if region is not None and is_part(region.corners) else None
    return ChangeShown(
        type=operation.type.value, degree=operation.degree.value, where=where, seconds=seconds
    )
