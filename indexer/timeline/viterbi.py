"""Every frame of the query to the line that explains it best, or to none."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from indexer.timeline.temporal_segments import (
    Sequence,
    Similarities,
    TemporalSegment,
    original_speed_if_still,
    refine_segment,
)

ROUNDS = 4
CHUNK = 512  # query frames at a time against the whole reference
# A frame is on a line if no other moment of the reference looks more like it, but for so much. How much
# another moment differs depends on how much moves; the bounds are those of coding noise and another scene.
LEAST_FALL, MOST_FALL = 0.03, 0.18
FALL_SHARE = 0.5  # of what a second changes
LEAST_ALIKE = 0.5  # correlation below which a frame is not of this reference at all
PIECE_S = 3.0
SAME_LINE_S = 0.12  # two lines that lie so near each other are one
LARGEST_GAP_S = 1.0
HELD_COST = 0.25
HELD_BELOW = 0.1  # nobody slows a video so much
CHANGE_COST = 2.0  # frames that another line must explain wholly better


class FrameScores:
    """How well each frame of the query lies on a line, -1 to 1: above 0 it does."""

    def __init__(self, query: Sequence, reference: Sequence) -> None:
        self.query, self.reference = query, reference
        self._best = np.concatenate(
            [
                (query.vectors[start : start + CHUNK] @ reference.vectors.T).max(axis=1)
                for start in range(0, len(query.times), CHUNK)
            ]
        )
        self._fall = _fall_of(reference)
        self._says_nothing = np.linalg.norm(query.vectors, axis=1) < 0.5

    def of(self, line: TemporalSegment) -> Similarities:
        """(n,) for all frames of the query."""
        theirs = self.reference.at(line.factor * self.query.times + line.offset)
        alike = np.einsum("ij,ij->i", self.query.vectors, theirs)
        good = np.clip((alike - self._best) / self._fall + 1.0, -1.0, 1.0)
        good = np.where(alike < LEAST_ALIKE, -1.0, good)
        return np.asarray(np.where(self._says_nothing, 0.0, good), np.float32)

    def cost_of_holding(self, line: TemporalSegment) -> float:
        """Where the reference hardly moves, play explains as much as a frame that is held."""
        around = self.reference.at(np.array([line.offset, line.offset + 0.5, line.offset - 0.5]))
        change = 1.0 - float(max(around[0] @ around[1], around[0] @ around[2]))
        return HELD_COST if change < self._fall / 2 else 0.0


def _fall_of(reference: Sequence) -> float:
    """By how much a frame correlates less with what is shown a second later, bounded."""
    later = reference.at(reference.times + 1.0)
    alike = np.einsum("ij,ij->i", reference.vectors, later)
    alike = alike[np.linalg.norm(later, axis=1) > 0.5]
    change = 1.0 - float(np.median(alike)) if len(alike) else MOST_FALL
    return float(np.clip(FALL_SHARE * change, LEAST_FALL, MOST_FALL))


def best_path(lines: list[TemporalSegment], scores: FrameScores, least_s: float) -> list[TemporalSegment]:
    """The best path through (frame, line) pairs, where a line may be "none"; each refined by its frames.

    To change lines costs (Viterbi). Stretches shorter than `least_s` seconds are dropped.
    """
    query, reference = scores.query, scores.reference
    lines = lines + [piece for line in lines for piece in _pieces(line, query, reference)]
    for _ in range(ROUNDS):
        if not lines:
            return []
        owners = _owners(lines, scores)
        lines = [
            refine_segment(replace(lines[owner], start=start, end=end), query, reference)
            for owner, start, end in _stretches(owners, query)
            if owner < len(lines) and end - start >= least_s
        ]
        lines = _joined(lines, query, reference)
    return [original_speed_if_still(_held_if_so_slow(line), query, reference) for line in lines]


def _held_if_so_slow(line: TemporalSegment) -> TemporalSegment:
    if abs(line.factor) > HELD_BELOW:
        return line
    return replace(line, factor=0.0, offset=line.at((line.start + line.end) / 2))


def _pieces(line: TemporalSegment, query: Sequence, reference: Sequence) -> list[TemporalSegment]:
    """What a long line may hide: stretches of their own speed.

    A passage slowed by a quarter inside a clip lies near the line that fits the whole of it.
    """
    found = []
    for start in np.arange(line.start, line.end - PIECE_S, PIECE_S / 2):
        piece = replace(line, start=float(start), end=float(start + PIECE_S))
        found.append(refine_segment(piece, query, reference))
    return found


def _joined(lines: list[TemporalSegment], query: Sequence, reference: Sequence) -> list[TemporalSegment]:
    """Neighbours on one line become one."""
    joined: list[TemporalSegment] = []
    for line in lines:
        if joined and _continues(joined[-1], line):
            both = replace(_longer(joined[-1], line), start=joined[-1].start, end=line.end)
            joined[-1] = refine_segment(both, query, reference)
        else:
            joined.append(line)
    return joined


def _longer(one: TemporalSegment, other: TemporalSegment) -> TemporalSegment:
    return one if one.end - one.start >= other.end - other.start else other


def _continues(one: TemporalSegment, other: TemporalSegment) -> bool:
    longer = _longer(one, other)
    shorter = other if longer is one else one
    ends = shorter.start, shorter.end
    near = all(abs(longer.at(second) - shorter.at(second)) < SAME_LINE_S for second in ends)
    return near and other.start - one.end < LARGEST_GAP_S


def _owners(lines: list[TemporalSegment], scores: FrameScores) -> npt.NDArray[np.int64]:
    """(n,) the line of every frame of the query; `len(lines)`: none."""
    gains = np.zeros((len(scores.query.times), len(lines) + 1))
    for number, line in enumerate(lines):
        gains[:, number] = scores.of(line) - (0.0 if line.factor else scores.cost_of_holding(line))
    total = gains[0].copy()
    came_from = np.zeros(gains.shape, np.int64)
    for place in range(1, len(gains)):
        best = int(total.argmax())
        changes = total[best] - CHANGE_COST > total
        came_from[place] = np.where(changes, best, np.arange(len(total)))
        total = np.where(changes, total[best] - CHANGE_COST, total) + gains[place]
    owners = np.empty(len(gains), np.int64)
    owner = int(total.argmax())
    for place in range(len(gains) - 1, -1, -1):
        owners[place] = owner
        owner = int(came_from[place, owner])
    return owners


def _stretches(owners: npt.NDArray[np.int64], query: Sequence) -> list[tuple[int, float, float]]:
    """(owner, start, end) of every run of one owner."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(owners)) + 1, [len(owners)]])
    times = np.append(query.times, query.end)
    return [
        (int(owners[first]), float(times[first]), float(times[last]))
        for first, last in pairwise(edges.tolist())
    ]
