"""Whether a take goes on beyond a moment."""

import numpy as np
import pytest

from indexer.media.images import Pixels
from indexer.timeline.takes import Beyond, beyond, cuts_within
from indexer.timeline.track import SIDE, Track
from tests.videos import clip

CUT_S = 4.0  # between the shots of `clip`


def track_of(*frames: Pixels) -> Track:
    luma = np.concatenate(frames)
    return Track(80 * np.arange(len(luma), dtype=np.int64), luma, 80 * len(luma))


def shots(*names: str) -> Pixels:
    """(n, SIDE, SIDE) luma of one shot of a wandering camera after the other, each of CUT_S seconds."""
    source = clip(*names, shot_s=1.0)  # slowed: this camera wanders fast
    seconds = np.arange(0, source.seconds, 0.02)
    luma = np.array([source.at(second).mean(axis=2) for second in seconds]).astype(np.uint8)
    return Track(np.arange(len(luma)), luma, len(luma)).reduced().luma


def still(seconds: float, seed: int = 1) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8))
    frame = np.kron(coarse, np.ones((SIDE // 8, SIDE // 8))).astype(np.uint8)
    return np.repeat(frame[None], round(seconds / 0.08), axis=0)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("off_s", [-0.2, 0.0, 0.2])
def test_a_cut_is_told_from_a_take_that_goes_on(side: int, off_s: float) -> None:
    track = track_of(shots("coffee", "cat"))
    assert beyond(track, CUT_S + off_s, side) is Beyond.CUTS
    assert beyond(track, 2.0 + off_s, side) is Beyond.CONTINUES
    assert beyond(track, 6.0 + off_s, side) is Beyond.CONTINUES


@pytest.mark.parametrize(("second", "side"), [(0.0, -1), (0.4, -1), (7.6, 1), (8.0, 1)])
def test_a_video_ends_where_less_than_half_a_second_is_left(second: float, side: int) -> None:
    assert beyond(track_of(shots("coffee", "cat")), second, side) is Beyond.ENDS


@pytest.mark.parametrize(("second", "side"), [(1.0, 1), (7.0, -1)])
def test_the_next_cut_is_found_within_so_many_seconds(second: float, side: int) -> None:
    track = track_of(shots("coffee", "cat"))
    assert cuts_within(track, second, side, 3.5)
    assert not cuts_within(track, second, side, 2.5)


def test_bars_that_stay_over_a_cut_hide_none() -> None:
    frames = shots("coffee", "cat")
    frames[:, :10], frames[:, -10:] = 0, 0
    assert beyond(track_of(frames), CUT_S, 1) is Beyond.CUTS
    assert beyond(track_of(frames), 2.0, 1) is Beyond.CONTINUES


def test_how_long_a_title_stands_says_nothing() -> None:
    titled = track_of(still(5.0), shots("cat"))
    assert beyond(titled, 2.0, 1) is Beyond.CUTS
    assert beyond(titled, 2.0, -1) is Beyond.ENDS


def test_something_that_begins_to_move_goes_on() -> None:
    ground = still(6.0)
    moving = still(3.0)
    for number, frame in enumerate(moving):
        frame[20:28, number % 24 : number % 24 + 6] = 255
    assert beyond(track_of(ground, moving), 3.0, 1) is Beyond.CONTINUES


def test_black_between_is_a_cut() -> None:
    black = np.zeros((8, SIDE, SIDE), np.uint8)
    track = track_of(shots("coffee"), black, shots("coffee"))
    assert beyond(track, CUT_S, 1) is Beyond.CUTS
