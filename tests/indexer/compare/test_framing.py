"""A picture in a screenshot is compared alone; a frame never hides a new face or makes an inset a copy."""

import numpy as np
from PIL import Image, ImageDraw

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.features import extract_features
from indexer.compare.framing import restrict_to_frame, restrict_to_region
from indexer.compare.geometry import align
from indexer.fingerprints.regions import Region
from indexer.operations import OperationType
from tests.pictures import picture
from tests.portraits import astronaut, derived, pixels, swapped, types_of

COFFEE = picture("coffee")


def cropped_in_a_screenshot() -> Image.Image:
    """Puts the middle of the picture between a bar and a line of writing, which hide parts of it."""
    shot = Image.new("RGB", (560, 520), (244, 244, 246))
    draw = ImageDraw.Draw(shot)
    draw.rectangle((0, 0, 560, 70), fill=(32, 60, 120))
    draw.text((20, 20), "Messages   12:04", fill="white", font_size=28)
    shot.paste(COFFEE.crop((120, 80, 520, 330)), (80, 110))
    for line in range(4):
        draw.text((30, 380 + 32 * line), "a comment under it, and more", fill="black", font_size=24)
    return shot


def under_a_banner() -> Image.Image:
    """The picture with a banner across its lower third, a strip of it to be seen below."""
    covered = COFFEE.copy()
    draw = ImageDraw.Draw(covered)
    width, height = covered.size
    draw.rectangle((0, 0.82 * height, width, 0.95 * height), fill=(180, 0, 0))
    draw.text((60, 0.85 * height), "LIVE: caught on camera", fill="white", font_size=26)
    return covered


def aligned(query: Image.Image, reference: Image.Image) -> AlignedPair:
    alignment = align(extract_features(pixels(query)), extract_features(pixels(reference)))
    assert alignment is not None
    return AlignedPair(pixels(query), pixels(reference), alignment)


def test_a_banner_is_no_frame_where_the_picture_goes_on_below_it() -> None:
    pair = aligned(under_a_banner(), COFFEE)
    assert restrict_to_frame(pair).alignment.within is None
    above = restrict_to_region(Region(0, 0, 600, 328), pair.alignment, extract_features(pixels(COFFEE)))
    assert above.within is not None
    assert restrict_to_frame(pair.with_alignment(above)).alignment.within is None


def test_a_banner_is_named_and_gives_the_picture_no_other_colours() -> None:
    assert types_of(derived(under_a_banner(), COFFEE)) == {OperationType.OVERLAY}


def test_the_picture_inside_a_screenshot_is_compared_alone() -> None:
    shot = cropped_in_a_screenshot()
    found = restrict_to_frame(aligned(shot, COFFEE)).alignment.within
    assert found is not None
    assert np.allclose([found.left, found.top, found.right, found.bottom], [80, 110, 480, 360], atol=8)


def test_a_frame_never_leaves_out_what_was_changed() -> None:
    for upload in (swapped(), astronaut()):
        restricted = restrict_to_frame(aligned(upload, astronaut()))
        assert restricted.alignment.within is None


def test_a_small_inset_is_not_compared_alone() -> None:
    alignment, features = aligned(COFFEE, COFFEE).alignment, extract_features(pixels(COFFEE))
    assert restrict_to_region(Region(0, 0, 150, 100), alignment, features).within is None
    assert restrict_to_region(Region(0, 0, 500, 350), alignment, features).within is not None
