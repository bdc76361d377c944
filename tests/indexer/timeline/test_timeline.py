from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from indexer.compare.vocabulary import Operation
from indexer.operations import Certainty, Degree, OperationType
from indexer.timeline.alignment import find_segments
from indexer.timeline.operations import Spans, operations_in_time, over_frames
from indexer.timeline.sequence import Sequence
from indexer.timeline.temporal_segments import TemporalSegment
from indexer.timeline.track import Track, vectors_of, warp_track
from indexer.timeline.tracks import track_similarity

STEP = 0.08
PIXELS = 160
Frames = npt.NDArray[np.float64]  # (n, pixels)


def footage(seconds: float, seed: int, moves: float = 0.12) -> Frames:
    """Returns (n, pixels) frames that change smoothly around one picture, as a talking person does."""
    rng = np.random.default_rng(seed)
    times = np.arange(0, seconds, STEP)
    scene = rng.normal(size=PIXELS)
    moving = np.zeros((len(times), PIXELS))
    for _ in range(6):
        moving += np.sin(times[:, None] * rng.uniform(0.6, 4.0) + rng.uniform(0, 6)) * rng.normal(
            size=PIXELS
        )
    return scene + moves * moving


def sequence(frames: Frames, noise: float = 0.02, seed: int = 9) -> Sequence:
    noisy = frames + noise * np.random.default_rng(seed).normal(size=frames.shape)
    noisy = noisy - noisy.mean(axis=1, keepdims=True)
    vectors = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    return Sequence(np.arange(len(vectors), dtype=np.float64) * STEP, vectors, len(vectors) * STEP)


def played(frames: Frames, start: float, end: float, factor: float) -> Frames:
    """Plays seconds [start, end) at a factor, backwards where it is negative; blends the nearest two."""
    count = round((end - start) / abs(factor) / STEP)
    at = (start if factor > 0 else end - STEP) + factor * STEP * np.arange(count)
    places = np.clip(at / STEP, 0, len(frames) - 1.001)
    before = places.astype(int)
    share = (places - before)[:, None]
    blended: Frames = (1 - share) * frames[before] + share * frames[before + 1]
    return blended


@pytest.mark.parametrize("factor", [0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0, -1.0])
def test_factor_offset_and_ends_are_found(factor: float) -> None:
    reference = footage(30, 1)
    query = played(reference, 4.3, 24.3, factor)
    [segment] = find_segments(sequence(query), sequence(reference, seed=3))
    assert segment.factor == pytest.approx(factor, rel=0.01)
    assert (segment.start, segment.end) == pytest.approx((0.0, 20 / abs(factor)), abs=0.25)
    assert segment.reference == pytest.approx((4.3, 24.3), abs=0.15)


def test_parts_in_another_order_between_other_footage_are_found() -> None:
    reference, other = footage(30, 1), footage(12, 2)
    query = np.concatenate(
        [
            played(reference, 15, 25, 1.0),
            other,
            played(reference, 2, 9, 1.0),
            played(reference, 9, 14, 0.75),
        ]
    )
    segments = find_segments(sequence(query), sequence(reference, seed=3))
    assert [round(segment.factor, 2) for segment in segments] == [1.0, 1.0, 0.75]
    assert [segment.reference for segment in segments] == [
        pytest.approx(ends, abs=0.25) for ends in ((15, 25), (2, 9), (9, 14))
    ]
    assert [segment.start for segment in segments] == pytest.approx([0.0, 22.0, 29.0], abs=0.25)


def test_a_short_cut_from_between_is_one_segment_though_every_long_window_has_an_edge() -> None:
    reference = footage(15, 1)
    query = np.concatenate([footage(6.0, 2), played(reference, 1.1, 6.1, 1.0), footage(7.0, 5)])
    [segment] = find_segments(sequence(query), sequence(reference, seed=3))
    assert (segment.start, segment.end) == pytest.approx((6.0, 11.0), abs=0.25)
    assert segment.factor == pytest.approx(1.0, rel=0.01)
    assert segment.reference == pytest.approx((1.1, 6.1), abs=0.15)


@pytest.mark.parametrize("seed", range(6))
def test_what_stands_still_has_no_speed_and_no_direction(seed: int) -> None:
    """Noise of coding alone would fit backwards and slowed a little better, now and then."""
    scene = np.repeat(np.random.default_rng(1).normal(size=(1, PIXELS)), 120, axis=0)
    moving = footage(6.0, 1, moves=0.3)
    reference = np.concatenate([scene, moving])
    query = np.concatenate([footage(3.0, 2), scene[:60], footage(3.0, 4)])
    segments = find_segments(sequence(query, 0.05, seed), sequence(reference, 0.05, seed + 50))
    assert {segment.factor for segment in segments} <= {1.0, 0.0}
    assert sum(segment.end - segment.start for segment in segments) == pytest.approx(4.8, abs=0.6)


def test_other_footage_has_no_segment() -> None:
    assert find_segments(sequence(footage(20, 2)), sequence(footage(30, 1))) == []


def test_a_frozen_frame_is_told_from_slow_play() -> None:
    reference = footage(20, 1, moves=0.3)
    frozen = np.repeat(reference[[100]], 40, axis=0)
    query = np.concatenate([reference[:100], frozen, reference[100:]])
    segments = find_segments(sequence(query, noise=0.0), sequence(reference, seed=3))
    assert [segment.factor for segment in segments] == [1.0, 0.0, 1.0]
    assert (segments[1].start, segments[1].end) == pytest.approx((8.0, 11.2), abs=0.3)


def test_a_still_image_is_found_wherever_it_is_shown() -> None:
    still = footage(1, 3)[:1]
    query = np.concatenate([footage(5, 4), np.repeat(still, 50, axis=0), footage(5, 5)])
    [segment] = find_segments(sequence(query), Sequence(np.zeros(1), sequence(still).vectors, 0.04))
    assert segment.factor == 0.0
    assert (segment.start, segment.end) == pytest.approx((5.0, 9.0), abs=0.2)


def test_a_track_comes_back_from_its_bytes_and_damage_is_told() -> None:
    luma = np.random.default_rng(0).integers(0, 256, (7, 32, 32)).astype(np.uint8)
    track = Track(np.arange(7, dtype=np.int64) * 80, luma, 560)
    again = Track.from_bytes(track.to_bytes())
    assert np.array_equal(again.luma, luma)
    assert again.end_ms == 560
    with pytest.raises((ValueError, KeyError, OSError)):
        Track.from_bytes(track.to_bytes()[:100])


def test_a_query_is_warped_to_its_reference_before_it_is_compared() -> None:
    rng = np.random.default_rng(1)
    small = np.kron(rng.integers(0, 255, (6, 8)), np.ones((12, 16))).astype(np.uint8)  # (72, 128)
    framed = np.zeros((144, 256), np.uint8)
    framed[30:102, 60:188] = small
    inside = np.array([[1.0, 0, -60], [0, 1.0, -30], [0, 0, 1]])
    track = Track(np.zeros(1, np.int64), framed[None], 40)
    warped, mask = warp_track(track, inside, (256, 144), (128, 72))
    straight = Track(np.zeros(1, np.int64), small[None], 40).reduced()
    assert mask.mean() > 0.9
    assert float((vectors_of(warped, mask) @ vectors_of(straight.luma, mask).T)[0, 0]) > 0.95


def kinds(
    segments: list[TemporalSegment], query: float, reference: float | None
) -> dict[OperationType, float | None]:
    return {
        operation.type: operation.factor
        for operation in operations_in_time(segments, Spans(query, reference))
    }


def test_what_was_done_in_time_follows_from_the_segments() -> None:
    whole = TemporalSegment(0, 20, 1.0, 0, 0.99)
    assert kinds([whole], 20, 20) == {}
    assert kinds([TemporalSegment(0, 26.67, 0.75, 0, 0.99)], 26.67, 20) == {OperationType.RETIMED: 0.75}
    assert kinds([TemporalSegment(0, 20, -1.0, 20, 0.99)], 20, 20) == {OperationType.REVERSED: None}
    assert kinds([TemporalSegment(0, 15, 1.0, 5, 0.99)], 15, 20) == {OperationType.CLIPPED: None}
    assert kinds([TemporalSegment(30, 50, 1.0, -30, 0.99)], 60, 20) == {OperationType.CONCATENATED: None}
    swapped = [TemporalSegment(0, 10, 1.0, 10, 0.99), TemporalSegment(10, 20, 1.0, -10, 0.99)]
    assert kinds(swapped, 20, 20) == {OperationType.REORDERED: None}
    looped = [TemporalSegment(0, 20, 1.0, 0, 0.99), TemporalSegment(20, 40, 1.0, -20, 0.99)]
    assert OperationType.LOOPED in kinds(looped, 40, 20)
    assert kinds([TemporalSegment(3, 9, 0.0, 0, 0.9)], 20, None) == {OperationType.CONCATENATED: None}


def test_conversion_between_frame_rates_is_said_as_that() -> None:
    [found] = operations_in_time([TemporalSegment(0, 19.2, 25 / 24, 0, 0.99)], Spans(19.2, 20))
    assert found.type is OperationType.RETIMED
    assert found.degree is Degree.SLIGHT
    assert "frame rates" in found.sentence


def test_an_operation_counts_where_enough_frames_show_it() -> None:
    swap = Operation(OperationType.FACE_SWAP, Degree.STRONG, "Swapped.")
    crop = Operation(OperationType.CROPPED, Degree.CLEAR, "Cropped.")
    edit = Operation(OperationType.LOCAL_EDIT, Degree.CLEAR, "Edited.")
    found = over_frames([[swap, crop], [crop], [swap, crop, edit], [crop], [crop]])
    assert [operation.type for operation in found] == [OperationType.FACE_SWAP, OperationType.CROPPED]
    assert found[0].measured["frames"] == 2
    assert "2 of 5" in found[0].sentence
    assert over_frames([]) == []


def test_a_face_that_looks_slightly_different_now_and_then_was_not_swapped() -> None:
    slight, clear = (
        Operation(OperationType.FACE_SWAP, degree, "Swapped.") for degree in (Degree.SLIGHT, Degree.CLEAR)
    )
    assert over_frames([[slight], [], [slight], [], [clear], [], [slight], [], [slight], []]) == []
    assert len(over_frames([[slight]] * 9 + [[]])) == 1
    assert len(over_frames([[clear]] * 4 + [[]] * 6)) == 1


def test_a_change_is_very_likely_where_half_of_the_frames_show_it_so() -> None:
    likely, sure = (
        Operation(OperationType.FACE_COVERED, Degree.CLEAR, "Covered.", certainty=certainty)
        for certainty in Certainty
    )
    assert over_frames([[sure]] * 5 + [[likely]] * 5)[0].certainty is Certainty.VERY_LIKELY
    assert over_frames([[sure]] * 4 + [[likely]] * 6)[0].certainty is Certainty.LIKELY


def at(x: float, y: float, degree: Degree = Degree.CLEAR) -> Operation:
    square = ((x, y), (x + 0.05, y), (x + 0.05, y + 0.05), (x, y + 0.05))
    return Operation(OperationType.LOCAL_EDIT, degree, "Edited.", square, square)


def test_an_edit_stays_where_it_is_and_what_jumps_about_is_coding() -> None:
    jumping = [[at(0.1, 0.1)], [at(0.7, 0.2)], [at(0.3, 0.8)], [at(0.8, 0.7)], [at(0.1, 0.5)]]
    assert over_frames(jumping) == []
    staying = [[at(0.1 + 0.02 * place, 0.1)] for place in range(5)]
    assert [operation.type for operation in over_frames(staying)] == [OperationType.LOCAL_EDIT]
    strong = [[replace(operation, degree=Degree.STRONG) for operation in frame] for frame in jumping]
    assert [operation.type for operation in over_frames(strong)] == [OperationType.LOCAL_EDIT]


def test_the_geometry_of_one_moment_fits_all_frames_and_that_of_two_does_not() -> None:
    """A bright thing wanders over a ground; warped on by where it is at two moments, the ground is off."""
    rng = np.random.default_rng(0)
    ground = cv2.resize(rng.integers(0, 200, (12, 12)).astype(np.uint8), (64, 64))
    frames = np.repeat(ground[None], 30, axis=0).astype(np.uint8)
    for number, frame in enumerate(frames):
        cv2.circle(frame, (10 + number, 32), 8, 255, -1)
    track = Track(np.arange(30) * 80, frames, 2400)
    size = 64, 64
    right = track_similarity(track, track.reduced(), np.eye(3), size, size)
    shifted = np.array([[1.0, 0, 12], [0, 1, 0], [0, 0, 1]])
    assert right > 0.99
    assert track_similarity(track, track.reduced(), shifted, size, size) < 0.8
