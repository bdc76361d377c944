"""Lays a whole video on another by where and when something moves, whatever it looks like.

Where another person was put in the place of the one there, or all was drawn in another style, frames
of the same moment do not look alike, and what moves looks most alike at some other moment. Where and when
it moves stayed. Only whole videos at the original's speed are laid on one another so: any two walks through
one room agree somewhere, at some speed.
"""

from collections.abc import Sequence as Many
from dataclasses import replace

import cv2
import numpy as np

from indexer.media.images import Pixels
from indexer.timeline.temporal_segments import Sequence, TemporalSegment
from indexer.timeline.track import Track, vectors_of

APART_S = 0.2  # between the two frames whose difference is what moved
GAIN = 4  # slow motion differs by a few grey levels
BLUR = 1.0  # px: the edges of two persons do not lie in the same pixels
# Mean correlation of frames, from which on they look alike enough to be trusted.
ALIKE = 0.85
LEAST_MOTION_SIMILARITY, LEAST_GAIN = 0.5, 0.04
LEAST_COVERED = 0.9  # of the longer video's seconds
STEPS_S = (0.1, 0.02)  # in which shifts are tried, the second around the best of the first


def segments_by_motion(
    found: Many[TemporalSegment], query: Sequence, reference: Sequence, moving: tuple[Sequence, Sequence]
) -> list[TemporalSegment]:
    """Returns `found`, or the whole on the whole where frames look little alike and motion says so.

    `moving`: the same two videos as `moving_sequence` returns them.
    """
    if not found or any(segment.factor == 0.0 for segment in found) or _mean(found) >= ALIKE:
        return list(found)
    known = _mean([_measured(segment, *moving) for segment in found])
    whole = _whole_by_motion(*moving)
    if whole is None or whole.similarity < max(LEAST_MOTION_SIMILARITY, known + LEAST_GAIN):
        return list(found)
    return [_measured(whole, query, reference)]


def moving_sequence(track: Track, luma: Pixels, mask: np.ndarray) -> Sequence:
    """Returns what changes within `APART_S` at every moment, over a (SIDE, SIDE) mask of `luma`."""
    times = track.times_ms / 1000
    later = np.searchsorted(times, times + APART_S).clip(max=len(times) - 1)
    energy = np.minimum(cv2.absdiff(luma[later], luma).astype(np.int32) * GAIN, 255).astype(np.uint8)
    blurred = np.array([cv2.GaussianBlur(one, (0, 0), BLUR) for one in energy], np.uint8)
    return Sequence(times, vectors_of(blurred.reshape(luma.shape), mask), track.end_ms / 1000)


def _whole_by_motion(query: Sequence, reference: Sequence) -> TemporalSegment | None:
    """Returns the best line at the original's speed that covers nearly all of both videos."""
    most = (1 - LEAST_COVERED) * max(query.end, reference.end)
    if abs(query.end - reference.end) > most:
        return None
    best, reach = 0.0, most
    for step in STEPS_S:
        offsets = best + np.arange(-reach, reach + 1e-6, step)
        lines = [_line(float(offset), query, reference) for offset in offsets]
        best = max(lines, key=lambda line: line.similarity).offset
        reach = step
    return _line(best, query, reference)


def _line(offset: float, query: Sequence, reference: Sequence) -> TemporalSegment:
    start, end = max(0.0, -offset), min(query.end, reference.end - offset)
    return _measured(TemporalSegment(start, end, 1.0, offset, 0.0), query, reference)


def _mean(segments: Many[TemporalSegment]) -> float:
    """Returns the mean similarity, each segment by its seconds."""
    seconds = np.array([segment.end - segment.start for segment in segments])
    similarities = np.array([segment.similarity for segment in segments])
    return float((seconds * similarities).sum() / max(1e-6, seconds.sum()))


def _measured(segment: TemporalSegment, query: Sequence, reference: Sequence) -> TemporalSegment:
    """Returns the segment with the similarity that these frames have along it."""
    inside = (query.times >= segment.start) & (query.times < segment.end)
    rows = reference.at(segment.factor * query.times[inside] + segment.offset)
    products = np.einsum("ij,ij->i", query.vectors[inside], rows)
    return replace(segment, similarity=float(products.mean()) if len(products) else 0.0)
