"""From a matched record to what the verdict needs to know of it."""

from collections.abc import Mapping
from dataclasses import replace

from indexer.compare.vocabulary import Operation, where_in_words
from registry.match.alterations import share_shown
from registry.match.facts import WHOLE, Box, MatchFacts
from registry.match.matched import MatchedRecord, are_pictures_compared, changes_content
from registry.media.uploads import Upload
from registry.services import RequestContext
from sdk.models import AlterationShown, MatchRelation, RecordSummary

# How much less of the upload a change without a region leaves explained: of its time, or of its sound.
UNPLACED_CHANGE = 0.1
NOT_LOOKED_AT = 0.5  # a match that nobody compared in detail speaks for no other


def facts_of(
    context: RequestContext,
    upload: Upload,
    match: MatchedRecord,
    summaries: Mapping[str, RecordSummary],
    alteration: AlterationShown | None = None,
    *,
    is_copy_of_fake: bool = False,
    is_earlier_claim: bool = False,
) -> MatchFacts:
    """What the verdict needs to know of one match; `summaries` also of what records were made from."""
    record = summaries[match.record.id]
    facts = MatchFacts(
        record=record,
        strength=match.assessment.strength,
        relation=match.assessment.relation,
        direction=match.direction,
        operations=tuple(operation.type for operation in match.operations),
        changes_content=match.changes_content,
        differs_where=_where(match),
        compared=are_pictures_compared(match, context.thresholds),
        alteration=alteration,
        explained=_explained(context, upload, match),
        shown=share_shown(match),
        boxes=_boxes(upload, match),
        is_copy_of_fake=is_copy_of_fake,
        is_earlier_claim=is_earlier_claim,
        in_common=match.in_common,
    )
    sources = (summaries.get(source) for source in sorted(facts.source_ids))
    return replace(facts, source=next((source for source in sources if source is not None), None))


def _where(match: MatchedRecord) -> str | None:
    changed = (one for one in match.operations if one.reference_region and changes_content([one]))
    most_severe_change = next(changed, None)
    if most_severe_change is None or most_severe_change.reference_region is None:
        return None
    return where_in_words(most_severe_change.reference_region)


def _boxes(upload: Upload, match: MatchedRecord) -> tuple[Box, ...]:
    """The parts of the upload in which the record is seen."""
    if match.segments:
        return tuple((one.segment.start, 0.0, one.segment.end, 1.0) for one in match.segments)
    alignment, image = match.candidate.alignment, upload.image
    if alignment is None or image is None or match.assessment.relation is MatchRelation.SAME_FILE:
        return (WHOLE,)
    height, width = image.pixels.shape[:2]
    shares = (alignment.query_quad / (width, height)).clip(0.0, 1.0)
    left, top = shares.min(axis=0)
    right, bottom = shares.max(axis=0)
    return ((float(left), float(top), float(right), float(bottom)),)


def _explained(context: RequestContext, upload: Upload, match: MatchedRecord) -> float:
    """Share of the upload that is the same in the record: what both show, less what differs there."""
    if match.assessment.relation is MatchRelation.SAME_FILE:
        return 1.0
    if are_pictures_compared(match, context.thresholds) and not match.is_described:
        return NOT_LOOKED_AT * _covered(upload, match)
    changed = sum(_share_of(operation) for operation in match.operations if changes_content([operation]))
    return _covered(upload, match) * max(0.0, 1.0 - changed)


def _share_of(operation: Operation) -> float:
    return operation.measured.get("share", UNPLACED_CHANGE)


def _covered(upload: Upload, match: MatchedRecord) -> float:
    seconds = (upload.duration_ms or 0) / 1000
    if match.segments and seconds:
        return min(1.0, sum(one.segment.end - one.segment.start for one in match.segments) / seconds)
    alignment = match.candidate.alignment
    return 1.0 if alignment is None else alignment.query_coverage
