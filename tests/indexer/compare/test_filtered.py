"""Filters of the whole picture: named where one sees them, and not where a picture was only coded again."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from indexer.compare.vocabulary import Operation
from indexer.operations import Certainty, OperationType
from tests.pictures import picture
from tests.portraits import derived, through_jpeg

Change = Callable[[Image.Image], Image.Image]


def vignetted(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    y, x = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    return Image.fromarray((pixels * (1 - 0.35 * (x * x + y * y))[..., None]).clip(0, 255).astype(np.uint8))


def through(image: Image.Image, kind: str, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


FILTERS: dict[str, tuple[Change, str]] = {
    "blurred": (lambda image: image.filter(ImageFilter.GaussianBlur(3)), "softer"),
    "enlarged": (
        lambda image: image.resize((image.width // 4, image.height // 4)).resize(image.size),
        "soft",
    ),
    "sharpened": (lambda image: image.filter(ImageFilter.UnsharpMask(2, 200, 2)), "sharpened"),
    "few colours": (lambda image: image.quantize(8).convert("RGB"), "few colours"),
    "vignette": (vignetted, "darkened towards its corners"),
}
ORDINARY: dict[str, Change] = {
    "as it is": lambda image: image,
    "JPEG 15": lambda image: through_jpeg(image, 15),
    "WebP 10": lambda image: through(image, "WEBP", 10),
    "half": lambda image: through_jpeg(image.resize((image.width // 2, image.height // 2)), 80),
    "larger": lambda image: through_jpeg(image.resize((image.width * 3 // 2, image.height * 3 // 2)), 80),
    "256 colours": lambda image: image.quantize(256).convert("RGB"),
    "brighter": lambda image: image.point(lambda level: min(255, round(level * 1.25))),
    "a platform": lambda image: through_jpeg(image.filter(ImageFilter.UnsharpMask(0.8, 50, 1)), 75),
}


def filtered(change: Change, name: str) -> list[Operation]:
    reference = picture(name)
    found = derived(change(reference), reference, with_faces=False).operations
    return [operation for operation in found if operation.type is OperationType.FILTERED]


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shown", ["coffee", "astronaut"])
def test_a_filter_of_the_whole_is_named(shown: str, name: str) -> None:
    change, words = FILTERS[name]
    (operation,) = filtered(lambda image: through_jpeg(change(image), 90), shown)
    assert words in operation.sentence
    assert operation.certainty in Certainty


@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.parametrize("shown", ["coffee", "astronaut"])
def test_coding_and_scaling_are_no_filter(shown: str, name: str) -> None:
    assert filtered(ORDINARY[name], shown) == []


def test_a_filter_is_told_beside_what_was_edited() -> None:
    def both(image: Image.Image) -> Image.Image:
        softened = image.filter(ImageFilter.GaussianBlur(3))
        softened.paste(picture("cat").resize((120, 90)), (40, 40))
        return softened

    assert "softer" in filtered(both, "coffee")[0].sentence
