"""How similar two frames are where one lies on the other."""

import numpy as np
import pytest
from PIL import ImageOps

from indexer.media.images import Pixels
from registry.media.query_frames import frame_similarity
from tests.pictures import picture

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
