"""From a retrieved record to the seconds that an upload shows of it, with frames that prove it.

1. A few pairs of frames are compared as pictures are, until one confirms a geometry. 2. Through that
geometry the tracks are aligned in time. 3. Pairs on the segments give a more exact geometry, and the
segments are found again. 4. On every segment pairs of frames are compared: what does not agree as pictures
is dropped.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from indexer.compare.features import LocalFeatures
from indexer.compare.geometry import Alignment, Matrix, align_together
from indexer.media.images import Pixels
from indexer.timeline.temporal_segments import TemporalSegment
from indexer.timeline.tracks import Size, segments_between
from registry.match.candidates import Candidate, RetrievedRecord
from registry.match.evidence_rules import agreement
from registry.match.match_evidence import MatchEvidence
from registry.match.video.alignment_without_previews import align_by_fingerprints
from registry.match.video.frame_pairs import (
    FramePair,
    ReferenceVideo,
    agrees,
    first_pair,
    mostly_differ,
    verify_pair,
)
from registry.match.video.segment_ends import SegmentEnds, ends_of
from registry.media.previews import picture_of
from registry.media.query_frames import Moment, QueryFrames
from registry.services import RequestContext
from registry.storage.db import release
from registry.storage.models import Record

PAIRS_FOR_GEOMETRY, MOST_PAIRS_FOR_GEOMETRY = 12, 24  # usually; of very many segments
PAIRS_PER_SEGMENT, PAIRS_IN_ALL = 10, 30
# Of the pairs on a segment with enough detail, those that must agree in the picture.
LEAST_AGREEING_PAIRS = 0.34
# A segment beside a proved one needs no proof of its own where so little is to be seen that features are
# few, if its frames correlate so well through the same geometry.
SURE_BESIDE_ANOTHER = 0.95
FULL_FRAME_TOLERANCE = 0.05  # corners so near to the frame's own are the frame's own
COST_PER_SEGMENT_S = 0.2  # of several descriptions that say the same, the one with fewer segments counts


@dataclass(frozen=True)
class VideoAlignment:
    """Which seconds of one record an upload shows."""

    candidate: Candidate  # its best pair of frames
    segments: tuple[TemporalSegment, ...] = ()
    pairs: tuple[tuple[FramePair, ...], ...] = ()  # by segment
    ends: tuple[SegmentEnds, ...] = ()  # by segment; none where no track is kept


def align_video(
    context: RequestContext, frames: QueryFrames, retrieved: RetrievedRecord
) -> VideoAlignment | None:
    """Aligns an uploaded video with one record. None: nothing in the picture confirms it."""
    candidate = Candidate(retrieved.record, MatchEvidence(), retrieved.found_by)
    if retrieved.record.preview_key is None:
        aligned = align_by_fingerprints(context.session, frames.video, candidate)
        release(context.session)
        if aligned is None:
            return None
        best, segments = aligned
        return VideoAlignment(best, tuple(segments), tuple(() for _ in segments))
    confirmed = first_pair(context, frames, retrieved.hits, candidate)
    if confirmed is None:
        return None
    pair, reference = confirmed
    segments, homography = _segments(context, frames, reference, pair)
    if not segments:
        return VideoAlignment(pair.candidate)
    return _proved(context, frames, reference, segments, homography)


def _segments(
    context: RequestContext, frames: QueryFrames, reference: ReferenceVideo, pair: FramePair
) -> tuple[list[TemporalSegment], Matrix]:
    """By the geometry of one pair, then by that of many; the one that explains most seconds is taken."""
    alignment = pair.candidate.alignment
    assert alignment is not None
    assert pair.upload.image is not None
    size = pair.upload.image.pixels.shape[1], pair.upload.image.pixels.shape[0]
    track = frames.video.track
    segments = segments_between(track, reference.track, alignment.homography, size, reference.size)
    found = [(segments, alignment.homography)]
    better = _joint_geometry(context, frames, reference, segments, alignment)
    exact = _full_frame(better if better is not None else alignment.homography, size, reference.size)
    for homography in (better, exact):
        if homography is not None:
            segments = segments_between(track, reference.track, homography, size, reference.size)
            found.append((segments, homography))
    return max(found, key=lambda one: _explained(one[0]))


def _explained(segments: list[TemporalSegment]) -> float:
    """Seconds, weighted by how well their frames correlate; fewer segments where they say the same."""
    seconds = sum((segment.end - segment.start) * segment.similarity for segment in segments)
    return seconds - COST_PER_SEGMENT_S * len(segments)


def _joint_geometry(
    context: RequestContext,
    frames: QueryFrames,
    reference: ReferenceVideo,
    segments: list[TemporalSegment],
    alignment: Alignment,
) -> Matrix | None:
    """One homography from pairs all over the segments."""
    if not segments:
        return None
    each = max(1, PAIRS_FOR_GEOMETRY // len(segments))
    found = [moment for segment in segments for moment in moments_on(segment, reference, each)]
    places = np.linspace(0, len(found) - 1, min(len(found), MOST_PAIRS_FOR_GEOMETRY)).astype(int)
    moments = [found[place] for place in places]
    frames.prepare(query_ms for query_ms, _ in moments)
    pairs: list[tuple[LocalFeatures, LocalFeatures]] = []
    for query_ms, reference_ms in moments:
        upload = frames.at(query_ms)
        picture = picture_of(reference.candidate.record, reference_ms)
        features = context.previews.features(picture) if picture else None
        if upload and upload.features and features:
            pairs.append((upload.features, features))
    return align_together(pairs, is_mirrored=alignment.is_mirrored) if pairs else None


def _full_frame(homography: Matrix, size: Size, reference_size: Size) -> Matrix | None:
    """The whole frame on the whole frame, where that is nearly so; a panning camera hides a small shift."""
    corners = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], np.float32)
    mapped = cv2.perspectiveTransform(corners[None], homography)[0] / np.array(reference_size, np.float32)
    straight = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    for target in (straight, straight[[1, 0, 3, 2]]):
        if np.abs(mapped - target).max() < FULL_FRAME_TOLERANCE:
            goal = (target * np.array(reference_size, np.float32)).astype(np.float32)
            return np.asarray(cv2.getPerspectiveTransform(corners, goal), np.float64)
    return None


def moments_on(segment: TemporalSegment, reference: ReferenceVideo, count: int) -> list[tuple[int, int]]:
    """(query_ms, reference_ms) of up to `count` kept frames spread over a segment."""
    if reference.is_still or segment.factor == 0.0:
        reference_ms = 0 if reference.is_still else _nearest(reference.times_ms, 1000 * segment.offset)
        inner = np.linspace(segment.start, segment.end, count + 2)[1:-1]
        return [(round(1000 * second), reference_ms) for second in inner]
    start, end = (1000 * second for second in segment.reference)
    inside = [time_ms for time_ms in reference.times_ms if start + 40 <= time_ms <= end - 40]
    if not inside:
        inside = [_nearest(reference.times_ms, (start + end) / 2)]
    places = np.unique(np.linspace(0, len(inside) - 1, min(count, len(inside))).round().astype(int))
    chosen = [inside[place] for place in places]
    # A hair later, so that the frame that begins then is the one that is shown.
    return [
        (round(1000 * (time_ms / 1000 - segment.offset) / segment.factor) + 5, time_ms)
        for time_ms in chosen
    ]


def _nearest(times_ms: tuple[int, ...], wanted: float) -> int:
    return min(times_ms, key=lambda time_ms: abs(time_ms - wanted))


def _proved(
    context: RequestContext,
    frames: QueryFrames,
    reference: ReferenceVideo,
    segments: list[TemporalSegment],
    homography: Matrix,
) -> VideoAlignment | None:
    """The segments whose frames agree in the picture."""
    each = max(2, min(PAIRS_PER_SEGMENT, PAIRS_IN_ALL // len(segments)))
    afresh = Candidate(reference.candidate.record, MatchEvidence(), reference.candidate.found_by)
    compared: list[tuple[TemporalSegment, tuple[FramePair, ...], bool]] = []
    for segment in segments:
        pairs = _pairs_on(context, frames, reference, segment, homography, afresh, each)
        agreeing = sum(agrees(context, pair) for pair in pairs)
        is_proved = agreeing > 0 and agreeing >= LEAST_AGREEING_PAIRS * len(pairs)
        is_proved = is_proved and not mostly_differ(context, pairs)
        compared.append((segment, pairs, is_proved))
    if not any(is_proved for _, _, is_proved in compared):
        return None
    kept = [
        (segment, pairs)
        for segment, pairs, is_proved in compared
        if is_proved or (segment.similarity >= SURE_BESIDE_ANOTHER and segment.factor != 0.0)
    ]
    every = [pair for _, pairs in kept for pair in pairs]
    best = max(every, key=lambda pair: agreement(pair.candidate.evidence, context.thresholds))
    proved = [segment for segment, _ in kept]
    ends = ends_of(context, frames, reference, proved, homography)
    return VideoAlignment(best.candidate, tuple(proved), tuple(pairs for _, pairs in kept), ends)


def _pairs_on(
    context: RequestContext,
    frames: QueryFrames,
    reference: ReferenceVideo,
    segment: TemporalSegment,
    homography: Matrix,
    candidate: Candidate,
    count: int,
) -> tuple[FramePair, ...]:
    """Pairs of frames of the same moments, compared as pictures."""
    moments = [
        Moment(query_ms, reference_ms, _reference_pixels(context, candidate.record, reference_ms))
        for query_ms, reference_ms in moments_on(segment, reference, count)
    ]
    times = (
        [moment.query_ms for moment in moments]
        if reference.is_still
        else frames.prepare_exactly(moments, homography, reference.size)
    )
    pairs = [
        verify_pair(context, frames, query_ms, replace(candidate, time_ms=moment.reference_ms))
        for query_ms, moment in zip(times, moments, strict=True)
    ]
    return tuple(pair for pair in pairs if pair is not None)


def _reference_pixels(context: RequestContext, record: Record, time_ms: int) -> Pixels | None:
    picture = picture_of(record, time_ms)
    return context.previews.pixels(picture) if picture else None
