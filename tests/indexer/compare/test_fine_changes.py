"""A single figure that was changed is named in its place; coding, scaling and tone alone name nothing."""

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.derivation import Derivation, derive, derive_small_changes
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.vocabulary import Frame
from indexer.media.images import decode_image
from indexer.media.limits import ImageLimits
from indexer.operations import Degree, OperationType
from tests.pictures import encoded, picture

Way = Callable[[Image.Image], bytes]
PLACE = (600, 420)
FINE = ImageLimits(working_long_side=2048)


@cache
def page(figure: str, height: int = 12) -> Image.Image:
    """Returns a page of rows in which one figure of some height, in pixels, differs."""
    made = Image.new("RGB", (900, 640), (252, 250, 244))
    draw = ImageDraw.Draw(made)
    draw.rectangle((60, 40, 150, 100), fill=(40, 80, 140))
    for line in range(18):
        words = f"Item {line * 37 % 101} of the list {line * 7919 % 6007}"
        draw.text((60, 130 + 27 * line), words, fill=(30, 30, 40), font_size=18)
    draw.text(PLACE, f"1{figure}4.50", fill=(30, 30, 40), font_size=round(height / 0.73))
    return made


@cache
def street(figure: str) -> Image.Image:
    """Returns a photograph with a plate in it."""
    made = picture("motorcycle").copy()
    plate = Image.new("RGB", (110, 26), (236, 236, 228))
    ImageDraw.Draw(plate).text((8, 4), f"KA {figure}271", fill=(25, 25, 30), font_size=19)
    made.paste(plate.filter(ImageFilter.GaussianBlur(0.5)), (560, 300))
    return made


def saved(kind: str, **options: Any) -> Way:
    return lambda image: encoded(image, kind, **options)


def after(change: Callable[[Image.Image], Image.Image], way: Way) -> Way:
    return lambda image: way(change(image))


def scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize(
        (round(factor * image.width), round(factor * image.height)), Image.Resampling.LANCZOS
    )


def read(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


JPEG_80 = saved("JPEG", quality=80)
WAYS: dict[str, Way] = {
    "PNG": saved("PNG"),
    "JPEG 75": saved("JPEG", quality=75),
    "JPEG 35": saved("JPEG", quality=35),
    "JPEG 25, colours at full size": saved("JPEG", quality=25, subsampling=0),
    "WebP 50": saved("WEBP", quality=50),
    "AVIF 45": saved("AVIF", quality=45),
    "enlarged": after(scaled(1.4), JPEG_80),
    "reduced": after(scaled(0.9), JPEG_80),
    "two generations": lambda image: JPEG_80(scaled(0.93)(read(saved("JPEG", quality=65)(image)))),
    "cropped": after(lambda image: image.crop((13, 9, image.width - 20, image.height - 7)), JPEG_80),
    "sharpened": after(lambda image: image.filter(ImageFilter.UnsharpMask(1.2, 80, 2)), JPEG_80),
    "brighter": after(lambda image: ImageEnhance.Brightness(image).enhance(1.12), JPEG_80),
}
SMALLER: dict[str, Way] = {
    "much reduced": after(scaled(0.45), JPEG_80),
    "JPEG 20": saved("JPEG", quality=20),
}
SOME = ("JPEG 35", "AVIF 45", "reduced", "sharpened")


def compared(content: bytes, original: Image.Image) -> Derivation:
    """Returns what is found with the original kept as a lossy copy of its full size."""
    kept = encoded(original, "WEBP", quality=85)
    query, reference = (decode_image(one, ImageLimits()).pixels for one in (content, kept))
    alignment = align(extract_features(query), extract_features(reference))
    assert alignment is not None, "the pictures do not belong together"
    pair = AlignedPair(query, reference, alignment)
    frames = Frame(*read(content).size), Frame(*original.size)
    derivation = derive(pair, *frames, with_faces=False)
    assert not derivation.changes_content, "the comparison at the working size saw it"
    upload, record = (decode_image(one, FINE).pixels for one in (content, kept))
    return derive_small_changes(derivation, upload, record, frames[1])


@pytest.mark.parametrize(
    ("made", "way"), [*((page, way) for way in WAYS), *((street, way) for way in SOME)]
)
def test_a_changed_figure_is_named_in_its_place(made: Callable[[str], Image.Image], way: str) -> None:
    forged, original = made("8"), made("3")
    differs = np.abs(np.asarray(forged, int) - np.asarray(original, int)).max(axis=2) > 30
    y, x = np.nonzero(differs)
    found = compared(WAYS[way](forged), original)
    changes = [one for one in found.operations if one.type is OperationType.LOCAL_EDIT]
    assert len(changes) == 1
    assert changes[0].degree is not Degree.SLIGHT
    assert changes[0].reference_region is not None
    across, down = ([corner[axis] for corner in changes[0].reference_region] for axis in (0, 1))
    assert abs(np.mean(across) * original.width - x.mean()) < 10
    assert abs(np.mean(down) * original.height - y.mean()) < 10
    assert changes[0].measured["height_px"] < 40
    assert "small part" in changes[0].sentence
    assert found.unseen == ()


@pytest.mark.parametrize(
    ("made", "way"), [*((page, way) for way in (*WAYS, *SMALLER)), *((street, way) for way in SOME)]
)
def test_nothing_is_named_where_nothing_was_changed(made: Callable[[str], Image.Image], way: str) -> None:
    found = compared((WAYS | SMALLER)[way](made("3")), made("3"))
    assert OperationType.LOCAL_EDIT not in {operation.type for operation in found.operations}


def test_what_is_too_small_to_be_told_is_said_with_its_size() -> None:
    found = compared(SMALLER["much reduced"](page("3")), page("3"))
    assert "less than about 25 pixels of the registered picture (900 x 640)" in found.unseen[0]


def test_a_picture_that_is_too_small_for_figures_says_so() -> None:
    found = compared(after(scaled(0.14), JPEG_80)(street("3")), street("3"))
    assert found.unseen == ("It is too small here to tell whether letters or figures in it were changed.",)


def test_several_figures_of_one_line_are_one_change() -> None:
    forged = page("8").copy()
    ImageDraw.Draw(forged).rectangle((*PLACE, PLACE[0] + 60, PLACE[1] + 20), fill=(252, 250, 244))
    ImageDraw.Draw(forged).text(PLACE, "987.62", fill=(30, 30, 40), font_size=round(12 / 0.73))
    found = compared(JPEG_80(forged), page("3"))
    changes = [one for one in found.operations if one.type is OperationType.LOCAL_EDIT]
    assert len(changes) == 1
    assert 30 < changes[0].measured["width_px"] < 80


def test_so_many_small_differences_that_none_says_anything_are_said() -> None:
    dusty = page("8").copy()
    for place in range(60):
        x, y = 400 + place % 10 * 45, 30 + place // 10 * 60
        ImageDraw.Draw(dusty).ellipse((x, y, x + 6, y + 6), fill=(215, 212, 206))
    found = compared(encoded(dusty, "PNG"), page("3"))
    assert any("so many small places" in sentence for sentence in found.unseen)
