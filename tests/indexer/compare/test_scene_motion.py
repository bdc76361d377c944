"""Another moment of one scene, and what is laid over it."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexer.compare.derivation import Derivation
from indexer.compare.scene_motion import THINGS_MOVED, found_in, inside_quad, softened
from indexer.operations import OperationType
from tests.pictures import picture
from tests.portraits import derived, through_jpeg, types_of

SIDE = 480  # px
PARTS = {OperationType.LOCAL_EDIT, OperationType.COMPOSITE, OperationType.OVERLAY}


def scene(across: int) -> Image.Image:
    """A cat that sits so far across a street, px, and a ball that rolls the other way."""
    ground = picture("coffee").resize((640, SIDE))
    thing = picture("cat").resize((240, 200))
    ground.paste(thing, (150 + across, 150))
    ball = picture("rocket").resize((90, 90))
    ground.paste(ball, (480 - across, 330))
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


def test_frames_known_to_show_one_moment_are_not_asked_whether_things_moved() -> None:
    moved, kept = np.asarray(through_jpeg(scene(8))), np.asarray(scene(0))
    still, frame = softened(moved), softened(kept)
    differs = np.abs(still - frame).max(axis=2) > 12
    assert float(found_in(frame, still)[differs].mean()) > 0.5
    painted = kept.copy()
    cv2.circle(painted, (95, 75), 35, (250, 220, 20), -1)
    laid = np.abs(softened(painted) - frame).max(axis=2) > 12
    assert float(found_in(frame, softened(painted))[laid].mean()) < 0.1


def test_the_places_of_a_quad() -> None:
    places = inside_quad(((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)), (40, 80))
    assert places[20, 40]
    assert not places[5, 40]
    assert 0.2 < places.mean() < 0.3
