"""Which of two pictures was made from the other is said only where one lacks what the other shows."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from indexer.compare.additions import Side, measure_region
from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.changes import ChangedRegion, ChangeMap
from indexer.compare.direction import DirectionFinding, direction_by_surroundings, find_direction
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.pair import compare_pair
from indexer.compare.vocabulary import Frame
from indexer.compare.warping import WarpedPair
from indexer.operations import Direction
from tests.pictures import picture
from tests.portraits import pixels, through_jpeg

Edit = Callable[[Image.Image], Image.Image]
FROM, TO, UNKNOWN = Direction.FROM_REFERENCE, Direction.TO_REFERENCE, Direction.UNKNOWN


def found(query: Image.Image, reference: Image.Image) -> DirectionFinding:
    ours, theirs = pixels(query), pixels(reference)
    alignment = align(extract_features(ours), extract_features(theirs))
    assert alignment is not None, "the pictures do not belong together"
    pair = AlignedPair(ours, theirs, alignment)
    return find_direction(
        pair, compare_pair(pair, with_faces=False), Frame(*query.size), Frame(*reference.size)
    )


def cropped(image: Image.Image) -> Image.Image:
    return image.crop((80, 60, image.width - 60, image.height - 50))


def bordered(image: Image.Image) -> Image.Image:
    made = Image.new("RGB", (image.width + 120, image.height + 160), (250, 250, 245))
    made.paste(image, (60, 100))
    return made


def on_another_picture(image: Image.Image) -> Image.Image:
    made = picture("motorcycle").resize((image.width + 200, image.height + 200))
    made.paste(image, (90, 110))
    return made


def captioned(image: Image.Image) -> Image.Image:
    made = image.copy()
    ImageDraw.Draw(made).text((60, 40), "SHARE THIS NOW", fill="white", font_size=48, stroke_width=3)
    return made


def barred(image: Image.Image) -> Image.Image:
    made = image.copy()
    ImageDraw.Draw(made).rectangle((90, 150, image.width - 90, 220), fill="black")
    return made


def reduced(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(2.5))


ONE_WAY: dict[str, Edit] = {
    "cropped": cropped,
    "bordered": bordered,
    "on another picture": on_another_picture,
    "captioned": captioned,
    "barred": barred,
    "reduced": reduced,
    "blurred": blurred,
}


@pytest.mark.parametrize("name", ONE_WAY)
def test_what_only_one_of_two_pictures_shows_tells_which_was_made_from_the_other(name: str) -> None:
    original, edited = picture("coffee"), ONE_WAY[name](picture("coffee"))
    assert found(through_jpeg(edited), original).direction is FROM
    assert found(through_jpeg(original), edited).direction is TO


def cloned(image: Image.Image) -> Image.Image:
    made, veil = image.copy(), Image.new("L", (130, 130))
    ImageDraw.Draw(veil).ellipse((10, 10, 120, 120), fill=255)
    made.paste(image.crop((30, 20, 160, 150)), (380, 220), veil.filter(ImageFilter.GaussianBlur(5)))
    return made


BOTH_WAYS: dict[str, Edit] = {
    "saved again": lambda image: through_jpeg(image, 60),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(2, 200, 1)),
    "enlarged": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC),
    "cloned": cloned,
}


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_what_looks_the_same_both_ways_tells_nothing(name: str) -> None:
    original, edited = picture("cat"), BOTH_WAYS[name](picture("cat"))
    if name == "cloned":
        original, edited = picture("coffee"), cloned(picture("coffee"))
    assert found(through_jpeg(edited), original).direction is UNKNOWN
    assert found(through_jpeg(original), edited).direction is UNKNOWN


def test_evidence_for_both_directions_is_evidence_for_none() -> None:
    finding = found(cropped(picture("coffee")), captioned(picture("coffee")))
    assert finding.direction is UNKNOWN
    assert "third" in finding.reason


def test_overlays_are_told_by_the_picture_that_carries_them() -> None:
    laid = found(captioned(barred(picture("coffee"))), picture("coffee"))
    assert len(laid.additions) >= 2
    assert laid.only_laid_over_query
    turned = found(picture("coffee"), captioned(barred(picture("coffee"))))
    assert {addition.laid_over for addition in turned.additions} == {Side.REFERENCE}
    assert not turned.only_laid_over_query


def test_an_edit_as_soft_as_the_picture_belongs_to_neither() -> None:
    finding = found(cloned(picture("coffee")), picture("coffee"))
    assert {addition.made_later for addition in finding.additions} == {Side.UNKNOWN}


def test_the_reason_is_a_sentence() -> None:
    assert found(cropped(picture("coffee")), picture("coffee")).reason == (
        "The upload is a crop: the registered picture continues beyond its border."
    )


@pytest.mark.parametrize(
    ("edit", "expected"), [(cropped, FROM), (bordered, FROM), (captioned, UNKNOWN), (blurred, UNKNOWN)]
)
def test_the_frames_alone_tell_what_was_cut_out_of_what(edit: Edit, expected: Direction) -> None:
    """Frames of videos: neither what lies over one nor its softness counts."""
    original, edited = pixels(picture("coffee")), pixels(edit(picture("coffee")))
    back = {FROM: TO}.get(expected, expected)
    for query, reference, direction in ((edited, original, expected), (original, edited, back)):
        alignment = align(extract_features(query), extract_features(reference))
        assert alignment is not None
        pair = AlignedPair(query, reference, alignment)
        assert direction_by_surroundings(pair, pair.warped) is direction


def test_a_region_that_differs_too_faintly_to_be_read_says_nothing_and_is_no_error() -> None:
    pixels = np.full((64, 64, 3), 120, np.uint8)
    mask = np.zeros((64, 64), np.bool_)
    mask[20:40, 20:40] = True
    residue = np.zeros((64, 64, 3), np.float32)
    residue[mask] = 0.5
    everywhere = np.ones((64, 64), np.bool_)
    warped = WarpedPair(pixels, pixels, everywhere, np.eye(3), 1.0, 1.0)
    region = ChangedRegion(mask, 20, 20, 40, 40, excess=1.0, levels=0.5, share=0.1)
    changes = ChangeMap(np.zeros((64, 64), np.float32), (region,), residue, everywhere, 0.0)
    with np.errstate(all="raise"):
        measured = measure_region(region, warped, changes)
    assert np.isfinite([*measured.fine, measured.coarse, measured.coarse_spread]).all()
