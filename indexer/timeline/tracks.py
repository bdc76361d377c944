"""Two tracks, laid on one another in the picture, to lines in time."""

from dataclasses import replace

import numpy as np

from indexer.timeline.alignment import find_segments
from indexer.timeline.temporal_segments import Sequence, TemporalSegment
from indexer.timeline.track import Matrix, Track, Vectors, vectors_of, warp_track

PROFILE_STEP_S = 0.4
MOST_PROFILE_STEPS = 300
FRAMES_COMPARED = 80
Size = tuple[int, int]  # width and height, in pixels


def segments_between(
    query: Track, reference: Track, homography: Matrix, query_size: Size, reference_size: Size
) -> list[TemporalSegment]:
    """Which seconds of `query` are which of `reference`, a reduced track.

    `homography` maps query pixels to reference pixels of frames of the given sizes.
    """
    luma, mask = warp_track(query, homography, query_size, reference_size)
    ours = _sequence(query, vectors_of(luma, mask))
    theirs = _sequence(reference, vectors_of(reference.luma, mask))
    return [
        replace(line, similarity_profile=similarity_profile_of(line, ours, theirs))
        for line in find_segments(ours, theirs)
    ]


def track_similarity(
    query: Track, reference: Track, homography: Matrix, query_size: Size, reference_size: Size
) -> float:
    """How well frames of the query correlate through a geometry, each with the frame most like it; 0..1.

    Through the geometry of two moments of something that moves, no frame finds its like.
    """
    places = np.linspace(0, len(query) - 1, min(len(query), FRAMES_COMPARED)).astype(int)
    few = Track(query.times_ms[places], query.luma[places], query.end_ms)
    luma, mask = warp_track(few, homography, query_size, reference_size)
    alike = (vectors_of(luma, mask) @ vectors_of(reference.luma, mask).T).max(axis=1)
    return float(alike.clip(min=0.0).mean())


def similarity_profile_of(line: TemporalSegment, query: Sequence, reference: Sequence) -> tuple[float, ...]:
    """How well the frames of a line correlate, over its time."""
    inside = (query.times >= line.start) & (query.times < line.end)
    times = query.times[inside]
    if not len(times):
        return ()
    theirs = reference.at(line.factor * times + line.offset)
    alike = np.einsum("ij,ij->i", query.vectors[inside], theirs)
    count = int(np.clip((line.end - line.start) / PROFILE_STEP_S, 1, MOST_PROFILE_STEPS))
    steps = np.minimum((count * (times - line.start) / (line.end - line.start)).astype(int), count - 1)
    return tuple(
        round(float(alike[steps == step].mean()), 3) if (steps == step).any() else 0.0
        for step in range(count)
    )


def _sequence(track: Track, vectors: Vectors) -> Sequence:
    return Sequence(track.times_ms / 1000, vectors, track.end_ms / 1000)
