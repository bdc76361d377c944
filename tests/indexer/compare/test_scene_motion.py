"""Another moment of one scene, and what is laid over it."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.derivation import Derivation, derive
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.scene_motion import THINGS_MOVED, found_in, inside_quad, softened
from indexer.compare.vocabulary import Frame
from indexer.operations import OperationType
from tests.pictures import picture
from tests.portraits import derived, pixels, through_jpeg, types_of

SIDE = 480  # px
PARTS = {OperationType.LOCAL_EDIT, OperationType.COMPOSITE, OperationType.OVERLAY}


def scene(across: int) -> Image.Image:
    """Two things on a table, which moved so far, px, in opposite directions."""
    ground = picture("coffee").resize((640, SIDE))
    ground.paste(picture("hubble").resize((210, 190)), (150 + across, 120))
    ground.paste(picture("rocket").resize((210, 190)), (400 - across, 270))
    return ground


def with_sticker(image: Image.Image) -> Image.Image:
    image = image.copy()
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 40, 130, 110), fill=(250, 220, 20))
    draw.ellipse((78, 62, 90, 80), fill=(20, 20, 20))
    draw.ellipse((100, 62, 112, 80), fill=(20, 20, 20))
    return image


def parts_of(found: Derivation) -> set[OperationType]:
    return types_of(found) & PARTS


@pytest.mark.parametrize("across", [8, 14])
def test_what_moved_is_not_called_edited(across: int) -> None:
    found = derived(through_jpeg(scene(across)), scene(0))
    assert not parts_of(found)
    assert found.may_be_other_moment
    assert THINGS_MOVED in found.uncertain


def test_what_is_laid_over_another_moment_is_named() -> None:
    found = derived(through_jpeg(with_sticker(scene(8))), scene(0))
    assert parts_of(found) == {OperationType.OVERLAY}


@pytest.mark.parametrize("edit", [with_sticker, lambda image: image])
def test_a_copy_shows_the_same_moment(edit: object) -> None:
    assert callable(edit)
    found = derived(through_jpeg(edit(scene(0)), 40), scene(0))
    assert not found.may_be_other_moment
    assert THINGS_MOVED not in found.uncertain
    assert parts_of(found) == ({OperationType.OVERLAY} if edit is with_sticker else set())


def test_what_moved_is_found_elsewhere_and_what_is_painted_is_not() -> None:
    moved, kept = np.asarray(through_jpeg(scene(8))), np.asarray(scene(0))
    still, frame = softened(moved), softened(kept)
    differs = np.abs(still - frame).max(axis=2) > 12
    assert float(found_in(frame, still)[differs].mean()) > 0.5
    painted = kept.copy()
    cv2.circle(painted, (95, 75), 35, (250, 220, 20), -1)
    laid = np.abs(softened(painted) - frame).max(axis=2) > 12
    assert float(found_in(frame, softened(painted))[laid].mean()) < 0.1


def test_frames_known_to_show_one_moment_are_not_asked_whether_things_moved() -> None:
    ours, theirs = pixels(through_jpeg(scene(8))), pixels(scene(0))
    alignment = align(extract_features(ours), extract_features(theirs))
    assert alignment is not None
    frame, pair = Frame(640, SIDE), AlignedPair(ours, theirs, alignment)
    found = derive(pair, frame, frame, with_faces=False, same_moment=True)
    assert THINGS_MOVED not in found.uncertain
    assert parts_of(found)
    assert not parts_of(derive(pair, frame, frame, with_faces=False))


@pytest.mark.parametrize("lines", [6, 12])
@pytest.mark.parametrize("word", ["EUR 9100.00", "not EUR 100.00"])
def test_a_word_that_moves_the_rest_of_its_line_is_an_edit(lines: int, word: str) -> None:
    def page(third: str) -> Image.Image:
        paper = Image.new("RGB", (620, 800), "white")
        for line in range(lines):
            said = f"Line {line}: the sum to be paid is {third if line == 2 else 'EUR 100.00'} until Friday"
            ImageDraw.Draw(paper).text((40, 40 + line * (720 // lines)), said, fill="black", font_size=20)
        return paper

    found = derived(through_jpeg(page(word)), page("EUR 100.00"))
    assert parts_of(found)
    assert not found.may_be_other_moment


def pushed(image: Image.Image) -> Image.Image:
    """One place pushed aside, as somebody is made slimmer."""
    width, height = image.size
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    step = 0.022 * width * np.exp(-(((x / width - 0.7) / 0.12) ** 2) - ((y / height - 0.5) / 0.12) ** 2)
    moved = cv2.remap(np.asarray(image), (x - step).astype(np.float32), y, cv2.INTER_LINEAR)
    return Image.fromarray(moved)


def test_a_push_in_one_place_hides_no_edit_elsewhere() -> None:
    coffee = picture("coffee")
    patched = coffee.copy()
    patched.paste(coffee.crop((400, 40, 520, 140)), (60, 220))
    found = derived(through_jpeg(pushed(patched)), coffee)
    assert parts_of(found)
    assert not found.may_be_other_moment


def test_what_no_camera_does_is_said_of_another_moment_too() -> None:
    grey = derived(through_jpeg(scene(8).convert("L").convert("RGB")), scene(0))
    assert grey.may_be_other_moment
    assert OperationType.COLOUR in types_of(grey)
    cropped = derived(through_jpeg(scene(8).crop((140, 110, 500, 430))), scene(0))
    assert cropped.may_be_other_moment
    assert OperationType.CROPPED in types_of(cropped)


def test_the_places_of_a_quad() -> None:
    places = inside_quad(((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)), (40, 80))
    assert places[20, 40]
    assert not places[5, 40]
    assert 0.2 < places.mean() < 0.3
