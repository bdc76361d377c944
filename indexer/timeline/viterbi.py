"""Viterbi decoding: labels every frame of the query with the segment that explains it best, or none."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from indexer.timeline.sequence import Sequence
from indexer.timeline.temporal_segments import (
    Similarities,
    TemporalSegment,
    original_speed_if_still,
    refine_segment,
)

Labels = npt.NDArray[np.int64]

ROUNDS = 4
CHUNK = 512  # query frames at a time against the whole reference
# A frame belongs to a segment if no other moment of the reference is more similar by more than a tolerance.
# How much another moment differs depends on how much moves, so the tolerance is this share of what a second
# changes. Its bounds are those of coding noise and of another scene.
TOLERANCE_SHARE = 0.5
LEAST_TOLERANCE, MOST_TOLERANCE = 0.03, 0.18
LEAST_SIMILARITY = 0.5  # correlation below which a frame is not of this reference at all
PIECE_S = 3.0
SAME_LINE_S = 0.12  # two segments whose lines are nowhere farther apart are one
LARGEST_GAP_S = 1.0
FREEZE_COST = 0.25
FREEZE_BELOW = 0.1  # a smaller factor is a frozen frame: nobody slows a video so much
CHANGE_COST = 2.0  # frames that another segment must explain wholly better


class FrameScores:
    """Scores how well each frame of the query lies on a segment's line, -1 to 1: above 0 it does."""

    def __init__(self, query: Sequence, reference: Sequence) -> None:
        self.query, self.reference = query, reference
        self._best = np.concatenate(
            [
                (query.vectors[start : start + CHUNK] @ reference.vectors.T).max(axis=1)
                for start in range(0, len(query.times), CHUNK)
            ]
        )
        self._tolerance = _tolerance_of(reference)
        self._lacks_detail = np.linalg.norm(query.vectors, axis=1) < 0.5

    def of(self, segment: TemporalSegment) -> Similarities:
        """Returns the (n,) scores of all frames of the query; a frame that lacks detail has 0."""
        reference_rows = self.reference.at(segment.factor * self.query.times + segment.offset)
        similarities = np.einsum("ij,ij->i", self.query.vectors, reference_rows)
        scores = np.clip((similarities - self._best) / self._tolerance + 1.0, -1.0, 1.0)
        scores = np.where(similarities < LEAST_SIMILARITY, -1.0, scores)
        return np.asarray(np.where(self._lacks_detail, 0.0, scores), np.float32)

    def freeze_cost(self, segment: TemporalSegment) -> float:
        """Returns what a frozen segment costs per frame.

        Where the reference hardly moves, ordinary play explains as much as a frozen frame; it is preferred.
        """
        around = self.reference.at(np.array([segment.offset, segment.offset + 0.5, segment.offset - 0.5]))
        change = 1.0 - float(max(around[0] @ around[1], around[0] @ around[2]))
        return FREEZE_COST if change < self._tolerance / 2 else 0.0


def _tolerance_of(reference: Sequence) -> float:
    """Returns a share of how much less a frame correlates with the one a second later, bounded."""
    later = reference.at(reference.times + 1.0)
    similarities = np.einsum("ij,ij->i", reference.vectors, later)
    similarities = similarities[np.linalg.norm(later, axis=1) > 0.5]
    change = 1.0 - float(np.median(similarities)) if len(similarities) else MOST_TOLERANCE
    return float(np.clip(TOLERANCE_SHARE * change, LEAST_TOLERANCE, MOST_TOLERANCE))


def best_path(
    segments: list[TemporalSegment], scores: FrameScores, least_s: float
) -> list[TemporalSegment]:
    """Decodes the best path through the frames of the query, and refines each segment on its frames.

    A change from one segment to another or to none has a cost. Segments of less than `least_s` seconds are
    dropped.
    """
    query, reference = scores.query, scores.reference
    segments = segments + [piece for segment in segments for piece in _pieces(segment, query, reference)]
    for _ in range(ROUNDS):
        if not segments:
            return []
        labels = _labels(segments, scores)
        segments = [
            refine_segment(replace(segments[label], start=start, end=end), query, reference)
            for label, start, end in _labelled_runs(labels, query)
            if label < len(segments) and end - start >= least_s
        ]
        segments = _merged(segments, query, reference)
    return [original_speed_if_still(_frozen_if_so_slow(segment), query, reference) for segment in segments]


def _frozen_if_so_slow(segment: TemporalSegment) -> TemporalSegment:
    if abs(segment.factor) > FREEZE_BELOW:
        return segment
    return replace(segment, factor=0.0, offset=segment.at((segment.start + segment.end) / 2))


def _pieces(segment: TemporalSegment, query: Sequence, reference: Sequence) -> list[TemporalSegment]:
    """Refines overlapping pieces of a long segment, each of which may have a speed of its own.

    A passage slowed by a quarter inside a clip lies near the line that fits the whole of it.
    """
    pieces = []
    for start in np.arange(segment.start, segment.end - PIECE_S, PIECE_S / 2):
        piece = replace(segment, start=float(start), end=float(start + PIECE_S))
        pieces.append(refine_segment(piece, query, reference))
    return pieces


def _merged(segments: list[TemporalSegment], query: Sequence, reference: Sequence) -> list[TemporalSegment]:
    """Merges neighbouring segments that lie on one line."""
    merged: list[TemporalSegment] = []
    for segment in segments:
        if merged and _continues(merged[-1], segment):
            both = replace(_longer(merged[-1], segment), start=merged[-1].start, end=segment.end)
            merged[-1] = refine_segment(both, query, reference)
        else:
            merged.append(segment)
    return merged


def _longer(first: TemporalSegment, second: TemporalSegment) -> TemporalSegment:
    return first if first.end - first.start >= second.end - second.start else second


def _continues(first: TemporalSegment, second: TemporalSegment) -> bool:
    """Whether the second segment lies on the first one's line and begins soon after it."""
    longer = _longer(first, second)
    shorter = second if longer is first else first
    ends = shorter.start, shorter.end
    near = all(abs(longer.at(end) - shorter.at(end)) < SAME_LINE_S for end in ends)
    return near and second.start - first.end < LARGEST_GAP_S


def _labels(segments: list[TemporalSegment], scores: FrameScores) -> Labels:
    """Returns for each of the query's n frames the index of its segment; `len(segments)` means none."""
    by_label = np.zeros((len(scores.query.times), len(segments) + 1))
    for label, segment in enumerate(segments):
        by_label[:, label] = scores.of(segment) - (0.0 if segment.factor else scores.freeze_cost(segment))
    total = by_label[0].copy()
    came_from = np.zeros(by_label.shape, np.int64)
    for frame in range(1, len(by_label)):
        best = int(total.argmax())
        changes = total[best] - CHANGE_COST > total
        came_from[frame] = np.where(changes, best, np.arange(len(total)))
        total = np.where(changes, total[best] - CHANGE_COST, total) + by_label[frame]
    labels = np.empty(len(by_label), np.int64)
    label = int(total.argmax())
    for frame in range(len(by_label) - 1, -1, -1):
        labels[frame] = label
        label = int(came_from[frame, label])
    return labels


def _labelled_runs(labels: Labels, query: Sequence) -> list[tuple[int, float, float]]:
    """Returns (label, start, end) of every run of frames with one label; times are in seconds."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1, [len(labels)]])
    times = np.append(query.times, query.end)
    return [
        (int(labels[first]), float(times[first]), float(times[last]))
        for first, last in pairwise(edges.tolist())
    ]
