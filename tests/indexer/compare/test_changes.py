"""What ordinary processing leaves is no change; what was laid over or edited is found where it is."""

import random
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from indexer.compare.derivation import FILTERED
from indexer.compare.vocabulary import Operation
from indexer.operations import OperationType
from tests.pictures import picture
from tests.portraits import astronaut, derived, through_jpeg, types_of

COFFEE = picture("coffee")
CHANGES = {OperationType.OVERLAY, OperationType.LOCAL_EDIT, OperationType.COMPOSITE}
Box = tuple[int, int, int, int]


def vignette(image: Image.Image) -> Image.Image:
    y, x = np.mgrid[-1 : 1 : image.height * 1j, -1 : 1 : image.width * 1j]
    gain = 1 - 0.45 * (x * x + y * y).clip(0, 1.6)
    return Image.fromarray((np.asarray(image) * gain[..., None]).astype(np.uint8))


def warmer(image: Image.Image) -> Image.Image:
    red, green, blue = image.split()
    return Image.merge(
        "RGB", [red.point(lambda v: min(255, int(v * 1.15))), green, blue.point(lambda v: v * 0.8)]
    )


Edit = Callable[[Image.Image], Image.Image]
ORDINARY: dict[str, Edit] = {
    "JPEG 30": lambda image: through_jpeg(image, 30),
    "JPEG 12": lambda image: through_jpeg(image, 12),
    "half size": lambda image: through_jpeg(image.resize((image.width // 2, image.height // 2))),
    "third and up": lambda image: image.resize((image.width // 3, image.height // 3)).resize(image.size),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.5),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "saturated": lambda image: ImageEnhance.Color(image).enhance(1.7),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "gamma": lambda image: image.point(lambda value: int(255 * (value / 255) ** 0.6)),
    "warm": warmer,
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(2, 120, 2)),
    "vignette": vignette,
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda image: image.rotate(3, resample=Image.Resampling.BICUBIC),
    "cropped": lambda image: image.crop((40, 30, image.width - 20, image.height - 25)),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.parametrize("original", [COFFEE, astronaut()], ids=["coffee", "astronaut"])
def test_ordinary_processing_is_no_change_of_content(original: Image.Image, name: str) -> None:
    found = derived(ORDINARY[name](original), original, with_faces=False)
    assert types_of(found) & CHANGES == set()


def hue_turned(image: Image.Image) -> Image.Image:
    hue, *others = image.convert("HSV").split()
    turned = hue.point(lambda value: (value + 110 * 256 // 360) % 256)
    return Image.merge("HSV", [turned, *others]).convert("RGB")


def oil(image: Image.Image) -> Image.Image:
    """Each pixel takes the mean of the commonest of eight levels around it."""
    pixels, side = np.asarray(image, np.float32), (7, 7)
    levels = np.asarray(image.convert("L")).astype(np.int32) * 8 // 256
    most, painted = np.zeros(levels.shape, np.float32), np.zeros_like(pixels)
    for level in range(8):
        there = (levels == level).astype(np.float32)
        count = cv2.boxFilter(there, -1, side)
        mean = cv2.boxFilter(pixels * there[..., None], -1, side) / np.maximum(count, 1e-6)[..., None]
        painted[count > most], most = mean[count > most], np.maximum(most, count)
    return Image.fromarray(painted.astype(np.uint8))


def local_contrast(image: Image.Image) -> Image.Image:
    lab = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(3.0, (8, 8)).apply(lab[..., 0])
    return Image.fromarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


FILTERS: dict[str, Edit] = {
    "JPEG 5": lambda image: through_jpeg(image, 5),
    "vivid": lambda image: ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(1.9)).enhance(1.35),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(2.5),
    "gamma": lambda image: image.point(lambda value: int(255 * (value / 255) ** 0.45)),
    "equalised": ImageOps.equalize,
    "hue turned": hue_turned,
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(4, 300, 0)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "bilateral": lambda image: Image.fromarray(cv2.bilateralFilter(np.asarray(image), 15, 90, 15)),
    "mean shift": lambda image: Image.fromarray(cv2.pyrMeanShiftFiltering(np.asarray(image), 8, 25)),
    "oil": oil,
    "local contrast": local_contrast,
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("subject", ["coffee", "astronaut"])
def test_a_filter_of_the_whole_picture_is_no_edit_of_a_part(subject: str, name: str) -> None:
    original = reduced(picture(subject))
    found = derived(FILTERS[name](original), original, with_faces=False)
    assert types_of(found) & CHANGES == set()


@pytest.mark.parametrize("name", ["vivid", "gamma", "hue turned", "sharpened", "bilateral"])
def test_what_was_laid_over_is_found_under_a_filter(name: str) -> None:
    edited, box = sticker(COFFEE)
    found = derived(FILTERS[name](edited), COFFEE, with_faces=False)
    named = [operation for operation in found.operations if operation.type in CHANGES]
    assert on_operation(named, box, COFFEE.size) > 0.5


def test_where_a_filter_hides_an_edit_it_is_said_that_it_could() -> None:
    found = derived(local_contrast(sticker(COFFEE)[0]), COFFEE, with_faces=False)
    assert types_of(found) & CHANGES or FILTERED in found.uncertain


def reduced(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.thumbnail((512, 512))
    return image


def caption(image: Image.Image) -> tuple[Image.Image, Box]:
    image = image.copy()
    draw = ImageDraw.Draw(image)
    draw.text((180, 20), "BREAKING NEWS", fill="white", font_size=34, stroke_width=3, stroke_fill="black")
    left, top, right, bottom = draw.textbbox((180, 20), "BREAKING NEWS", font_size=34, stroke_width=3)
    return image, (int(left), int(top), int(right), int(bottom))


def sticker(image: Image.Image) -> tuple[Image.Image, Box]:
    image, box = image.copy(), (330, 240, 430, 340)
    ImageDraw.Draw(image).ellipse(box, fill=(255, 210, 0), outline="black", width=4)
    return image, box


def cloned(image: Image.Image) -> tuple[Image.Image, Box]:
    """Copies a piece of the picture over another, as a retoucher hides a thing."""
    image, box = image.copy(), (40, 60, 150, 170)
    image.paste(image.crop((430, 200, 540, 310)), box[:2])
    return image, box


def on_operation(found: list[Operation], box: Box, size: tuple[int, int]) -> float:
    """Returns the intersection over union of the best operation's region with the true box."""
    truth = np.zeros(size[::-1], np.bool_)
    truth[box[1] : box[3], box[0] : box[2]] = True
    best = 0.0
    for operation in found:
        assert operation.reference_region is not None
        xs = [x * size[0] for x, _ in operation.reference_region]
        ys = [y * size[1] for _, y in operation.reference_region]
        mine = np.zeros_like(truth)
        mine[round(min(ys)) : round(max(ys)), round(min(xs)) : round(max(xs))] = True
        best = max(best, float((mine & truth).sum() / (mine | truth).sum()))
    return best


@pytest.mark.parametrize("edit", [caption, sticker, cloned])
@pytest.mark.parametrize("then", ["as it is", "JPEG 30", "half size", "brighter", "mirrored"])
def test_a_changed_part_is_found_where_it_is(
    edit: Callable[[Image.Image], tuple[Image.Image, Box]], then: str
) -> None:
    changed, box = edit(COFFEE)
    upload = changed if then == "as it is" else ORDINARY[then](changed)
    found = [
        operation
        for operation in derived(upload, COFFEE, with_faces=False).operations
        if operation.type in CHANGES
    ]
    assert on_operation(found, box, COFFEE.size) >= 0.5
    expected = OperationType.LOCAL_EDIT if edit is cloned else OperationType.OVERLAY
    assert expected in {operation.type for operation in found}


def test_two_changes_are_two_operations_the_most_severe_first() -> None:
    both, _ = sticker(cloned(COFFEE)[0])
    found = [
        operation.type
        for operation in derived(both, COFFEE, with_faces=False).operations
        if operation.type in CHANGES
    ]
    assert found == [OperationType.LOCAL_EDIT, OperationType.OVERLAY]


def test_a_region_is_given_in_the_frame_of_the_upload_as_well() -> None:
    changed, box = sticker(COFFEE)
    crop = changed.crop((200, 100, 560, 390))
    found = derived(crop, COFFEE, with_faces=False).operations
    region = next(operation.region for operation in found if operation.type is OperationType.OVERLAY)
    assert region is not None
    (left, top), (right, bottom) = region[0], region[2]
    assert left * crop.width == pytest.approx(box[0] - 200, abs=12)
    assert top * crop.height == pytest.approx(box[1] - 100, abs=12)
    assert right * crop.width == pytest.approx(box[2] - 200, abs=12)
    assert bottom * crop.height == pytest.approx(box[3] - 100, abs=12)


def test_half_of_another_picture_is_a_composite() -> None:
    other = picture("rocket").resize(COFFEE.size)
    half = COFFEE.copy()
    half.paste(other.crop((300, 0, 600, 400)), (300, 0))
    found = derived(half, COFFEE, with_faces=False)
    assert OperationType.COMPOSITE in types_of(found)


@pytest.mark.parametrize("on_the_way", [lambda image: image, lambda image: through_jpeg(image, 40)])
def test_many_overlays_are_no_filter(on_the_way: Edit) -> None:
    edited, places = COFFEE.copy(), random.Random(1)
    for _ in range(24):
        x, y = places.randrange(COFFEE.width - 40), places.randrange(COFFEE.height - 40)
        ImageDraw.Draw(edited).ellipse((x, y, x + 30, y + 30), fill=(255, 210, 0), outline="black", width=3)
    found = derived(on_the_way(edited), COFFEE, with_faces=False)
    assert OperationType.OVERLAY in types_of(found)
