"""A picture taken from a registered video, between the frames that are kept of it."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexer.compare.faces.judgement import OTHER_FRAME
from indexer.compare.vocabulary import FULL, Operation, Quad
from indexer.operations import Certainty, Degree
from indexer.training.classical_swap import open_mouth
from registry.match.footage_motion import ANOTHER_MOMENT, FootageMotion, at_one_moment
from sdk.models import Match, OperationType, Strength
from tests.persons import Place, one
from tests.pictures import encoded
from tests.portraits import astronaut, derived, through_jpeg, types_of
from tests.videos import edited, whole
from tests.world import Party, World

# What may be said of a picture that nobody edited.
HARMLESS = {OperationType.RE_ENCODED, OperationType.RESIZED}
SURE = (Strength.VERY_STRONG, Strength.STRONG)
MOMENTS_S = (0.7, 1.6, 2.05, 2.4)
Laid = Callable[[Image.Image], Image.Image]


def nodding(second: float) -> Place:
    return 245 + 9 * math.sin(6.0 * second), 142 + 12 * math.sin(9.0 * second)


def banner(image: Image.Image) -> Image.Image:
    """A banner across the lower third, the picture going on below it."""
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0.8 * image.height, image.width, 0.94 * image.height), fill=(170, 0, 0))
    draw.text((40, 0.83 * image.height), "LIVE: CAUGHT ON CAMERA", fill="white", font_size=26)
    return image


def sticker(image: Image.Image) -> Image.Image:
    """On the person's chest, which moves."""
    draw = ImageDraw.Draw(image)
    draw.ellipse((190, 240, 250, 300), fill=(250, 210, 30))
    draw.ellipse((205, 255, 215, 268), fill=(40, 30, 0))
    draw.ellipse((225, 255, 235, 268), fill=(40, 30, 0))
    return image


def test_of_two_stills_a_re_enactment_is_likely_at_most() -> None:
    found = derived(through_jpeg(open_mouth(astronaut())), astronaut())
    assert OperationType.FACE_REENACTED in types_of(found)
    said = at_one_moment(found)
    driven = [one for one in said.operations if one.type is OperationType.FACE_REENACTED]
    assert {one.certainty for one in driven} == {Certainty.LIKELY}
    assert said.uncertain == (*found.uncertain, ANOTHER_MOMENT)
    untouched = derived(through_jpeg(astronaut()), astronaut())
    assert at_one_moment(untouched) is untouched


PLACE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
SOME, NONE, ALL = np.zeros((40, 40), np.bool_), np.zeros((40, 40), np.bool_), np.ones((40, 40), np.bool_)
SOME[15:25, 15:25] = True


def done(kind: OperationType, quad: Quad | None = PLACE, **measured: float) -> Operation:
    return Operation(kind, Degree.CLEAR, "Done.", quad, quad, measured)


@pytest.mark.parametrize(
    ("motion", "operation", "is_explained"),
    [
        (FootageMotion(ALL, ALL, ALL), done(OperationType.LOCAL_EDIT), True),
        (FootageMotion(ALL, SOME, ALL), done(OperationType.LOCAL_EDIT), False),  # in no frame that is kept
        (FootageMotion(ALL, ALL, NONE), done(OperationType.LOCAL_EDIT), False),  # nothing moves there
        (FootageMotion(NONE, NONE, SOME), done(OperationType.FACE_REENACTED), True),
        (FootageMotion(NONE, NONE, NONE), done(OperationType.FACE_REENACTED), False),
        (FootageMotion(ALL, ALL, ALL), done(OperationType.FILTERED, None), False),
        (FootageMotion(ALL, ALL, ALL), done(OperationType.ROTATED, FULL, degrees=2.0), True),
        (FootageMotion(ALL, ALL, ALL), done(OperationType.ROTATED, FULL, degrees=30.0), False),
        (FootageMotion(ALL, ALL, NONE), done(OperationType.ROTATED, FULL, degrees=2.0), False),
    ],
)
def test_only_what_moves_and_is_found_is_explained(
    motion: FootageMotion, operation: Operation, is_explained: bool
) -> None:
    assert motion.explains(operation) is is_explained


def test_what_was_not_named_because_things_moved_proves_nothing() -> None:
    found = derived(through_jpeg(astronaut()), astronaut())
    assert not found.may_be_other_moment
    assert replace(found, has_unnamed_motion=True).may_be_other_moment
    [face] = found.faces
    assert replace(found, faces=(replace(face, reason=OTHER_FRAME),)).may_be_other_moment


@pytest.fixture(scope="module")
def desk(world_of_module: World) -> Party:
    desk = world_of_module.enrol("Daily Example")
    world_of_module.register(desk, edited(whole(one().walking(nodding)), crf=18), "nodding.mp4")
    return desk


def asked(desk: Party, second: float, laid: Laid | None = None) -> Match:
    shown = one().at(nodding(second))
    answer = desk.client.match(encoded(shown if laid is None else laid(shown), quality=88))
    return answer.matches[0]


@pytest.mark.parametrize("second", MOMENTS_S)
def test_a_moment_between_the_kept_frames_is_not_called_edited(desk: Party, second: float) -> None:
    match = asked(desk, second)
    assert match.record.label == "nodding.mp4"
    assert match.strength in SURE
    assert {operation.type for operation in match.operations} <= HARMLESS


@pytest.mark.parametrize("laid", [banner, sticker])
def test_what_was_laid_over_such_a_moment_is_named(desk: Party, laid: Laid) -> None:
    found = [operation for operation in asked(desk, 1.15, laid).operations if operation.region]
    kinds = {operation.type for operation in found} - HARMLESS
    assert kinds & {OperationType.OVERLAY, OperationType.LOCAL_EDIT}
    largest = max(found, key=lambda operation: operation.share or 0.0)
    assert largest.region is not None
    middle = np.asarray(largest.region.corners).mean(axis=0)
    assert middle[1] > 0.6
