"""What matching does for a still upload: verify, assess, and say what was changed."""

from dataclasses import replace

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.derivation import Derivation, derive, derive_small_changes
from indexer.compare.direction import find_direction
from indexer.compare.operations import COARSE, re_encoded
from indexer.compare.vocabulary import Frame, Operation
from indexer.operations import OperationType
from registry.match.candidates import Candidate, RetrievedRecord
from registry.match.counter_evidence import shows_other_content
from registry.match.evidence_rules import MatchAssessment, assess, is_verified
from registry.match.explanation import SAME_LAYOUT, faces_uncertainty, other_content_in_words
from registry.match.footage_motion import at_one_moment, without_motion
from registry.match.matched import MatchedRecord
from registry.match.probing import require_no_probing
from registry.match.verification import verify_candidates
from registry.match.video.segments import moment_in_words
from registry.media.previews import DETAIL_LONG_SIDE, picture_of
from registry.media.uploads import Upload
from registry.services import RequestContext
from registry.storage.models import Record
from sdk.models import MatchRelation, Strength


def match_still(
    context: RequestContext, upload: Upload, retrieved: list[RetrievedRecord], *, only: Record | None = None
) -> list[MatchedRecord]:
    """Assesses every retrieved record; returns those that match, not yet described, in no order."""
    candidates = verify_candidates(context, upload, retrieved, only=only)
    require_no_probing(context, upload, candidates)
    return [
        _matched(context, candidate, assessment)
        for candidate in candidates
        if (assessment := assess(candidate.evidence, context.thresholds)) is not None
    ]


def _matched(context: RequestContext, candidate: Candidate, assessment: MatchAssessment) -> MatchedRecord:
    content = candidate.evidence.content
    if content is None or assessment.strength is Strength.EXACT:
        return MatchedRecord(candidate, assessment, where=moment_in_words(candidate))
    if not shows_other_content(candidate.evidence, context.thresholds):
        return MatchedRecord(candidate, assessment, where=moment_in_words(candidate))
    return MatchedRecord(
        candidate, assessment, where=other_content_in_words(content), in_common=SAME_LAYOUT
    )


NOT_LOOKED_AT_CLOSELY = (
    "Single letters and figures in it were not compared: it was bent, or its light and dark were exchanged."
)


def describe_still(context: RequestContext, upload: Upload, match: MatchedRecord) -> MatchedRecord:
    """The match with what was changed between the upload and the registered picture."""
    if match.assessment.relation is MatchRelation.POSSIBLY_RELATED:
        return match
    pair, image = match.candidate.pair, upload.image
    if pair is None or image is None or not is_verified(match.candidate.evidence, context.thresholds):
        return match
    record, (height, width) = match.record, pair.reference.shape[:2]
    frames = Frame(image.width, image.height), Frame(record.width or width, record.height or height)
    picture = picture_of(record, match.candidate.time_ms)
    derivation = derive(
        pair,
        *frames,
        with_faces=context.faces_not_compared is None,
        has_footage=picture is not None and picture.time_ms is not None,
    )
    found = find_direction(pair, derivation.comparison, *frames)
    if picture is not None:
        derivation = at_one_moment(without_motion(context, picture, derivation))
    derivation = _in_detail(context, upload, match, pair, derivation)
    uncertain = faces_uncertainty(context.faces_not_compared) + derivation.uncertain + derivation.unseen
    described = match.described(_operations(context, upload, match, derivation), uncertain, derivation)
    return replace(
        described,
        direction=found.direction,
        direction_reason=found.reason,
        is_direction_by_detail=found.is_by_detail,
        is_only_laid_over=found.only_laid_over_query,
    )


def _in_detail(
    context: RequestContext, upload: Upload, match: MatchedRecord, pair: AlignedPair, derivation: Derivation
) -> Derivation:
    """What is too small for the first look; asked only where that left something to be looked at."""
    picture, image = picture_of(match.record, match.candidate.time_ms), upload.image
    is_same_file = match.assessment.relation is MatchRelation.SAME_FILE
    if derivation.may_be_other_moment:
        return derivation  # small things moved as well
    if is_same_file or not derivation.leaves_a_rest or picture is None or picture.time_ms is not None:
        return derivation
    if match.record.intimate:
        return derivation  # whoever tries figure after figure would read what they may not see
    if image is None or pair.query is not image.pixels:
        return replace(derivation, unseen=(NOT_LOOKED_AT_CLOSELY,))
    query = context.uploads.in_detail(upload, DETAIL_LONG_SIDE)
    reference = context.previews.detail(picture)
    if query is None or reference is None:
        return derivation
    height, width = pair.reference.shape[:2]
    frame = Frame(match.record.width or width, match.record.height or height)
    return derive_small_changes(derivation, query, reference, frame)


def _operations(
    context: RequestContext, upload: Upload, match: MatchedRecord, derivation: Derivation
) -> list[Operation]:
    """What the comparison found; where it found nothing, the same picture in other bytes."""
    found = list(derivation.operations)
    if match.assessment.relation is MatchRelation.SAME_FILE:
        return found
    quality = upload.image.jpeg_quality if upload.image else None
    nothing_else = all(one.type is OperationType.FILTERED for one in found)
    near = (match.candidate.evidence.pdq_distance or 0) <= context.thresholds.pdq_same_bits
    is_same_picture = near and nothing_else and not derivation.leaves_a_change_open
    if (quality is not None and quality <= COARSE) or is_same_picture:
        found.append(re_encoded(quality))
    return found
