"""Filters of the whole picture: named where one sees them, and not where a picture was only coded again."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from indexer.compare.vocabulary import Operation
from indexer.operations import OperationType
from tests.pictures import picture
from tests.portraits import derived, through_jpeg

Change = Callable[[Image.Image], Image.Image]


def vignetted(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    y, x = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    return Image.fromarray((pixels * (1 - 0.35 * (x * x + y * y))[..., None]).clip(0, 255).astype(np.uint8))


def on_page(image: Image.Image) -> Image.Image:
    page = Image.new("RGB", (image.width + 300, image.height + 200), (250, 250, 250))
    page.paste(image, (40, 90))
    return page


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
    "black and white": lambda image: image.convert("L").convert("RGB"),
    "the middle of it": lambda image: image.crop(
        (image.width // 4, image.height // 4, 3 * image.width // 4, 3 * image.height // 4)
    ),
    "in a screenshot": lambda image: on_page(image),
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


@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.parametrize("shown", ["coffee", "astronaut"])
def test_coding_and_scaling_are_no_filter(shown: str, name: str) -> None:
    assert filtered(ORDINARY[name], shown) == []


def test_what_is_soft_by_itself_was_not_made_softer_by_coding() -> None:
    soft = picture("coffee").filter(ImageFilter.GaussianBlur(6))
    found = derived(through_jpeg(soft, 30), soft, with_faces=False).operations
    assert OperationType.FILTERED not in {operation.type for operation in found}


def test_what_only_moved_was_not_made_softer() -> None:
    """As between two frames of a video: nothing lies exactly where it was, and all is as sharp."""
    pixels = np.asarray(picture("coffee"))
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)
    waves = 1.2 * np.sin(x / 9), 1.2 * np.sin(y / 9)
    moved = cv2.remap(pixels, x + waves[1], y + waves[0], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    assert filtered(lambda _: Image.fromarray(moved), "coffee") == []


def test_light_is_not_told_where_the_upload_does_not_show_the_corners() -> None:
    def middle(image: Image.Image) -> Image.Image:
        width, height = image.size
        return vignetted(image.crop((width // 5, height // 5, 4 * width // 5, 4 * height // 5)))

    assert all("corners" not in operation.sentence for operation in filtered(middle, "coffee"))


def test_a_filter_is_told_beside_what_was_edited() -> None:
    def both(image: Image.Image) -> Image.Image:
        softened = image.filter(ImageFilter.GaussianBlur(3))
        softened.paste(picture("cat").resize((120, 90)), (40, 40))
        return softened

    assert "softer" in filtered(both, "coffee")[0].sentence
