"""Finds which seconds of a query video show which seconds of its reference.

Both videos are compared as luma frames warped to one frame of reference, so that the correlation of two
frames says whether they show the same moment. A talking head changes little from second to second, so the
best match of a single frame is noise; a whole stretch is not. A stretch lies on a line
t_reference = factor * t_query + offset. For every window of the query, all factors (forwards and backwards,
0.25 to 4) and all offsets are tried. The line on which the frames look most alike and move most alike is
kept, extended as far as the frames agree with it, and refined on all frames. What it explains is taken out,
and the rest of the query is searched again.
"""

from dataclasses import dataclass, replace

import numpy as np

from indexer.timeline.sequence import Sequence
from indexer.timeline.temporal_segments import (
    Flags,
    Similarities,
    TemporalSegment,
    frozen_segments,
    refine_segment,
    runs,
)
from indexer.timeline.viterbi import FrameScores, best_path

COARSE_STEP_S = 0.2
FACTORS = np.geomspace(0.25, 4.0, 61)  # neighbours differ by 4.7 percent
WINDOWS_S = (8.0, 3.0, 1.4)  # the longest first: short windows cannot tell a factor
LEAST_WINDOW_SIMILARITY = 0.55  # mean correlation on the best line of a window
# A segment that covers a smaller share of its window may not be what the window shows.
LEAST_WINDOW_SHARE = 0.5
MOTION_WEIGHT = 0.5  # of similar motion, relative to similar frames
# A hypothesis replaces an earlier one only where its agreement is higher by so much.
REPLACEMENT_MARGIN = 0.004
GAP_S = 0.5  # a shorter drop in agreement is a flash or a damaged frame
LEAST_SEGMENT_S = 0.6
MOST_SEGMENTS = 60


def find_segments(query: Sequence, reference: Sequence) -> list[TemporalSegment]:
    """Finds the segments that explain the query, in the order of its seconds; they do not overlap."""
    if len(query.times) == 0 or len(reference.times) == 0:
        return []
    scores = FrameScores(query, reference)
    search = _Search(query, reference, scores)
    for window_s in WINDOWS_S:
        search.explain(window_s)
    return best_path(search.segments() + frozen_segments(query, reference), scores, LEAST_SEGMENT_S)


@dataclass(frozen=True)
class _Hypothesis:
    """The best line through one window."""

    agreement: float  # similarity of frames and motion together; only ranks hypotheses
    similarity: float  # mean correlation of frames
    factor: float
    offset: float


class _Search:
    """The state of one search: which coarse query frames are explained, and by which segments."""

    def __init__(self, query: Sequence, reference: Sequence, scores: FrameScores) -> None:
        self._fine, self._reference, self._scores = query, reference, scores
        coarse = query.every(COARSE_STEP_S)
        self._times = coarse.times
        grid = np.arange(reference.times[0], max(reference.end, reference.times[0] + 1e-3), COARSE_STEP_S)
        self._grid_start = float(grid[0])
        rows = reference.at(grid)
        self._similarities: Similarities = coarse.vectors @ rows.T
        self._energy = (coarse.vectors**2).sum(axis=1)
        self._motion = _typical_motion(rows)
        self._unexplained = self._energy > 0.25
        self._segments: list[TemporalSegment] = []

    def segments(self) -> list[TemporalSegment]:
        """Returns what was found, in the order of the query's seconds."""
        return sorted(self._segments, key=lambda segment: segment.start)

    def explain(self, window_s: float) -> None:
        """Takes the best hypothesis of any unexplained window, and goes on with what is left."""
        tried: dict[tuple[int, int], _Hypothesis | None] = {}
        while len(self._segments) < MOST_SEGMENTS:
            for window in self._windows(window_s):
                if window not in tried:
                    tried[window] = self._best_hypothesis(*window)
            candidates = [(window, found) for window, found in tried.items() if found is not None]
            if not candidates:
                return
            window, hypothesis = max(candidates, key=lambda candidate: candidate[1].agreement)
            self._take(hypothesis, *window)
            remaining = {other for other in tried if self._unexplained[other[0] : other[1]].all()}
            tried = {other: found for other, found in tried.items() if other in remaining}
            tried[window] = None  # whether or not it became a segment, this window is not tried again

    def _windows(self, window_s: float) -> list[tuple[int, int]]:
        """Cuts unexplained runs into windows (first, last + 1) that overlap by half."""
        count = max(3, round(window_s / COARSE_STEP_S))
        windows = []
        for first, last in runs(self._unexplained):
            if last - first < 0.7 * count:
                continue
            starts = range(first, max(first + 1, last - count + 1), max(1, count // 2))
            windows += [(start, min(start + count, last)) for start in starts]
            if last - first > count:
                windows.append((last - count, last))
        return list(dict.fromkeys(windows))

    def _best_hypothesis(self, first: int, last: int) -> _Hypothesis | None:
        """Returns the best line through these query frames, or None where nothing is similar enough."""
        times, similarities = self._times[first:last], self._similarities[first:last]
        count, columns = similarities.shape
        # Each query frame less the mean of its window, times the reference: its sum along a line is zero
        # where either video stands still, so that only common motion counts.
        motion = similarities - similarities.mean(axis=0)
        own_motion = _motion_of(self._fine, float(times[0]), float(times[-1]))
        scale = MOTION_WEIGHT / (count * max(own_motion, 1e-3) * self._motion)
        agreements = similarities / count + scale * motion
        middle = float(times.mean())
        best: _Hypothesis | None = None
        # The original's speed comes first, forwards and backwards, so that another factor must be clearly
        # better to replace it. A still image has no speed.
        factors = np.concatenate([[1.0, -1.0], FACTORS, -FACTORS]) if columns > 1 else np.zeros(1)
        for factor in factors:
            shifts = np.round(factor * (times - middle) / COARSE_STEP_S).astype(int)
            reach = int(np.abs(shifts).max())
            padded = np.zeros((count, columns + 2 * reach), np.float32)
            padded[:, reach : reach + columns] = agreements
            total = np.zeros(columns, np.float32)
            for row, shift in zip(padded, shifts, strict=True):
                total += row[reach + shift : reach + shift + columns]
            place = int(total.argmax())
            agreement = float(total[place])
            if best is None or agreement > best.agreement + REPLACEMENT_MARGIN:
                offset = self._grid_start + place * COARSE_STEP_S - float(factor) * middle
                places = place + shifts
                inside = (places >= 0) & (places < columns)
                similarity = float(similarities[np.flatnonzero(inside), places[inside]].sum()) / count
                best = _Hypothesis(agreement, similarity, float(factor), offset)
        return best if best is not None and best.similarity >= LEAST_WINDOW_SIMILARITY else None

    def _take(self, hypothesis: _Hypothesis, first: int, last: int) -> None:
        """Refines and extends a hypothesis by turns, and keeps it if it is long enough."""
        start, end = float(self._times[first]), float(self._times[last - 1])
        segment = TemporalSegment(start, end, hypothesis.factor, hypothesis.offset, hypothesis.similarity)
        segment = refine_segment(segment, self._fine, self._reference)
        for _ in range(6):
            extended = self._extended(segment)
            if extended.end - extended.start <= segment.end - segment.start + COARSE_STEP_S / 2:
                segment = extended
                break
            segment = refine_segment(extended, self._fine, self._reference)
        seconds = segment.end - segment.start
        if seconds < LEAST_SEGMENT_S:
            return
        self._segments.append(segment)
        # A segment that fills little of its window may fit by chance, so its frames stay unexplained and
        # shorter windows are asked about them again.
        if seconds >= LEAST_WINDOW_SHARE * (end - start):
            self._unexplained &= ~(
                (self._times >= segment.start - 1e-6) & (self._times < segment.end - 1e-6)
            )

    def _extended(self, segment: TemporalSegment) -> TemporalSegment:
        """Extends a segment to both sides, over unexplained frames, as far as they agree with its line."""
        times = self._fine.times
        inside = (times >= segment.start) & (times <= segment.end)
        agreeing = (self._scores.of(segment) > 0) & self._unexplained_at(times)
        agreeing_runs = runs(agreeing & inside)
        if not agreeing_runs:
            return replace(segment, end=segment.start)
        first, last = max(agreeing_runs, key=lambda run: run[1] - run[0])
        middle = (first + last) // 2
        first, last = _walk(agreeing, times, middle, -1), _walk(agreeing, times, middle, +1)
        following = times[last + 1] if last + 1 < len(times) else self._fine.end
        return replace(segment, start=float(times[first]), end=float(following))

    def _unexplained_at(self, times: np.ndarray) -> Flags:
        places = np.clip(np.searchsorted(self._times, times + 1e-6) - 1, 0, len(self._times) - 1)
        return np.asarray(self._unexplained[places], np.bool_)


def _motion_of(sequence: Sequence, start: float, end: float) -> float:
    """Returns the root mean square distance of frames between two times from their mean."""
    first, last = np.searchsorted(sequence.times, (start - 1e-6, end + 1e-6))
    rows = sequence.vectors[first:last]
    return float(np.sqrt(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())) if len(rows) else 0.0


def _typical_motion(rows: np.ndarray) -> float:
    """Returns the median of that distance over windows of 8 seconds of the reference."""
    count = max(2, round(WINDOWS_S[0] / COARSE_STEP_S))
    parts = [rows[start : start + count] for start in range(0, max(1, len(rows) - count // 2), count)]
    spreads = [np.sqrt(((part - part.mean(axis=0)) ** 2).sum(axis=1).mean()) for part in parts]
    return max(1e-3, float(np.median(spreads)))


def _walk(agreeing: Flags, times: np.ndarray, start: int, step: int) -> int:
    """Returns the farthest frame that is reached from `start` without a gap of more than GAP_S."""
    last = place = start
    while 0 <= place < len(times) and abs(times[place] - times[last]) <= GAP_S:
        if agreeing[place]:
            last = place
        place += step
    return last
