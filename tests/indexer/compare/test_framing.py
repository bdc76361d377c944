"""A picture in a screenshot is compared alone; a frame never hides a new face or makes an inset a copy."""

import numpy as np
from PIL import Image, ImageDraw

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.features import extract_features
from indexer.compare.framing import restrict_to_frame, restrict_to_region
from indexer.compare.geometry import align
from indexer.compare.operations import operations_found
from indexer.compare.vocabulary import Frame
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


def before_a_wall(colour: tuple[int, int, int]) -> Image.Image:
    """A picture whose lower third has hardly any detail."""
    image = COFFEE.copy()
    noise = np.random.default_rng(1).normal(0, 1.5, (130, 600, 3)) + colour
    image.paste(Image.fromarray(noise.clip(0, 255).astype(np.uint8)), (0, 270))
    return image


def with_banner(image: Image.Image) -> Image.Image:
    image = image.copy()
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 310, 600, 360), fill="black")
    draw.text((30, 320), "BREAKING NEWS", fill="white", font_size=28)
    return image


def test_a_banner_over_a_wall_is_no_frame_either() -> None:
    wall = before_a_wall((150, 140, 120))
    pair = aligned(with_banner(wall), wall)
    above = restrict_to_region(Region(0, 0, 600, 308), pair.alignment, extract_features(pixels(wall)))
    assert restrict_to_frame(pair.with_alignment(above)).alignment.within is None


def test_what_lies_under_something_else_is_not_said_to_be_there() -> None:
    white = before_a_wall((255, 255, 255))  # the colour of pages: it may go on below the banner, or not
    pair = aligned(with_banner(white), white)
    above = restrict_to_region(Region(0, 0, 600, 308), pair.alignment, extract_features(pixels(white)))
    kept = restrict_to_frame(pair.with_alignment(above))
    assert kept.alignment.within is not None
    frame = Frame(600, 400)
    whole = operations_found(kept.alignment, kept.query, kept.reference, frame, frame)
    assert {one.type for one in whole} == {OperationType.CROPPED, OperationType.BORDERED}
    [cropped] = [one for one in whole if one.type is OperationType.CROPPED]
    assert 0.7 < cropped.measured["kept_share"] < 0.8


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
