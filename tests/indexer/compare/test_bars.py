"""A solid bar over an edge hides what is there, and is told from a letterbox, which hides nothing."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.derivation import derive
from indexer.compare.direction import find_direction
from indexer.compare.features import extract_features
from indexer.compare.framing import restrict_to_frame
from indexer.compare.geometry import align
from indexer.compare.vocabulary import Frame, Operation
from indexer.operations import Degree, Direction, OperationType
from tests.pictures import picture
from tests.portraits import pixels, through_jpeg

COFFEE, CAT = picture("coffee"), picture("cat")
PLACES = {  # left, top, right, bottom as shares of the picture
    "top": (0.0, 0.0, 1.0, 0.3),
    "bottom": (0.0, 0.5, 1.0, 1.0),
    "left": (0.0, 0.0, 0.1, 1.0),
    "right": (0.6, 0.0, 1.0, 1.0),
}


def paired(query: Image.Image, reference: Image.Image) -> AlignedPair:
    ours, theirs = pixels(query), pixels(reference)
    alignment = align(extract_features(ours), extract_features(theirs))
    assert alignment is not None, "the pictures do not belong together"
    return restrict_to_frame(AlignedPair(ours, theirs, alignment))


def said(query: Image.Image, reference: Image.Image) -> tuple[Operation, ...]:
    frames = Frame(*query.size), Frame(*reference.size)
    return derive(paired(query, reference), *frames, with_faces=False).operations


def types(operations: tuple[Operation, ...]) -> list[OperationType]:
    return [operation.type for operation in operations]


def barred(image: Image.Image, place: str, colour: str = "black") -> Image.Image:
    made, (width, height) = image.copy(), image.size
    left, top, right, bottom = PLACES[place]
    box = round(left * width), round(top * height), round(right * width) - 1, round(bottom * height) - 1
    ImageDraw.Draw(made).rectangle(box, fill=colour)
    return made


def inside(image: Image.Image, size: tuple[int, int], colour: str = "black") -> Image.Image:
    made = Image.new("RGB", size, colour)
    made.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return made


def box_of(operation: Operation) -> list[float]:
    assert operation.reference_region is not None
    corners = np.array(operation.reference_region)
    return [*corners.min(axis=0), *corners.max(axis=0)]


@pytest.mark.parametrize(
    ("place", "colour"), [("top", "grey"), ("bottom", "white"), ("left", "black"), ("right", "crimson")]
)
def test_a_bar_over_an_edge_is_an_overlay_with_its_region(place: str, colour: str) -> None:
    found = said(through_jpeg(barred(COFFEE, place, colour), 60), COFFEE)
    assert types(found) == [OperationType.OVERLAY]
    assert found[0].degree is not Degree.SLIGHT
    assert box_of(found[0]) == pytest.approx(PLACES[place], abs=0.02)


def test_a_bar_is_found_in_an_upload_that_was_mirrored_reduced_or_brightened() -> None:
    made = barred(CAT, "bottom", "navy")
    smaller = made.resize((CAT.width * 5 // 8, CAT.height * 5 // 8), Image.Resampling.LANCZOS)
    for upload in (ImageOps.mirror(made), smaller, ImageEnhance.Brightness(made).enhance(1.2)):
        found = said(through_jpeg(upload), CAT)
        assert types(found)[0] is OperationType.OVERLAY
        assert box_of(found[0]) == pytest.approx(PLACES["bottom"], abs=0.02)


def test_writing_on_a_bar_is_a_part_of_it() -> None:
    made = barred(COFFEE, "top", "crimson")
    ImageDraw.Draw(made).text((20, 20), "BREAKING NEWS: nothing", fill="white", font_size=48)
    found = said(through_jpeg(made), COFFEE)
    assert types(found) == [OperationType.OVERLAY]
    assert box_of(found[0]) == pytest.approx(PLACES["top"], abs=0.02)


def test_two_bars_are_two_overlays() -> None:
    found = said(through_jpeg(barred(barred(CAT, "top"), "left", "white")), CAT)
    assert types(found) == [OperationType.OVERLAY, OperationType.OVERLAY]
    assert box_of(found[0]) == pytest.approx(PLACES["top"], abs=0.02)
    assert box_of(found[1]) == pytest.approx(PLACES["left"], abs=0.02)


def test_a_bar_is_found_in_a_screenshot_of_the_picture() -> None:
    shot = inside(barred(COFFEE, "top"), (760, 640), "whitesmoke")
    assert set(types(said(through_jpeg(shot), COFFEE))) >= {OperationType.OVERLAY, OperationType.EMBEDDED}


def test_the_upload_was_made_from_what_shows_more() -> None:
    pair = paired(through_jpeg(barred(CAT, "top")), CAT)
    comparison = derive(pair, Frame(*CAT.size), Frame(*CAT.size), with_faces=False).comparison
    found = find_direction(pair, comparison, Frame(*CAT.size), Frame(*CAT.size))
    assert found.direction is Direction.FROM_REFERENCE
    assert found.only_laid_over_query


def test_a_letterbox_is_no_bar() -> None:
    tall = inside(COFFEE, (600, 620))
    wide = inside(COFFEE.crop((60, 90, 540, 340)), (860, 340), "white")
    square = inside(COFFEE.crop((70, 60, 530, 350)), (500, 500))
    for upload in (tall, wide, square):
        assert OperationType.OVERLAY not in types(said(through_jpeg(upload), COFFEE))


def test_the_bars_of_the_registered_picture_itself_are_no_change() -> None:
    ours = inside(COFFEE, (600, 560))
    for upload in (ours, ours.resize((330, 308)), ImageEnhance.Contrast(ours).enhance(0.85)):
        assert OperationType.OVERLAY not in types(said(through_jpeg(upload, 50), ours))
    assert OperationType.OVERLAY not in types(said(through_jpeg(COFFEE), ours))


def test_a_flat_ground_without_its_caption_is_no_bar() -> None:
    plain = inside(CAT, (451, 420), "steelblue")
    captioned = plain.copy()
    ImageDraw.Draw(captioned).text((30, 4), "WHEN YOU SEE IT", fill="white", font_size=44)
    assert paired(through_jpeg(plain), captioned).alignment.bars == ()


def test_a_bar_that_the_picture_shines_through_is_compared_like_the_rest() -> None:
    veiled = Image.blend(CAT, barred(CAT, "bottom", "white"), 0.8)
    assert paired(through_jpeg(veiled), CAT).alignment.bars == ()
    assert types(said(through_jpeg(veiled), CAT)) != []


@pytest.mark.parametrize("width", [20, 33, 60])
def test_a_thin_bar_over_a_long_picture_is_looked_at(width: int) -> None:
    """Of a few pixels nothing can be told, and nothing fails."""
    tall = COFFEE.resize((640, 2400))
    ImageDraw.Draw(tall).rectangle((0, 0, width, tall.height), fill="black")
    said(through_jpeg(tall), COFFEE.resize((640, 2400)))
