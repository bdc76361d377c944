"""A close-up shows one place of both pictures, enlarged and at the same place of the frame."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexer.compare.changes import find_changes
from indexer.compare.close_ups import LONG_SIDE, MOST_ENLARGED, CloseUp, close_up, has_close_up
from indexer.compare.geometry import Matrix
from indexer.compare.processing import estimate_processing
from indexer.compare.rendering import comparison_sheet
from indexer.compare.vocabulary import FULL, Frame, Operation, Quad, size_in_words, to_outline
from indexer.compare.warping import WarpedPair
from indexer.operations import Degree, OperationType
from tests.pictures import picture

WIDTH, HEIGHT = 900, 600
PLACE = (610, 410, 640, 440)  # px


def region_of(left: float, top: float, right: float, bottom: float) -> Quad:
    x, y = (left / (WIDTH - 1), right / (WIDTH - 1)), (top / (HEIGHT - 1), bottom / (HEIGHT - 1))
    return ((x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1]))


def marked(colour: str) -> Image.Image:
    """Returns a photograph with a square of a colour in one place."""
    made = picture("coffee").resize((WIDTH, HEIGHT))
    ImageDraw.Draw(made).rectangle(PLACE, fill=colour)
    return made


def taken(query: Image.Image, homography: Matrix) -> CloseUp:
    return close_up(np.asarray(query), np.asarray(marked("#00ff00")), homography, region_of(*PLACE))


def box_of(pixels: np.ndarray, channel: int) -> tuple[int, int, int, int]:
    """Returns where a channel stands out."""
    others = pixels[..., [one for one in range(3) if one != channel]].astype(int).max(axis=2)
    y, x = np.nonzero((pixels[..., channel] > 200) & (others < 60))
    return int(x.min()), int(y.min()), int(x.max()), int(y.max())


@pytest.mark.parametrize("factor", [1.0, 0.5, 1.7])
def test_both_show_the_same_place_enlarged(factor: float) -> None:
    size = round(factor * WIDTH), round(factor * HEIGHT)
    query = marked("#0000ff").resize(size, Image.Resampling.LANCZOS)
    scale = np.diag([WIDTH / size[0], HEIGHT / size[1], 1.0])
    scale[:2, 2] = (scale[0, 0] - 1) / 2, (scale[1, 1] - 1) / 2
    shown = taken(query, scale)
    assert shown.reference.shape == shown.query.shape
    assert max(shown.reference.shape[:2]) == LONG_SIDE
    green, blue = box_of(shown.reference, 1), box_of(shown.query, 2)
    assert np.abs(np.subtract(green, blue)).max() <= 8  # two pixels of the smaller picture
    assert green[2] - green[0] > 60  # of the 31 pixels that it has
    height, width = shown.reference.shape[:2]
    left, top = (share * side for share, side in zip(shown.region[0], (width, height), strict=True))
    right, bottom = (share * side for share, side in zip(shown.region[2], (width, height), strict=True))
    assert left < green[0] < green[2] < right
    assert top < green[1] < green[3] < bottom


def test_a_mirrored_upload_is_shown_as_the_registered_picture_lies() -> None:
    query = marked("#0000ff").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored = np.array([[-1, 0, WIDTH - 1], [0, 1, 0], [0, 0, 1]], np.float64)
    shown = taken(query, mirrored)
    assert np.abs(np.subtract(box_of(shown.reference, 1), box_of(shown.query, 2))).max() <= 2


def test_a_tiny_place_is_not_enlarged_beyond_what_shows_something() -> None:
    reference = np.asarray(picture("coffee").resize((60, 40)))
    quad: Quad = ((0.5, 0.5), (0.52, 0.5), (0.52, 0.52), (0.5, 0.52))
    shown = close_up(reference, reference, np.eye(3), quad)
    assert max(shown.reference.shape[:2]) <= MOST_ENLARGED * 60
    assert shown.reference.shape[1] <= LONG_SIDE


@pytest.mark.parametrize(
    "quad",
    [
        region_of(0, 0, 4, 4),
        region_of(WIDTH - 3, HEIGHT - 3, WIDTH - 1, HEIGHT - 1),
        region_of(0, 0, WIDTH - 1, 20),
        region_of(10, 0, 14, HEIGHT - 1),
        FULL,
        ((0.5, 0.5),) * 4,
    ],
)
def test_a_place_at_the_edge_stays_inside_the_picture(quad: Quad) -> None:
    reference = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    shown = close_up(reference, reference, np.eye(3), quad)
    assert shown.reference.min() == 200, "nothing beyond the edge is shown"


def test_of_a_narrow_picture_the_close_ups_are_shown_whole() -> None:
    narrow = np.full((512, 110, 3), 200, np.uint8)
    shown = np.ones(narrow.shape[:2], np.bool_)
    pair = WarpedPair(narrow, narrow, shown, np.eye(3), 1.0, 1.0)
    changes = find_changes(pair, estimate_processing(pair))
    place = np.zeros((200, LONG_SIDE, 3), np.uint8)
    place[:, -20:] = (0, 255, 0)
    words = "Local edit, clear: a part of it was edited."
    sheet = comparison_sheet(pair, changes, (), ("a", "b", "c"), [(words, CloseUp(place, place, FULL))])
    green = (np.asarray(sheet) == (0, 255, 0)).all(axis=2).any(axis=0)
    assert green.sum() >= 2 * 15, "the right edges of both"


def test_what_concerns_the_whole_picture_has_no_close_up() -> None:
    part = region_of(*PLACE)
    for kind, quad, expected in (
        (OperationType.LOCAL_EDIT, part, True),
        (OperationType.FACE_SWAP, part, True),
        (OperationType.LOCAL_EDIT, None, False),
        (OperationType.COMPOSITE, FULL, False),
        (OperationType.CROPPED, part, False),
        (OperationType.COLOUR, None, False),
    ):
        assert has_close_up(Operation(kind, Degree.CLEAR, "", reference_region=quad)) is expected


def test_sizes_are_said_in_pixels_where_a_percentage_says_nothing() -> None:
    frame = Frame(WIDTH, HEIGHT)
    assert size_in_words(region_of(*PLACE), frame) == "31 by 31 pixels of 900 by 600"
    assert size_in_words(region_of(0, 0, 450, 300), frame) == "25 % of the picture"


def test_an_outline_does_not_cover_a_small_region() -> None:
    small, large = region_of(*PLACE), region_of(100, 100, 400, 300)
    assert to_outline(large) == large
    grown = to_outline(small)
    assert grown[0][0] < small[0][0]
    assert grown[2][1] > small[2][1]
    assert to_outline(region_of(0, 0, 3, 3))[0] == (0.0, 0.0)
