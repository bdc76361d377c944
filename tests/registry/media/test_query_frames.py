"""Frames of an upload: how many are kept, which one is taken, how similar two are."""

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import ImageOps

from indexer.media.frames import VideoInfo
from indexer.media.images import Pixels
from indexer.media.sandbox import DecoderPool
from indexer.timeline.track import Track
from registry.media.decoding import Decoders
from registry.media.query_frames import MOST_KEPT, Moment, QueryFrames, frame_similarity
from registry.media.uploads import VideoContent
from tests.pictures import picture
from tests.videos import clip, original

SIZE = 600, 400
IN_PLACE = np.eye(3)


def frame(name: str, shift_px: int = 0) -> Pixels:
    """A frame that is moved to the right by so many pixels."""
    return np.roll(np.asarray(picture(name).resize(SIZE)), shift_px, axis=1)


def moved_by(x: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[1.0, 0, x], [0, 1, 0], [0, 0, 1]])


def test_the_same_frame_in_its_place_is_as_similar_as_can_be() -> None:
    assert frame_similarity(frame("coffee"), frame("coffee"), IN_PLACE, SIZE) > 0.99
    assert frame_similarity(frame("coffee"), frame("cat"), IN_PLACE, SIZE) < 0.5


@pytest.mark.parametrize("shift_px", [0, 12, 40])
def test_the_homography_puts_a_moved_frame_back(shift_px: int) -> None:
    moved = frame("coffee", shift_px)
    assert frame_similarity(moved, frame("coffee"), moved_by(-shift_px), SIZE) > 0.97


def test_the_moment_that_is_nearer_is_more_similar() -> None:
    similarities = [
        frame_similarity(frame("coffee", shift_px), frame("coffee"), IN_PLACE, SIZE)
        for shift_px in (0, 3, 9, 27)
    ]
    assert similarities == sorted(similarities, reverse=True)
    assert len(set(similarities)) == len(similarities)


def test_size_and_brightness_make_no_difference() -> None:
    small = np.asarray(picture("coffee").resize((300, 200)))
    doubled = np.diag([2.0, 2.0, 1.0])
    assert frame_similarity(small, frame("coffee"), doubled, SIZE) > 0.97
    assert frame_similarity(frame("coffee") // 2 + 20, frame("coffee"), IN_PLACE, SIZE) > 0.97


def test_an_inverted_frame_is_as_unlike_as_can_be() -> None:
    inverted = np.asarray(ImageOps.invert(picture("coffee").resize(SIZE)))
    assert frame_similarity(inverted, frame("coffee"), IN_PLACE, SIZE) < -0.9


def test_a_frame_that_is_hardly_shown_says_nothing() -> None:
    assert frame_similarity(frame("coffee"), frame("coffee"), moved_by(599), SIZE) == -1.0
    assert frame_similarity(frame("coffee"), frame("coffee"), moved_by(5000), SIZE) == -1.0


def test_a_frame_of_one_colour_is_similar_to_nothing() -> None:
    grey = np.full((400, 600, 3), 128, np.uint8)
    assert frame_similarity(grey, frame("coffee"), IN_PLACE, SIZE) == pytest.approx(0.0, abs=1e-6)


@pytest.fixture(scope="module")
def video_frames() -> Iterator[QueryFrames]:
    with DecoderPool(1) as pool:
        payload = original("coffee", "cat")
        info = pool.identify(payload)
        assert isinstance(info, VideoInfo)
        track = Track(np.arange(0, 8000, 80), np.zeros((100, 8, 8), np.uint8), 8000)
        video = VideoContent(payload, info, track, (), (), None, np.zeros((2, 2, 3), np.uint8), ())
        yield QueryFrames(Decoders(images=pool, videos=pool), video)


def test_only_the_frames_that_were_wanted_last_are_kept(video_frames: QueryFrames) -> None:
    video_frames.prepare(range(0, 2 * MOST_KEPT * 50, 50))
    first = video_frames.at(0)
    for time_ms in range(0, 4000, 60):
        video_frames.at(time_ms)
    assert len(video_frames._frames) == MOST_KEPT
    again = video_frames.at(0)
    assert first is not again  # decoded anew, and the same
    assert first is not None
    assert first.image is not None
    assert again is not None
    assert again.image is not None
    assert np.array_equal(first.image.pixels, again.image.pixels)


def test_of_the_frames_around_moments_the_most_similar_are_taken_and_the_others_dropped(
    video_frames: QueryFrames,
) -> None:
    seconds = 0.5, 1.0, 2.0, 5.0
    shots = clip("coffee", "cat")
    moments = [Moment(round(1000 * at) - 66, 0, shots.at(at)) for at in seconds]
    times = video_frames.prepare_exactly([*moments, Moment(7000, 0)], IN_PLACE, (320, 240))
    assert times[-1] == 7000
    for time_ms, moment, second in zip(times, moments, seconds, strict=False):
        taken, meant = video_frames.at(time_ms), video_frames.at(moment.query_ms)
        assert taken is not None
        assert taken.image is not None
        assert meant is not None
        assert meant.image is not None
        assert moment.reference is not None
        gained = [
            frame_similarity(one.pixels, moment.reference, IN_PLACE, (320, 240))
            for one in (taken.image, meant.image)
        ]
        assert gained[0] >= gained[1]
        assert abs(time_ms - 1000 * second) <= 34
