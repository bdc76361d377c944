"""What lies over a frame is called a moving picture of its own only where something in it moves."""

import numpy as np

from indexer.compare.vocabulary import Operation
from indexer.media.images import Pixels
from indexer.operations import Degree, OperationType
from indexer.timeline.overlays import named_by_motion
from tests.videos import clip

TOP = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.25), (0.0, 0.25))
OVERLAY = Operation(OperationType.OVERLAY, Degree.STRONG, "Something.", TOP, TOP)
MOMENTS = range(0, 48, 8)


def pairs(*, laid_over: list[Pixels]) -> list[tuple[Pixels, Pixels]]:
    made = []
    for moment, over in zip(MOMENTS, laid_over, strict=True):
        reference = np.asarray(clip("coffee", "cat").frames[moment])
        query = reference.copy()
        query[: len(query) // 4] = over[: len(query) // 4]
        made.append((query, reference))
    return made


def test_a_solid_bar_is_no_moving_picture_of_its_own() -> None:
    noise = np.random.default_rng(1)
    shape = clip("coffee", "cat").frames[0].shape
    solid = [noise.integers(0, 3, shape, np.uint8) for _ in MOMENTS]
    [found] = named_by_motion([OVERLAY], pairs(laid_over=solid))
    assert found.type is OperationType.OVERLAY


def test_what_moves_by_itself_is_a_moving_picture() -> None:
    noise = np.random.default_rng(1)
    shape = clip("coffee", "cat").frames[0].shape
    other = [
        np.kron(noise.integers(0, 255, (shape[0] // 8 + 1, shape[1] // 8 + 1, 3)), np.ones((8, 8, 1)))[
            : shape[0], : shape[1]
        ].astype(np.uint8)
        for _ in MOMENTS
    ]
    [found] = named_by_motion([OVERLAY], pairs(laid_over=other))
    assert found.type is OperationType.FRAME_OVERLAY
