"""Which seconds of a query are which of its reference: lines t_reference = factor * t_query + offset.

Both videos are compared as luma frames in one frame of reference, so that the correlation of two frames
says whether they show one moment. A talking head changes little from second to second, and single best
frames are noise; whole lines are not: for every window of the query all factors (forwards and backwards,
0.25 to 4) and all offsets are tried, and the line on which the frames correlate best, and move alike, is
kept, grown as far as it holds, and refined on the full track. What is explained is taken out, and the rest
is searched again.
"""

from dataclasses import dataclass, replace

import numpy as np

from indexer.timeline.temporal_segments import (
    Flags,
    Sequence,
    Similarities,
    TemporalSegment,
    frozen_segments,
    refine_segment,
    runs,
)
from indexer.timeline.viterbi import FrameScores, best_path

COARSE_STEP_S = 0.2
FACTORS = np.geomspace(0.25, 4.0, 61)  # neighbours differ by 4.7 percent
WINDOWS_S = (8.0, 3.0, 1.4)  # the longest first: short ones cannot tell a factor
LEAST_WINDOW_SIMILARITY = 0.55  # mean correlation on the best line of a window
LEAST_OF_WINDOW = 0.5  # a line that holds over less of its window may not be what the window shows
MOTION_WEIGHT = 0.5  # of moving alike, beside looking alike
# What is so much better replaces the reference's own speed.
UNCERTAIN = 0.004
GAP_S = 0.5  # so short a fall is a flash or a bad frame
LEAST_SEGMENT_S = 0.6
MOST_SEGMENTS = 60


def find_segments(query: Sequence, reference: Sequence) -> list[TemporalSegment]:
    """Lines that explain the query, in the order of its seconds; they do not overlap."""
    if len(query.times) == 0 or len(reference.times) == 0:
        return []
    scores = FrameScores(query, reference)
    search = _Search(query, reference, scores)
    for window_s in WINDOWS_S:
        search.explain(window_s)
    return best_path(search.lines() + frozen_segments(query, reference), scores, LEAST_SEGMENT_S)


@dataclass(frozen=True)
class _Guess:
    """The best line through one window."""

    worth: float  # orders guesses
    similarity: float  # mean correlation
    factor: float
    offset: float


class _Search:
    """The state of one search: which coarse query frames are explained, and by what."""

    def __init__(self, query: Sequence, reference: Sequence, scores: FrameScores) -> None:
        self._fine, self._reference, self._scores = query, reference, scores
        coarse = query.every(COARSE_STEP_S)
        self._times = coarse.times
        grid = np.arange(reference.times[0], max(reference.end, reference.times[0] + 1e-3), COARSE_STEP_S)
        self._grid_start = float(grid[0])
        rows = reference.at(grid)
        self._similar: Similarities = coarse.vectors @ rows.T
        self._energy = (coarse.vectors**2).sum(axis=1)
        self._motion = _typical_motion(rows)
        self._free = self._energy > 0.25
        self._found: list[TemporalSegment] = []

    def lines(self) -> list[TemporalSegment]:
        """In the order of the query's seconds."""
        return sorted(self._found, key=lambda one: one.start)

    def explain(self, window_s: float) -> None:
        """Take the best line of any free window, grow it, and go on with what is left."""
        tried: dict[tuple[int, int], _Guess | None] = {}
        while len(self._found) < MOST_SEGMENTS:
            for window in self._windows(window_s):
                if window not in tried:
                    tried[window] = self._best_line(*window)
            guesses = [(window, guess) for window, guess in tried.items() if guess is not None]
            if not guesses:
                return
            window, guess = max(guesses, key=lambda one: one[1].worth)
            self._take(guess, *window)
            still_free = {one for one in tried if self._free[one[0] : one[1]].all()}
            tried = {one: value for one, value in tried.items() if one in still_free}
            tried[window] = None  # whatever came of it, it is not tried again

    def _windows(self, window_s: float) -> list[tuple[int, int]]:
        """(first, last + 1) of free runs, cut to windows that overlap by half."""
        count = max(3, round(window_s / COARSE_STEP_S))
        found = []
        for first, last in runs(self._free):
            if last - first < 0.7 * count:
                continue
            starts = range(first, max(first + 1, last - count + 1), max(1, count // 2))
            found += [(start, min(start + count, last)) for start in starts]
            if last - first > count:
                found.append((last - count, last))
        return list(dict.fromkeys(found))

    def _best_line(self, first: int, last: int) -> _Guess | None:
        """The best line through these query frames; None where nothing looks alike."""
        times, alike = self._times[first:last], self._similar[first:last]
        count, columns = alike.shape
        # A frame less the mean of its window, times the reference: what moves, wherever both stand still.
        moving = alike - alike.mean(axis=0)
        own_motion = _motion_of(self._fine, float(times[0]), float(times[-1]))
        scale = MOTION_WEIGHT / (count * max(own_motion, 1e-3) * self._motion)
        both = alike / count + scale * moving
        middle = float(times.mean())
        best: _Guess | None = None
        # The first two come first, and only what is clearly better replaces them. A still has no speed.
        factors = np.concatenate([[1.0, -1.0], FACTORS, -FACTORS]) if columns > 1 else np.zeros(1)
        for factor in factors:
            shifts = np.round(factor * (times - middle) / COARSE_STEP_S).astype(int)
            reach = int(np.abs(shifts).max())
            padded = np.zeros((count, columns + 2 * reach), np.float32)
            padded[:, reach : reach + columns] = both
            total = np.zeros(columns, np.float32)
            for row, shift in zip(padded, shifts, strict=True):
                total += row[reach + shift : reach + shift + columns]
            place = int(total.argmax())
            worth = float(total[place])
            if best is None or worth > best.worth + UNCERTAIN:
                offset = self._grid_start + place * COARSE_STEP_S - float(factor) * middle
                there = place + shifts
                seen = (there >= 0) & (there < columns)
                similarity = float(alike[np.flatnonzero(seen), there[seen]].sum()) / count
                best = _Guess(worth, similarity, float(factor), offset)
        return best if best is not None and best.similarity >= LEAST_WINDOW_SIMILARITY else None

    def _take(self, guess: _Guess, first: int, last: int) -> None:
        start, end = float(self._times[first]), float(self._times[last - 1])
        line = TemporalSegment(start, end, guess.factor, guess.offset, guess.similarity)
        line = refine_segment(line, self._fine, self._reference)
        for _ in range(6):
            grown = self._grown(line)
            if grown.end - grown.start <= line.end - line.start + COARSE_STEP_S / 2:
                line = grown
                break
            line = refine_segment(grown, self._fine, self._reference)
        seconds = line.end - line.start
        if seconds < LEAST_SEGMENT_S:
            return
        self._found.append(line)
        # Found across an edge, it may be there by chance: shorter windows are asked about the same frames.
        if seconds >= LEAST_OF_WINDOW * (end - start):
            self._free &= ~((self._times >= line.start - 1e-6) & (self._times < line.end - 1e-6))

    def _grown(self, line: TemporalSegment) -> TemporalSegment:
        """As far over free frames as the line holds, to both sides; its ends on the full track."""
        times = self._fine.times
        inside = (times >= line.start) & (times <= line.end)
        holds = (self._scores.of(line) > 0) & self._free_at(times)
        good = runs(holds & inside)
        if not good:
            return replace(line, end=line.start)
        first, last = max(good, key=lambda run: run[1] - run[0])
        middle = (first + last) // 2
        first, last = _walk(holds, times, middle, -1), _walk(holds, times, middle, +1)
        following = times[last + 1] if last + 1 < len(times) else self._fine.end
        return replace(line, start=float(times[first]), end=float(following))

    def _free_at(self, times: np.ndarray) -> Flags:
        places = np.clip(np.searchsorted(self._times, times + 1e-6) - 1, 0, len(self._times) - 1)
        return np.asarray(self._free[places], np.bool_)


def _motion_of(sequence: Sequence, start: float, end: float) -> float:
    """How far frames lie from their mean, between two times."""
    first, last = np.searchsorted(sequence.times, (start - 1e-6, end + 1e-6))
    rows = sequence.vectors[first:last]
    return float(np.sqrt(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())) if len(rows) else 0.0


def _typical_motion(rows: np.ndarray) -> float:
    """The same of the reference, over windows of 8 seconds."""
    count = max(2, round(WINDOWS_S[0] / COARSE_STEP_S))
    parts = [rows[start : start + count] for start in range(0, max(1, len(rows) - count // 2), count)]
    spreads = [np.sqrt(((part - part.mean(axis=0)) ** 2).sum(axis=1).mean()) for part in parts]
    return max(1e-3, float(np.median(spreads)))


def _walk(holds: Flags, times: np.ndarray, start: int, step: int) -> int:
    """The farthest frame from `start` on that is reached without a fall of more than GAP_S."""
    last = place = start
    while 0 <= place < len(times) and abs(times[place] - times[last]) <= GAP_S:
        if holds[place]:
            last = place
        place += step
    return last
