"""Bars that one sees through, across a picture."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from indexer.operations import OperationType
from tests.pictures import picture
from tests.portraits import derived, through_jpeg, types_of

NAMES_OTHER_CONTENT = {OperationType.OVERLAY, OperationType.LOCAL_EDIT, OperationType.COMPOSITE}
Box = tuple[float, float, float, float]


def with_bar(image: Image.Image, box: Box, opacity: float) -> Image.Image:
    width, height = image.size
    left, top, right, bottom = box
    corners = (left * width, top * height, right * width, bottom * height)
    covered = image.copy()
    ImageDraw.Draw(covered).rectangle(corners, fill=(20, 20, 60))
    mixed = Image.blend(image, covered, opacity)
    ImageDraw.Draw(mixed).text((corners[0] + 10, corners[1] + 10), "LEAKED", fill="white", font_size=30)
    return mixed


@pytest.mark.parametrize("name", ["coffee", "cat"])
@pytest.mark.parametrize("box", [(0.0, 0.7, 1.0, 1.0), (0.0, 0.0, 1.0, 0.2), (0.0, 0.6, 1.0, 0.8)])
@pytest.mark.parametrize("opacity", [0.4, 0.7])
def test_it_is_named_as_a_part(name: str, box: Box, opacity: float) -> None:
    found = derived(through_jpeg(with_bar(picture(name), box, opacity)), picture(name))
    assert types_of(found) & {OperationType.OVERLAY, OperationType.LOCAL_EDIT}
    assert OperationType.COMPOSITE not in types_of(found)


@pytest.mark.parametrize("box", [(0.0, 0.6, 1.0, 0.8), (0.0, 0.45, 1.0, 0.6), (0.0, 0.55, 1.0, 1.0)])
def test_it_is_found_by_its_edges(box: Box) -> None:
    found = derived(through_jpeg(with_bar(picture("cat"), box, 0.7)), picture("cat"))
    [bar] = [region for region in found.comparison.changes.regions if region.is_bar]
    height = found.comparison.warped.size[1]
    assert bar.top / height == pytest.approx(box[1], abs=0.03)
    assert bar.bottom / height == pytest.approx(box[3], abs=0.03)
    assert OperationType.OVERLAY in types_of(found)


def test_at_a_side_it_is_told_with_its_place() -> None:
    found = derived(
        through_jpeg(with_bar(picture("coffee"), (0.75, 0.0, 1.0, 1.0), 0.5)), picture("coffee")
    )
    quads = [one.reference_region for one in found.operations if one.type is OperationType.OVERLAY]
    assert quads[0] is not None
    left, right = min(x for x, _ in quads[0]), max(x for x, _ in quads[0])
    assert left == pytest.approx(0.75, abs=0.04)
    assert right == pytest.approx(1.0, abs=0.04)


def test_it_gives_the_whole_no_other_colours() -> None:
    cat = picture("cat")
    found = derived(through_jpeg(with_bar(cat, (0.0, 0.7, 1.0, 1.0), 0.5)), cat)
    assert types_of(found) == {OperationType.OVERLAY}
    assert not found.comparison.changes.left_by_filter


def horizon() -> Image.Image:
    """A bright sky over a dark meadow: an edge from side to side that is the picture's own."""
    rng = np.random.default_rng(2)
    sky = np.linspace((120, 160, 230), (200, 215, 240), 200)[:, None, :] + rng.normal(0, 2, (200, 600, 3))
    meadow = rng.normal((60, 95, 40), 18, (200, 600, 3))
    image = Image.fromarray(np.concatenate([sky, meadow]).clip(0, 255).astype(np.uint8))
    image.paste(picture("cat").resize((220, 180)), (190, 160))
    return image


def fading(image: Image.Image) -> Image.Image:
    """Darker at the top, as under a graduated filter, over a short way."""
    rows = np.linspace(0, 1, image.height)[:, None, None]
    return Image.fromarray(
        (np.asarray(image) * (1 - 0.5 * np.clip((0.43 - rows) / 0.06, 0, 1))).astype(np.uint8)
    )


@pytest.mark.parametrize(
    "filtered",
    [
        lambda image: ImageEnhance.Contrast(image).enhance(2.0),
        lambda image: ImageEnhance.Brightness(image).enhance(0.6),
        lambda image: ImageOps.posterize(image, 3),
        ImageOps.equalize,
        ImageOps.autocontrast,
        lambda image: Image.merge("RGB", [image.getchannel("B")] * 3),
        fading,
    ],
)
def test_a_filter_of_the_whole_is_no_bar(filtered: Callable[[Image.Image], Image.Image]) -> None:
    found = derived(through_jpeg(filtered(horizon())), horizon())
    assert not types_of(found) & NAMES_OTHER_CONTENT
