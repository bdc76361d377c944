"""What was laid over a picture in which nearly everything moved."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from indexer.compare.laid_over import laid_over
from indexer.compare.pair import PairComparison
from indexer.compare.scene_motion import difference, softened
from indexer.compare.warping import Mask
from indexer.operations import OperationType
from tests.portraits import astronaut, derived, through_jpeg

SIZE = astronaut().size


def compared(query: Image.Image) -> tuple[PairComparison, Mask]:
    """The comparison with the portrait, and where the two differ."""
    comparison = derived(through_jpeg(query), astronaut(), with_faces=False).comparison
    warped = comparison.warped
    return comparison, np.asarray(difference(softened(warped.query), softened(warped.reference)) > 12)


def lettered() -> Image.Image:
    image = astronaut().copy()
    ImageDraw.Draw(image).text((150, 130), "FAKE NEWS", fill="white", font_size=40, stroke_width=2)
    return image


def bruised() -> Image.Image:
    """A soft dark place, as shadow or a turned cheek may leave one."""
    mask = np.zeros((SIZE[1], SIZE[0]), np.float32)
    cv2.ellipse(mask, (225, 130), (30, 22), 0, 0, 360, 0.5, -1)
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 8))[..., None]
    mixed = np.asarray(astronaut()) * (1 - soft) + np.array([90, 40, 80]) * soft
    return Image.fromarray(mixed.astype(np.uint8))


def test_letters_are_graphics_wherever_they_lie() -> None:
    comparison, unexplained = compared(lettered())
    [found] = laid_over(unexplained, comparison, [], SIZE)
    assert found.type is OperationType.OVERLAY
    assert found.reference_region is not None
    assert 0.2 < min(x for x, _ in found.reference_region) < 0.35
    assert laid_over(unexplained, comparison, [found], SIZE) == []  # named already


def test_a_soft_place_may_have_come_by_itself() -> None:
    comparison, unexplained = compared(bruised())
    assert unexplained.any()
    assert laid_over(unexplained, comparison, [], SIZE) == []
