"""Aligns two tracks in time, through a geometry that fits their pictures."""

from dataclasses import replace

import numpy as np

from indexer.timeline.alignment import find_segments
from indexer.timeline.motion import (
    LONGEST_S,
    look_alike,
    moving_sequence,
    similar_along,
    whole_by_motion,
)
from indexer.timeline.sequence import Sequence
from indexer.timeline.temporal_segments import TemporalSegment, runs
from indexer.timeline.track import Matrix, Track, Vectors, vectors_of, warp_track

# As of a window of a video (`alignment`); what shows it by chance is dropped where pictures are compared.
LEAST_STILL_SIMILARITY = 0.55
MOST_STILL_SEGMENTS = 10
PROFILE_STEP_S = 0.4
MOST_PROFILE_STEPS = 300
FRAMES_COMPARED = 80
Size = tuple[int, int]  # width and height, in pixels


def segments_between(
    query: Track, reference: Track, homography: Matrix, query_size: Size, reference_size: Size
) -> list[TemporalSegment]:
    """Finds which seconds of `query` show which seconds of `reference`, a reduced track.

    `homography` maps query pixels to reference pixels of frames of the given sizes.
    """
    luma, mask = warp_track(query, homography, query_size, reference_size)
    query_sequence = _sequence(query, vectors_of(luma, mask))
    reference_sequence = _sequence(reference, vectors_of(reference.luma, mask))
    found = find_segments(query_sequence, reference_sequence)
    if not found and len(reference) == 1:
        found = _shown_stills(query_sequence, reference_sequence)
    is_short = max(query.end_ms, reference.end_ms) <= 1000 * LONGEST_S
    if found and len(reference) > 1 and is_short and not look_alike(found):
        moving = moving_sequence(query, luma, mask), moving_sequence(reference, reference.luma, mask)
        whole = whole_by_motion(*moving, found)
        found = [similar_along(whole, query_sequence, reference_sequence)] if whole else found
    return [
        replace(
            segment, similarity_profile=similarity_profile_of(segment, query_sequence, reference_sequence)
        )
        for segment in found
    ]


def _shown_stills(query: Sequence, reference: Sequence) -> list[TemporalSegment]:
    """The stretches that show a still image, however short and of however few frames they are.

    Such a stretch has no motion that a line through time could be found by: a slide is a frame or two.
    """
    similarities = query.vectors @ reference.vectors[0]
    shown = runs(similarities >= LEAST_STILL_SIMILARITY)
    shown = sorted(shown, key=lambda run: float(similarities[slice(*run)].sum()), reverse=True)
    ends = np.append(query.times[1:], query.end)
    return [
        TemporalSegment(
            float(query.times[first]),
            float(ends[last - 1]),
            0.0,
            0.0,
            float(similarities[first:last].mean()),
        )
        for first, last in sorted(shown[:MOST_STILL_SEGMENTS])
    ]


def track_similarity(
    query: Track, reference: Track, homography: Matrix, query_size: Size, reference_size: Size
) -> float:
    """Returns how well frames of the query correlate, each with the most similar reference frame; 0..1.

    The frames are compared through one geometry. Where that geometry came from two different moments of
    something that moves, no frame finds a similar one.
    """
    places = np.linspace(0, len(query) - 1, min(len(query), FRAMES_COMPARED)).astype(int)
    sampled = Track(query.times_ms[places], query.luma[places], query.end_ms)
    luma, mask = warp_track(sampled, homography, query_size, reference_size)
    similarities = (vectors_of(luma, mask) @ vectors_of(reference.luma, mask).T).max(axis=1)
    return float(similarities.clip(min=0.0).mean())


def similarity_profile_of(
    segment: TemporalSegment, query: Sequence, reference: Sequence
) -> tuple[float, ...]:
    """Returns the mean correlation of the segment's frames in each of equal steps of its time."""
    inside = (query.times >= segment.start) & (query.times < segment.end)
    times = query.times[inside]
    if not len(times):
        return ()
    reference_frames = reference.at(segment.factor * times + segment.offset)
    similarities = np.einsum("ij,ij->i", query.vectors[inside], reference_frames)
    count = int(np.clip((segment.end - segment.start) / PROFILE_STEP_S, 1, MOST_PROFILE_STEPS))
    steps = np.minimum(
        (count * (times - segment.start) / (segment.end - segment.start)).astype(int), count - 1
    )
    return tuple(
        round(float(similarities[steps == step].mean()), 3) if (steps == step).any() else 0.0
        for step in range(count)
    )


def _sequence(track: Track, vectors: Vectors) -> Sequence:
    return Sequence(track.times_ms / 1000, vectors, track.end_ms / 1000)
