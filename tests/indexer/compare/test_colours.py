"""What was done to colours is named in words, and what coding does to them is not."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from indexer.compare.colours import name_colour_change
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.vocabulary import Operation
from tests.pictures import picture
from tests.portraits import astronaut, pixels, through_jpeg

Change = Callable[[Image.Image], Image.Image]
NAMES = ("astronaut", "coffee", "cat")


def found(query: Image.Image, reference: Image.Image) -> Operation | None:
    ours, theirs = pixels(query), pixels(reference)
    alignment = align(extract_features(ours), extract_features(theirs))
    assert alignment is not None
    return name_colour_change(alignment, ours, theirs)


def balanced(image: Image.Image, red: float, blue: float) -> Image.Image:
    return Image.fromarray((pixels(image) * np.array([red, 1.0, blue])).clip(0, 255).astype(np.uint8))


def sepia(image: Image.Image) -> Image.Image:
    return ImageOps.colorize(image.convert("L"), (20, 10, 0), (255, 240, 200))


CHANGES: dict[str, Change] = {
    "black and white": lambda image: image.convert("L"),
    "one tone": sepia,
    "warmer": lambda image: balanced(image, 1.12, 0.86),
    "cooler": lambda image: balanced(image, 0.86, 1.12),
    "stronger": lambda image: ImageEnhance.Color(image).enhance(1.7),
    "paler": lambda image: ImageEnhance.Color(image).enhance(0.5),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "darkened": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", CHANGES)
def test_what_was_done_to_the_colours_is_said(change: str, name: str) -> None:
    image = picture(name).convert("RGB")
    operation = found(through_jpeg(CHANGES[change](image)), image)
    assert operation is not None
    assert change in operation.sentence


def with_hues_turned(image: Image.Image) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(level + 85) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


BALANCE = ("warmer", "cooler", "one tone", "shifted", "hues")


@pytest.mark.parametrize("saturation", [0.3, 0.5, 1.6])
@pytest.mark.parametrize("name", NAMES)
def test_paler_or_stronger_colours_are_no_other_white_balance(name: str, saturation: float) -> None:
    warm = balanced(picture(name).convert("RGB"), 1.1, 0.8)
    operation = found(through_jpeg(ImageEnhance.Color(warm).enhance(saturation)), warm)
    assert operation is not None
    assert ("made paler" if saturation < 1 else "made stronger") in operation.sentence
    assert saturation > 1 or not any(word in operation.sentence for word in BALANCE)


@pytest.mark.parametrize("name", ["astronaut", "cat"])
def test_other_hues_and_added_colours_are_named(name: str) -> None:
    image = picture(name).convert("RGB")
    turned = found(through_jpeg(with_hues_turned(image)), image)
    assert turned is not None
    assert "other hues" in turned.sentence
    added = found(image, image.convert("L").convert("RGB"))
    assert added is not None
    assert "the original is black and white" in added.sentence


@pytest.mark.parametrize("name", ["astronaut", "cat"])  # the other is clipped in one channel
def test_more_contrast_is_said(name: str) -> None:
    image = picture(name).convert("RGB")
    operation = found(through_jpeg(ImageEnhance.Contrast(image).enhance(1.5)), image)
    assert operation is not None
    assert "more contrast" in operation.sentence


def with_sticker(image: Image.Image) -> Image.Image:
    changed = image.copy()
    ImageDraw.Draw(changed).ellipse((10, 10, image.width // 4, image.height // 4), (255, 0, 40))
    return changed


LEFT_AS_THEY_WERE: dict[str, Change] = {
    "coarse JPEG": lambda image: through_jpeg(image, 12),
    "half size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(2, 150)),
    "a red sticker": with_sticker,
    "few colours of a palette": lambda image: image.quantize(128).convert("RGB"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", LEFT_AS_THEY_WERE)
def test_colours_that_coding_moved_a_little_were_not_changed(change: str, name: str) -> None:
    image = picture(name).convert("RGB")
    assert found(LEFT_AS_THEY_WERE[change](image), image) is None


def test_a_grey_picture_has_no_colours_to_lose() -> None:
    grey = astronaut().convert("L").convert("RGB")
    assert found(through_jpeg(grey, 50), grey) is None
    buffer = io.BytesIO()
    grey.save(buffer, "PNG")
    assert found(Image.open(buffer), grey) is None
