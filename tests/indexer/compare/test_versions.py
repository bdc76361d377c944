"""Which of two versions an upload shows is read where they differ, whatever was done to the whole of it."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.versions import VersionDifference, VersionShown, difference_of_versions, version_shown
from tests.pictures import picture
from tests.portraits import astronaut, pixels, through_jpeg

Edit = Callable[[Image.Image], Image.Image]
FACE = (170, 60, 270, 200)


def with_face_of(other: str, original: Image.Image) -> Image.Image:
    """Blends a part of another picture into the place of the face, as swaps are blended."""
    made, veil = original.copy(), Image.new("L", original.size)
    ImageDraw.Draw(veil).ellipse(FACE, fill=255)
    size = FACE[2] - FACE[0], FACE[3] - FACE[1]
    pasted = Image.new("RGB", original.size)
    pasted.paste(picture(other).resize(size), FACE[:2])
    made.paste(pasted, mask=veil.filter(ImageFilter.GaussianBlur(6)))
    return made


ORIGINAL = astronaut()
FAKE, OTHER_FAKE = with_face_of("cat", ORIGINAL), with_face_of("coins", ORIGINAL)


def captioned(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).text((20, 440), "SHARE THIS", fill="white", font_size=50, stroke_width=3)
    return image


WAYS: dict[str, Edit] = {
    "as it is": lambda image: image,
    "JPEG 30": lambda image: through_jpeg(image, 30),
    "half size": lambda image: through_jpeg(image.resize((image.width // 2, image.height // 2))),
    "cropped": lambda image: image.crop((40, 20, image.width - 60, image.height - 80)),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "captioned": captioned,
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


@pytest.fixture(scope="module")
def difference() -> VersionDifference:
    found = difference_of_versions(pixels(FAKE), pixels(ORIGINAL))
    assert found is not None
    return found


def shown_in(
    upload: Image.Image,
    difference: VersionDifference,
    first: Image.Image = FAKE,
    second: Image.Image = ORIGINAL,
) -> VersionShown:
    alignment = align(extract_features(pixels(upload)), extract_features(pixels(first)))
    assert alignment is not None, "the pictures do not belong together"
    pair = AlignedPair(pixels(upload), pixels(first), alignment)
    return version_shown(pair, difference, pixels(second)).shown


def test_the_difference_is_where_the_face_is(difference: VersionDifference) -> None:
    y, x = np.nonzero(difference.mask)
    assert abs(x.mean() - 220) < 15
    assert abs(y.mean() - 130) < 15
    assert difference.share < 0.1
    assert len(difference.packed_mask) < 40_000


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_the_fake_shows_the_fake_and_one_of_the_original_the_original(
    way: str, difference: VersionDifference
) -> None:
    assert shown_in(WAYS[way](FAKE), difference) is VersionShown.FIRST
    assert shown_in(WAYS[way](ORIGINAL), difference) is VersionShown.SECOND


@pytest.mark.parametrize("way", ["as it is", "JPEG 30", "mirrored"])
def test_another_fake_of_the_same_original_shows_neither(way: str, difference: VersionDifference) -> None:
    assert shown_in(WAYS[way](OTHER_FAKE), difference) is VersionShown.NEITHER


def test_which_version_comes_first_does_not_matter() -> None:
    turned = difference_of_versions(pixels(ORIGINAL), pixels(FAKE))
    assert turned is not None
    assert shown_in(FAKE, turned, ORIGINAL, FAKE) is VersionShown.SECOND
    assert shown_in(ORIGINAL, turned, ORIGINAL, FAKE) is VersionShown.FIRST


def test_an_upload_without_the_place_does_not_show_it(difference: VersionDifference) -> None:
    assert shown_in(ORIGINAL.crop((0, 230, 512, 512)), difference) is VersionShown.NOT_SHOWN


def test_a_bar_over_the_place_hides_it(difference: VersionDifference) -> None:
    covered = FAKE.copy()
    ImageDraw.Draw(covered).rectangle((150, 40, 290, 220), fill="black")
    assert shown_in(covered, difference) is VersionShown.NOT_SHOWN


def test_a_version_that_was_only_saved_again_cannot_be_told_apart() -> None:
    saved = through_jpeg(ORIGINAL, 60)
    difference = difference_of_versions(pixels(saved), pixels(ORIGINAL))
    assert difference is not None
    assert difference.share == 0.0
    assert shown_in(ORIGINAL, difference, saved) is VersionShown.UNDECIDABLE


def test_pictures_that_do_not_belong_together_have_no_difference() -> None:
    assert difference_of_versions(pixels(picture("coffee")), pixels(ORIGINAL)) is None


def test_a_difference_in_another_frame_is_refused(difference: VersionDifference) -> None:
    smaller = FAKE.resize((400, 400))
    with pytest.raises(ValueError, match="a first version"):
        shown_in(FAKE, difference, first=smaller)


def test_a_single_figure_on_a_document_tells_two_versions_apart() -> None:
    page = Image.new("RGB", (800, 1024), "white")
    draw = ImageDraw.Draw(page)
    for line in range(24):
        words = f"Item {line * 37 % 101}: {line * 91 % 977} pieces of article {line * 7919 % 6007}"
        draw.text((60, 60 + 38 * line), words, fill="black", font_size=22)
    forged = page.copy()
    draw = ImageDraw.Draw(forged)
    draw.rectangle((600, 900, 640, 930), fill="white")
    draw.text((600, 902), "95", fill="black", font_size=22)
    ImageDraw.Draw(page).text((600, 902), "25", fill="black", font_size=22)
    small = difference_of_versions(pixels(forged), pixels(page))
    assert small is not None
    assert 0 < small.share < 0.001
    assert shown_in(through_jpeg(forged, 50), small, forged, page) is VersionShown.FIRST
    assert shown_in(through_jpeg(page, 50), small, forged, page) is VersionShown.SECOND
