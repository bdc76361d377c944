"""Temporal segments, the frames they are measured on, and how one segment is refined.

A temporal segment is a stretch of the query that lies on a line t_reference = factor * t_query + offset.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from indexer.timeline.line_similarity import LineSimilarity, mean_product
from indexer.timeline.sequence import Sequence

Similarities = npt.NDArray[np.float32]  # (query frames, reference frames), correlations
Flags = npt.NDArray[np.bool_]

MOST_FRAMES = 240  # so many frames of a segment are enough to refine it
NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
# Seconds around the refined place at which the original's speed is tried.
ORIGINAL_SPEED_STEPS_S = np.linspace(-0.2, 0.2, 41)
# Share of the motion that a factor must explain beyond what the original's speed explains.
UNCERTAIN_SHARE = 0.02
LEAST_FREEZE_S = 0.7
# Share of the motion that a segment of another speed than the original's must explain: right ones explain
# 0.87 and more (docs/quality.md); in a picture that stands still, coding noise fits any speed a little.
LEAST_EXPLAINED = 0.7
PLACES_S = 0.1  # steps in which a segment without motion is tried along the whole reference
# Correlation by which the original's speed may be worse; where anything moves, it is far worse.
NO_WORSE = 0.01
# A step from one frame to the next counts as still below this distance, or below this share of the median.
STILL_STEP, STILL_SHARE = 0.002, 0.2
STILL = 0.01  # root mean square distance of frames from their mean, below which nothing moves


@dataclass(frozen=True)
class TemporalSegment:
    """A stretch of the query that shows a stretch of the reference; times are in seconds."""

    start: float  # in the query
    end: float
    factor: float  # playback speed of the query; negative: backwards; 0: a frozen frame
    offset: float  # reference second at query second 0
    similarity: float  # mean correlation of its frames, -1..1
    similarity_profile: tuple[float, ...] = ()  # mean correlation in each of equal steps of its time

    def at(self, second: float) -> float:
        """Returns the reference's second at a second of the query."""
        return self.factor * second + self.offset

    @property
    def reference(self) -> tuple[float, float]:
        """First and last second in the reference, rising."""
        ends = float(self.at(self.start)), float(self.at(self.end))
        return min(ends), max(ends)


def refine_segment(segment: TemporalSegment, query: Sequence, reference: Sequence) -> TemporalSegment:
    """Finds factor and offset at which both videos move most alike, to a few milliseconds.

    Frames are compared less their mean over the segment: what stands still, such as a logo or a border that
    is a pixel off, is the same at every factor and drops out. The search halves its steps as it goes on.
    """
    inside = np.flatnonzero((query.times >= segment.start - 1e-6) & (query.times <= segment.end + 1e-6))
    if len(inside) < 3:
        return segment
    inside = inside[np.linspace(0, len(inside) - 1, min(len(inside), MOST_FRAMES)).astype(int)]
    times, rows = query.times[inside], query.vectors[inside]
    moving = rows - rows.mean(axis=0)
    spread = float(np.sqrt((moving**2).sum(axis=1).mean()))
    middle = float(times.mean())
    half = max(0.2, float(times[-1] - times[0]) / 2)

    as_shown, in_motion = (LineSimilarity(values, reference) for values in (rows, moving))

    def similarity(factor: float, centre: float) -> float:
        return as_shown.product_and_size(factor * (times - middle) + centre)[0]

    def motion_similarity(factor: float, centre: float) -> float:
        # Their mean drops out of the product, because what moves has the mean 0.
        product, size = in_motion.product_and_size(factor * (times - middle) + centre)
        return product / max(spread * size, STILL**2)

    objective = similarity if segment.factor == 0.0 or spread < STILL else motion_similarity
    factor, centre = segment.factor, segment.at(middle)
    best = objective(factor, centre)
    drift, shift = 0.3, 0.2  # seconds by which its ends are moved, and by which the whole segment is
    while shift > 0.004:
        steps = [
            (turn * drift / half, move * shift) for turn, move in NEIGHBOURS if turn == 0 or segment.factor
        ]
        moved = True
        while moved:
            moved = False
            for change, step in steps:
                found = objective(factor + change, centre + step)
                if found > best + 1e-6:
                    best, factor, centre, moved = found, factor + change, centre + step, True
        drift, shift = drift / 2, shift / 2
    if segment.factor:
        original = float(np.sign(factor))
        at_original_speed, place = max(
            (objective(original, centre + step), centre + step) for step in ORIGINAL_SPEED_STEPS_S
        )
        if at_original_speed > best - UNCERTAIN_SHARE * max(0.0, best):
            factor, centre = original, place
    return replace(
        segment,
        factor=float(factor),
        offset=float(centre - factor * middle),
        similarity=mean_product(rows, reference.at(factor * (times - middle) + centre)),
    )


def original_speed_if_still(
    segment: TemporalSegment, query: Sequence, reference: Sequence
) -> TemporalSegment:
    """Returns the segment at the original's speed where its motion is no evidence of another speed."""
    if segment.factor in (0.0, 1.0):
        return segment
    inside = (query.times >= segment.start - 1e-6) & (query.times <= segment.end + 1e-6)
    times, rows = query.times[inside], query.vectors[inside]
    if len(times) < 3:
        return segment
    reference_rows = reference.at(segment.factor * times + segment.offset)
    moving, reference_moving = rows - rows.mean(axis=0), reference_rows - reference_rows.mean(axis=0)
    sizes = float(np.sqrt((moving**2).sum() * (reference_moving**2).sum()))
    explained = float((moving * reference_moving).sum()) / max(sizes, STILL**2 * len(rows))
    if explained >= LEAST_EXPLAINED:
        return segment
    latest = max(reference.times[0], reference.end - (times[-1] - times[0]))
    offsets = np.arange(reference.times[0], latest + 1e-6, PLACES_S) - times[0]
    similarities = [mean_product(rows, reference.at(times + offset)) for offset in offsets]
    place = int(np.argmax(similarities))
    if similarities[place] < segment.similarity - NO_WORSE:
        return segment
    return replace(segment, factor=1.0, offset=float(offsets[place]), similarity=similarities[place])


def frozen_segments(query: Sequence, reference: Sequence) -> list[TemporalSegment]:
    """Finds stretches in which the query stands still, each on the most similar frame of the reference."""
    if len(query.times) < 2 or len(reference.times) < 2:
        return []
    steps = np.linalg.norm(np.diff(query.vectors, axis=0, prepend=query.vectors[:1]), axis=1)
    still = steps < max(STILL_STEP, STILL_SHARE * float(np.median(steps)))
    segments = []
    for first, last in runs(still & (np.linalg.norm(query.vectors, axis=1) > 0.5)):
        first = max(0, first - 1)
        start, end = float(query.times[first]), float(query.times[last - 1])
        if end - start < LEAST_FREEZE_S:
            continue
        similarities = reference.vectors @ query.vectors[first:last].mean(axis=0)
        place = int(similarities.argmax())
        segments.append(
            TemporalSegment(start, end, 0.0, float(reference.times[place]), float(similarities[place]))
        )
    return segments


def runs(flags: Flags) -> list[tuple[int, int]]:
    """Returns (first, last + 1) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
