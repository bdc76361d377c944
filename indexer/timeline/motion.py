"""Lays a whole video on another by where and when something moves, whatever it looks like.

Where another person was put in the place of the one there, or all was drawn in another style, frames of the
same moment do not look alike, and what moves looks most alike at some other moment. Where and when it moves
stayed. Only whole videos at the original's speed are laid on one another so: any two walks through one room
agree somewhere, at some speed.
"""

from collections.abc import Sequence as Many
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from indexer.media.images import Pixels
from indexer.timeline.sequence import Sequence
from indexer.timeline.temporal_segments import TemporalSegment
from indexer.timeline.track import Track, vectors_of

APART_S = 0.2  # between the two frames whose difference is what moved
GAIN = 4.0  # slow motion differs by a few grey levels
BLUR = 1.0  # px: the edges of two persons do not lie in the same pixels
# Mean correlation of frames, from which on they look alike enough to be trusted.
ALIKE = 0.85
LEAST_MOTION_SIMILARITY, LEAST_GAIN = 0.5, 0.04
# How far one may lie from the other: a share of the longer one, and seconds.
MOST_SHIFT, MOST_SHIFT_S = 0.1, 2.0
LONGEST_S = 600.0  # of which what moves is computed: it takes a few seconds
SEARCHED_S, MOST_FRAMES = 0.1, 1200  # frames of the query at which shifts are tried
STEPS_S = (0.1, 0.02)  # in which shifts are tried, the second around the best of the first


def look_alike(segments: Many[TemporalSegment]) -> bool:
    """Whether frames look alike enough along these segments, or whether some of them stand still."""
    return any(segment.factor == 0.0 for segment in segments) or _mean(segments) >= ALIKE


def whole_by_motion(
    query: Sequence, reference: Sequence, known: Many[TemporalSegment]
) -> TemporalSegment | None:
    """Returns the whole on the whole, where it agrees in motion by more than the `known` segments do.

    `query`, `reference`: as `moving_sequence` returns them. The similarity is that of the motion.
    """
    longest = max(query.end, reference.end)
    most = min(MOST_SHIFT * longest, MOST_SHIFT_S)
    if longest > LONGEST_S or abs(query.end - reference.end) > most:
        return None
    query = _thinned(query)
    best, reach = 0.0, most
    for step in STEPS_S:
        offsets = best + np.arange(-reach, reach + 1e-6, step)
        lines = [_line(float(offset), query, reference) for offset in offsets]
        best = max(lines, key=lambda line: line.similarity).offset
        reach = step
    whole = _line(best, query, reference)
    least = _mean([similar_along(segment, query, reference) for segment in known]) + LEAST_GAIN
    return whole if whole.similarity >= max(LEAST_MOTION_SIMILARITY, least) else None


def moving_sequence(track: Track, luma: Pixels, mask: npt.NDArray[np.bool_]) -> Sequence:
    """Returns what changes within `APART_S` at every moment, over a (SIDE, SIDE) mask of the luma."""
    times = track.times_ms / 1000
    later = np.searchsorted(times, times + APART_S).clip(max=len(times) - 1)
    moved = np.empty_like(luma)
    for number, (after, frame) in enumerate(zip(later, luma, strict=True)):
        energy = cv2.convertScaleAbs(cv2.absdiff(luma[after], frame), alpha=GAIN)
        moved[number] = cv2.GaussianBlur(energy, (0, 0), BLUR)
    return Sequence(times, vectors_of(moved, mask), track.end_ms / 1000)


def similar_along(segment: TemporalSegment, query: Sequence, reference: Sequence) -> TemporalSegment:
    """Returns the segment with the similarity that these frames have along it."""
    inside = (query.times >= segment.start) & (query.times < segment.end)
    rows = reference.at(segment.factor * query.times[inside] + segment.offset)
    products = np.einsum("ij,ij->i", query.vectors[inside], rows)
    return replace(segment, similarity=float(products.mean()) if len(products) else 0.0)


def _thinned(sequence: Sequence) -> Sequence:
    """Returns as many frames as a search needs."""
    return sequence.every(max(SEARCHED_S, sequence.end / MOST_FRAMES))


def _line(offset: float, query: Sequence, reference: Sequence) -> TemporalSegment:
    start, end = max(0.0, -offset), min(query.end, reference.end - offset)
    return similar_along(TemporalSegment(start, end, 1.0, offset, 0.0), query, reference)


def _mean(segments: Many[TemporalSegment]) -> float:
    """Returns the mean similarity, each segment by its seconds."""
    seconds = np.array([segment.end - segment.start for segment in segments])
    similarities = np.array([segment.similarity for segment in segments])
    return float((seconds * similarities).sum() / max(1e-6, seconds.sum()))
