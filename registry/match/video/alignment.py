"""From a nominated record to the seconds that an upload shows of it, with frames that prove it.

1. A few pairs of frames are compared as pictures are, until one confirms a geometry. 2. Through that
geometry the tracks are aligned in time. 3. Pairs on the lines give a more exact geometry, and the lines are
found again. 4. On every line pairs of frames are compared: what does not agree as pictures is no segment.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from sqlmodel import Session

from indexer.compare.features import LocalFeatures
from indexer.compare.geometry import Alignment, Matrix, align_together
from indexer.media.images import Pixels
from indexer.timeline.temporal_segments import TemporalSegment
from indexer.timeline.tracks import Size, segments_between
from registry.match.evidence_rules import Measured, agreement
from registry.match.retrieval import Candidate
from registry.match.video.alignment_without_previews import lines_by_fingerprints
from registry.match.video.frame_pairs import FramePair, Known, agrees, compare_frames, first_pair
from registry.match.video.retrieval import Nominated
from registry.media.previews import PreviewCache, picture_of
from registry.media.query_frames import Moment, QueryFrames
from registry.services import Services
from registry.storage.models import Record

PAIRS_FOR_GEOMETRY = 12
PAIRS_PER_LINE, PAIRS_IN_ALL = 10, 30
# Of the pairs on a line with enough detail, those that must agree in the picture.
LEAST_AGREEING_PAIRS = 0.34
# A line beside a proved one needs no proof of its own, where so little is to be seen that features are few:
# its frames correlate so well through the same geometry.
SURE_BESIDE_ANOTHER = 0.95
FULL_FRAME_TOLERANCE = 0.05  # corners so near to the frame's own are the frame's own


@dataclass(frozen=True)
class Footage:
    """What an upload shows of one record."""

    candidate: Candidate  # its best pair
    lines: tuple[TemporalSegment, ...] = ()
    pairs: tuple[tuple[FramePair, ...], ...] = ()  # by line


def find_footage(
    services: Services,
    cache: PreviewCache,
    session: Session,
    frames: QueryFrames,
    nominated: Nominated,
) -> Footage | None:
    """None: nothing in the picture confirms it."""
    candidate = Candidate(nominated.record, Measured(), tuple(sorted(nominated.found_by)))
    if nominated.record.preview_key is None:
        found = lines_by_fingerprints(session, frames.video, candidate)
        return Footage(found[0], tuple(found[1]), tuple(() for _ in found[1])) if found else None
    found_first = first_pair(services, cache, frames, nominated.hits, candidate)
    if found_first is None:
        return None
    first, known = found_first
    lines, homography = _lines(services, cache, frames, known, first)
    if not lines:
        return Footage(first.candidate)
    return _proved(services, cache, frames, known, lines, homography)


def _lines(
    services: Services, cache: PreviewCache, frames: QueryFrames, known: Known, first: FramePair
) -> tuple[list[TemporalSegment], Matrix]:
    """In time, by the geometry of one pair, then by that of many."""
    alignment = first.candidate.alignment
    assert alignment is not None
    assert first.upload.image is not None
    size = first.upload.image.pixels.shape[1], first.upload.image.pixels.shape[0]
    track = frames.video.track
    lines = segments_between(track, known.track, alignment.homography, size, known.size)
    found = [(lines, alignment.homography)]
    better = _joint_geometry(services, cache, frames, known, lines, alignment)
    exact = _full_frame(better if better is not None else alignment.homography, size, known.size)
    for homography in (better, exact):
        if homography is not None:
            lines = segments_between(track, known.track, homography, size, known.size)
            found.append((lines, homography))
    return max(found, key=lambda one: _explained(one[0]))


def _explained(lines: list[TemporalSegment]) -> float:
    """Seconds, weighted by how well their frames correlate; fewer lines where they say the same."""
    return sum((line.end - line.start) * line.similarity for line in lines) - 0.2 * len(lines)


def _joint_geometry(
    services: Services,
    cache: PreviewCache,
    frames: QueryFrames,
    known: Known,
    lines: list[TemporalSegment],
    alignment: Alignment,
) -> Matrix | None:
    """One homography from pairs all over the lines."""
    if not lines:
        return None
    each = max(1, PAIRS_FOR_GEOMETRY // len(lines))
    moments = [one for line in lines for one in moments_on(line, known, each)]
    frames.prepare(query_ms for query_ms, _ in moments)
    pairs: list[tuple[LocalFeatures, LocalFeatures]] = []
    for query_ms, reference_ms in moments:
        upload = frames.at(query_ms)
        picture = picture_of(known.candidate.record, reference_ms)
        theirs = cache.features(services, picture) if picture else None
        if upload and upload.features and theirs:
            pairs.append((upload.features, theirs))
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


def moments_on(line: TemporalSegment, known: Known, count: int) -> list[tuple[int, int]]:
    """(query_ms, reference_ms) of up to `count` kept frames spread over a line."""
    if known.is_still or line.factor == 0.0:
        reference_ms = 0 if known.is_still else _nearest(known.times_ms, 1000 * line.offset)
        inner = np.linspace(line.start, line.end, count + 2)[1:-1]
        return [(round(1000 * second), reference_ms) for second in inner]
    start, end = (1000 * one for one in line.reference)
    inside = [one for one in known.times_ms if start + 40 <= one <= end - 40]
    if not inside:
        inside = [_nearest(known.times_ms, (start + end) / 2)]
    places = np.unique(np.linspace(0, len(inside) - 1, min(count, len(inside))).round().astype(int))
    chosen = [inside[place] for place in places]
    # A hair later, so that the frame that begins then is the one that is shown.
    return [(round(1000 * (one / 1000 - line.offset) / line.factor) + 5, one) for one in chosen]


def _nearest(times_ms: tuple[int, ...], wanted: float) -> int:
    return min(times_ms, key=lambda one: abs(one - wanted))


def _proved(
    services: Services,
    cache: PreviewCache,
    frames: QueryFrames,
    known: Known,
    lines: list[TemporalSegment],
    homography: Matrix,
) -> Footage | None:
    """Lines whose frames agree in the picture."""
    each = max(2, min(PAIRS_PER_LINE, PAIRS_IN_ALL // len(lines)))
    afresh = Candidate(known.candidate.record, Measured(), known.candidate.found_by)
    found: list[tuple[TemporalSegment, tuple[FramePair, ...], bool]] = []
    for line in lines:
        moments = [
            Moment(query_ms, reference_ms, _registered(services, cache, afresh.record, reference_ms))
            for query_ms, reference_ms in moments_on(line, known, each)
        ]
        exact = (
            [one.query_ms for one in moments]
            if known.is_still
            else frames.prepare_exactly(moments, homography, known.size)
        )
        pairs = [
            compare_frames(services, cache, frames, query_ms, replace(afresh, time_ms=one.reference_ms))
            for query_ms, one in zip(exact, moments, strict=True)
        ]
        proved = tuple(one for one in pairs if one is not None)
        agreeing = sum(agrees(services, one) for one in proved)
        found.append((line, proved, agreeing > 0 and agreeing >= LEAST_AGREEING_PAIRS * len(proved)))
    if not any(is_proved for _, _, is_proved in found):
        return None
    kept = [
        (line, pairs)
        for line, pairs, is_proved in found
        if is_proved or (line.similarity >= SURE_BESIDE_ANOTHER and line.factor != 0.0)
    ]
    every = [pair for _, pairs in kept for pair in pairs]
    best = max(every, key=lambda one: agreement(one.candidate.measured, services.thresholds))
    return Footage(best.candidate, tuple(line for line, _ in kept), tuple(pairs for _, pairs in kept))


def _registered(services: Services, cache: PreviewCache, record: Record, time_ms: int) -> Pixels | None:
    picture = picture_of(record, time_ms)
    return cache.pixels(services, picture) if picture else None
