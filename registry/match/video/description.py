"""What was done to a registered video in the seconds that an upload shows of it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median

from indexer.compare.derivation import Derivation, derive
from indexer.compare.faces.findings import FaceFinding
from indexer.compare.operations import re_encoded
from indexer.compare.vocabulary import Frame, Operation, where_in_words
from indexer.fingerprints.audio import Spectrogram
from indexer.media.images import Pixels
from indexer.operations import OPERATIONS, Certainty, Degree, Extent, OperationType
from indexer.timeline.audio import audio_operations
from indexer.timeline.faces import are_silent, is_drawn_anew, mouths_follow
from indexer.timeline.operations import (
    Spans,
    in_order,
    operations_in_time,
    operations_of_segment,
    over_frames,
)
from indexer.timeline.overlays import named_by_motion
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.explanation import faces_uncertainty
from registry.match.matched import MatchedRecord, MatchedSegment, changes_content, changes_the_frame
from registry.match.video.alignment import VideoAlignment
from registry.match.video.frame_pairs import FramePair, agrees
from registry.match.video.segments import where_in_time
from registry.media.uploads import VideoContent
from registry.services import RequestContext
from sdk.models import MatchRelation

PAIRS_DESCRIBED = 10  # per segment; each costs a fifth of a second
WHOLE_SHARE, WHOLE_S = 0.03, 0.5  # a copy may miss so much of the original and still be the same footage
SAME_MOMENT_MS = 40
TURNED = (OperationType.MIRRORED, OperationType.ROTATED)
SENTENCES_OF_UNCERTAINTY = 2
DRAWN_ANEW = (
    "The face {where} was replaced: frame after frame it is drawn anew, while its mouth moves as the "
    "registered one does. This is a face swap."
)


def describe_video(
    context: RequestContext,
    video: VideoContent,
    spans: Spans,
    alignment: VideoAlignment,
    match: MatchedRecord,
    audio: Spectrogram | None,
) -> MatchedRecord:
    """The match with its segments and operations; `audio`: what is kept of the registered one."""
    record = match.record
    is_still = record.duration_ms is None
    segments, uncertain = [], Counter[str]()
    for segment, pairs in zip(alignment.segments, alignment.pairs, strict=True):
        derivations = [
            _derivation(context, pair, same_moment=not is_still and segment.factor != 0.0)
            for pair in pairs[:PAIRS_DESCRIBED]
            if agrees(context, pair)
        ]
        shown = _operations_shown(segment, pairs, derivations, is_still=is_still)
        in_time = [] if is_still else operations_of_segment(segment)
        segments.append(MatchedSegment(segment, tuple(in_order([*in_time, *shown])), is_still))
        uncertain.update(sentence for one in derivations for sentence in one.uncertain)
    operations = operations_in_time(list(alignment.segments), spans)
    # Sound that is not read is neither another one nor taken away; a note says that it was not.
    if not is_still and record.preview_key is not None and not video.info.has_unread_audio:
        operations += audio_operations(list(alignment.segments), video.audio, audio)
    operations = in_order([*operations, *_anywhere(segments)])
    is_whole = _is_whole_in_time(alignment, spans) and _is_whole_frame(context, alignment, operations)
    is_same_sound = all(operation.type is not OperationType.AUDIO_RETIMED for operation in operations)
    if is_whole and is_same_sound and not changes_content(operations):
        match = replace(match, assessment=replace(match.assessment, relation=MatchRelation.SAME_PICTURE))
        operations = operations or [re_encoded(None)]
    sentences = faces_uncertainty(context.faces_not_compared) + _most_common(uncertain, segments)
    return replace(
        match.described(operations, sentences, None),
        segments=tuple(segments),
        where=None if is_still else where_in_time(alignment.segments),
    )


def _operations_shown(
    segment: TemporalSegment,
    pairs: tuple[FramePair, ...],
    derivations: list[Derivation],
    *,
    is_still: bool,
) -> list[Operation]:
    """What was done to the pictures of one segment."""
    shown = over_frames([derivation.operations for derivation in derivations])
    shown = in_order(named_by_motion(shown, _pictures(pairs)))
    if segment.factor == 0.0 and not is_still and not _shows_the_moment(segment, pairs):
        shown = [one for one in shown if not OPERATIONS[one.type].needs_same_moment]
    return shown if is_still else _faces_over_frames(shown, _largest_faces(derivations))


def _faces_over_frames(shown: list[Operation], faces: list[FaceFinding]) -> list[Operation]:
    """A face whose mouth follows the original's was not re-enacted: it was replaced, or only looks so.

    Nor was one whose mouth is as still as the original's, unless it is drawn anew: then its eyes may be.
    """
    reenacted = [one for one in shown if one.type is OperationType.FACE_REENACTED]
    mouths = [face.pair.mouths for face in faces if face.pair.mouths]
    follows = mouths_follow(mouths)
    if not reenacted or not (follows or are_silent(mouths)):
        return shown
    others = [one for one in shown if one.type is not OperationType.FACE_REENACTED]
    if not is_drawn_anew(faces) or any(one.type is OperationType.FACE_SWAP for one in others):
        return others
    if not follows:
        return shown
    where = where_in_words(reenacted[0].reference_region) if reenacted[0].reference_region else "in it"
    sentence = DRAWN_ANEW.format(where=where)
    swapped = replace(
        reenacted[0],
        type=OperationType.FACE_SWAP,
        degree=Degree.SLIGHT,
        certainty=Certainty.LIKELY,
        sentence=sentence,
    )
    return in_order([swapped, *others])


def _shows_the_moment(segment: TemporalSegment, pairs: tuple[FramePair, ...]) -> bool:
    """Whether a frozen frame is one that was kept: what moved since the nearest kept one was not edited."""
    return any(abs(pair.reference_ms - 1000 * segment.offset) <= SAME_MOMENT_MS for pair in pairs)


def _derivation(context: RequestContext, pair: FramePair, *, same_moment: bool) -> Derivation:
    image, candidate = pair.upload.image, pair.candidate
    assert image is not None
    assert candidate.pair is not None
    height, width = candidate.pair.reference.shape[:2]
    record = candidate.record
    return derive(
        candidate.pair,
        Frame(image.width, image.height),
        Frame(record.width or width, record.height or height),
        with_faces=context.faces_not_compared is None,
        same_moment=same_moment,
    )


def _pictures(pairs: tuple[FramePair, ...]) -> list[tuple[Pixels, Pixels]]:
    return [
        (pair.upload.image.pixels, pair.candidate.reference)
        for pair in pairs
        if pair.upload.image is not None and pair.candidate.reference is not None
    ]


def _largest_faces(derivations: list[Derivation]) -> list[FaceFinding]:
    """The largest face of every frame that shows one in the upload and in the reference."""
    largest = []
    for derivation in derivations:
        widths = {
            one.pair.reference_box.width: one
            for one in derivation.faces
            if one.pair.mouths and one.pair.reference_box
        }
        if widths:
            largest.append(widths[max(widths)])
    return largest


def _anywhere(segments: list[MatchedSegment]) -> list[Operation]:
    """What was done to the pictures anywhere: each kind of operation as the longest segment shows it."""
    longest_first = sorted(segments, key=lambda one: one.segment.start - one.segment.end)
    by_type: dict[OperationType, Operation] = {}
    for segment in longest_first:
        for operation in segment.operations:
            if OPERATIONS[operation.type].extent is not Extent.TIME:
                by_type.setdefault(operation.type, operation)
    return list(by_type.values())


def _most_common(sentences: Counter[str], segments: Sequence[MatchedSegment]) -> tuple[str, ...]:
    """The uncertainties that were met often; of those that differ by a number only, one."""
    compared = sum(len(segment.operations) > 0 for segment in segments)
    # A face is 30 pixels wide here and 31 there: said once.
    alike: dict[str, Counter[str]] = {}
    for sentence, count in sentences.items():
        alike.setdefault(re.sub(r"\d+", "", sentence), Counter())[sentence] += count
    often = sorted(alike.values(), key=lambda one: -one.total())[:SENTENCES_OF_UNCERTAINTY]
    return tuple(one.most_common(1)[0][0] for one in often if one.total() > max(2, compared))


def _is_whole_in_time(alignment: VideoAlignment, spans: Spans) -> bool:
    """Whether one segment, at the original's speed, covers both videos from start to end."""
    if spans.reference is None or len(alignment.segments) != 1:
        return False
    segment = alignment.segments[0]
    start, end = segment.reference
    missing = max(WHOLE_S, WHOLE_SHARE * spans.reference)
    query_covered = spans.query - (segment.end - segment.start) < missing
    return segment.factor == 1.0 and query_covered and spans.reference - (end - start) < missing


def _is_whole_frame(
    context: RequestContext, alignment: VideoAlignment, operations: Iterable[Operation]
) -> bool:
    """Whether the whole frame lies on the whole frame, upright, as it must for a still image."""
    operations = tuple(operations)
    if changes_the_frame(operations) or any(operation.type in TURNED for operation in operations):
        return False
    compared = [pair for pairs in alignment.pairs for pair in pairs if agrees(context, pair)]
    covered = [
        min(evidence.query_coverage, evidence.reference_coverage)
        for evidence in (pair.candidate.evidence for pair in compared)
    ]
    # Of the typical pair: in a frame with little detail the geometry is less exact.
    return bool(covered) and median(covered) >= context.thresholds.same_picture_coverage
