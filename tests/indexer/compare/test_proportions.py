"""A stretch is named by how much, whatever else was done; a crop or an odd size is none."""

from collections.abc import Callable

import pytest
from PIL import Image, ImageOps

from indexer.compare.vocabulary import Operation
from indexer.operations import Degree, OperationType
from tests.pictures import picture
from tests.portraits import derived, through_jpeg

COFFEE = picture("coffee")  # 600 by 400
Edit = Callable[[Image.Image], Image.Image]


def said(upload: Image.Image) -> dict[OperationType, Operation]:
    found = derived(through_jpeg(upload, 80), COFFEE, with_faces=False)
    return {operation.type: operation for operation in found.operations}


@pytest.mark.parametrize(
    ("size", "ratio", "degree", "sentence", "resized"),
    [
        ((300, 400), 0.5, Degree.STRONG, "made narrower, its width is about 50 percent", None),
        ((600, 240), 1.667, Degree.STRONG, "made flatter, its height is about 60 percent", None),
        ((264, 200), 0.88, Degree.CLEAR, "made narrower, its width is about 88 percent", 0.5),
        ((636, 400), 1.06, Degree.SLIGHT, "made flatter, its height is about 94 percent", None),
        ((780, 260), 2.0, Degree.STRONG, "made flatter, its height is about 50 percent", None),
    ],
)
def test_a_stretch_is_named_by_the_side_that_is_too_small(
    size: tuple[int, int], ratio: float, degree: Degree, sentence: str, resized: float | None
) -> None:
    found = said(COFFEE.resize(size, Image.Resampling.LANCZOS))
    stretch = found[OperationType.STRETCHED]
    assert stretch.measured["width_to_height"] == pytest.approx(ratio, rel=0.015)
    assert stretch.degree is degree
    assert sentence in stretch.sentence
    # One side was scaled; what is said of the size is what both have in common.
    factor = found[OperationType.RESIZED].measured["factor"] if OperationType.RESIZED in found else None
    assert factor == (None if resized is None else pytest.approx(resized, abs=0.02))


@pytest.mark.parametrize(
    "then",
    [
        ImageOps.mirror,
        lambda image: image.transpose(Image.Transpose.ROTATE_90),
        lambda image: image.rotate(12, Image.Resampling.BICUBIC, expand=True),
        lambda image: image.crop((40, 60, 400, 380)),
        lambda image: ImageOps.expand(image, (30, 80), "white"),
    ],
)
def test_a_stretch_is_measured_under_what_was_done_afterwards(then: Edit) -> None:
    found = said(then(COFFEE.resize((420, 400), Image.Resampling.LANCZOS)))
    assert found[OperationType.STRETCHED].measured["width_to_height"] == pytest.approx(0.7, rel=0.02)


@pytest.mark.parametrize(
    "ordinary",
    [
        lambda image: image.resize((347, 231), Image.Resampling.BICUBIC),
        lambda image: image.resize((80, 53), Image.Resampling.BICUBIC),
        lambda image: image.crop((0, 0, 250, 400)),
        lambda image: image.crop((30, 140, 590, 300)).resize((373, 107)),
        lambda image: ImageOps.expand(image, (0, 200), "black"),
        lambda image: image.rotate(33, Image.Resampling.BICUBIC, expand=True),
        ImageOps.mirror,
    ],
)
def test_what_keeps_the_proportions_is_no_stretch(ordinary: Edit) -> None:
    assert OperationType.STRETCHED not in said(ordinary(COFFEE))


def test_a_photograph_of_it_at_an_angle_is_no_stretch() -> None:
    corners = (-20, -30, 10, 420, 560, 360, 590, 40)  # of the upload in the picture
    tilted = COFFEE.transform(COFFEE.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    assert OperationType.STRETCHED not in said(tilted)
