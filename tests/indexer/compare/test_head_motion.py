"""Another frame of the same footage is told from a face that was made to move by what is around it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from indexer.compare.faces.detection import find_faces
from indexer.compare.faces.head_motion import HeadMotion, head_motion
from indexer.compare.faces.judgement import (
    KEPT_ON_THE_WAY,
    MOVED_AROUND,
    OTHER_FRAME,
    Change,
    FaceEvidence,
    judge,
)
from indexer.compare.faces.landmarks import OVAL, landmarks_of
from indexer.compare.faces.pairs import FaceMeasures
from indexer.compare.warping import WarpedPair
from indexer.media.images import Pixels
from tests.portraits import astronaut, pixels

HEAD, FACE = ((226, 140), (88, 120)), ((226, 130), (30, 40))  # middle and half axes of ellipses, px
NOTHING = dict.fromkeys(FaceMeasures.__annotations__, 0.0)
# What a face has that was made to speak, and one that is another person's.
DRIVEN = FaceMeasures(
    **NOTHING
    | dict.fromkeys(("confidence", "reference_confidence", "sharpness", "around", "fine_around"), 1.0)
    | {"eye_px": 60.0, "inside": 0.8, "mouth": 0.5, "eyes": 0.7, "inside_moved": 0.97, "kept": 0.1}
    | {"identity": 0.25, "identity_in_place": 0.25, "flow_inside": 0.05, "lips": 0.1, "opening": 0.15}
    | {"pose": 0.05}
)
ANOTHER = replace(DRIVEN, identity=0.5, identity_in_place=0.5)


def moved(picture: Pixels, part: tuple[tuple[int, int], tuple[int, int]], *, drawn: bool = False) -> Pixels:
    """Returns the picture with a part 5 px further on; `drawn`: no sharper than at a third of its size."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, part[0], part[1], 0, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), 3)[..., None]
    shifted = cv2.warpAffine(picture, np.array([[1.0, 0, 4], [0, 1.0, 3]]), (width, height))
    if drawn:
        small = cv2.resize(shifted, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
        shifted = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((soft * shifted + (1 - soft) * picture).round(), np.uint8)


def motion(query: Pixels) -> HeadMotion:
    reference = pixels(astronaut())
    ovals = [landmarks_of(one, find_faces(one)[0]).points[list(OVAL)] for one in (reference, query)]
    shown = np.ones(reference.shape[:2], np.bool_)
    measured = head_motion(WarpedPair(query, reference, shown, np.eye(3), 1.0, 1.0), *ovals)
    assert measured is not None
    return measured


def test_a_head_that_moved_keeps_its_finest_detail() -> None:
    measured = motion(moved(pixels(astronaut()), HEAD))
    assert measured.around > MOVED_AROUND
    assert measured.fine_followed > KEPT_ON_THE_WAY


def test_a_head_that_was_drawn_anew_does_not() -> None:
    measured = motion(moved(pixels(astronaut()), HEAD, drawn=True))
    assert measured.around > MOVED_AROUND
    assert measured.fine_followed < KEPT_ON_THE_WAY


def test_a_face_that_was_made_to_move_leaves_the_rest_where_it_was() -> None:
    assert motion(moved(pixels(astronaut()), FACE)).around < MOVED_AROUND


def test_nothing_is_said_where_little_is_shown_around_the_face() -> None:
    reference = pixels(astronaut())
    oval = landmarks_of(reference, find_faces(reference)[0]).points[list(OVAL)]
    left, top = oval.min(axis=0).astype(int)
    right, bottom = oval.max(axis=0).astype(int)
    shown = np.zeros(reference.shape[:2], np.bool_)
    shown[top:bottom, left:right] = True
    pair = WarpedPair(reference, reference, shown, np.eye(3), 1.0, 1.0)
    assert head_motion(pair, oval, oval) is None


def evidence(measures: FaceMeasures, around: HeadMotion | None) -> FaceEvidence:
    return FaceEvidence(measures, (), 0.3, is_flat=False, sticker=0.0, head_motion=around)


@pytest.mark.parametrize(
    ("around", "change"),
    [
        (HeadMotion(0.0, 0.95), Change.MOVED),  # only the face moved
        (HeadMotion(0.05, 0.7), Change.MOVED),  # the head moved, and was drawn
        (HeadMotion(0.05, 0.95), Change.UNCERTAIN),  # the head moved
        (HeadMotion(0.2, 0.95), Change.MOVED),  # but for the face, which kept its place
        (None, Change.MOVED),
    ],
)
def test_another_frame_of_the_same_footage_is_no_re_enactment(
    around: HeadMotion | None, change: Change
) -> None:
    said = judge(evidence(DRIVEN, around))
    assert said.change is change
    assert (said.reason == OTHER_FRAME) == (change is Change.UNCERTAIN)


def test_another_person_in_another_frame_must_be_clearly_another() -> None:
    moved_head = HeadMotion(0.05, 0.95)
    assert judge(evidence(ANOTHER, HeadMotion(0.0, 0.95))).change is Change.EXCHANGED
    assert judge(evidence(ANOTHER, moved_head)).reason == OTHER_FRAME
    clearly = replace(ANOTHER, identity=0.8, identity_in_place=0.8)
    assert judge(evidence(clearly, moved_head)).change is Change.EXCHANGED


def test_who_somebody_is_is_not_told_from_a_head_that_turned_far() -> None:
    coarse = HeadMotion(0.05, 0.7)
    assert judge(evidence(ANOTHER, coarse)).change is Change.EXCHANGED
    turned = replace(ANOTHER, pose=0.4)
    assert judge(evidence(turned, coarse)).reason == OTHER_FRAME
    assert (
        judge(evidence(turned, None)).change is Change.EXCHANGED
    )  # a face pasted elsewhere on a still head


def test_a_sticker_on_a_head_that_moved_is_still_one() -> None:
    stuck = replace(evidence(ANOTHER, HeadMotion(0.05, 0.95)), sticker=5.0)
    assert judge(stuck).change is Change.COVERED


def test_a_caption_beside_the_face_is_no_motion() -> None:
    reference = pixels(astronaut())
    written = reference.copy()
    for row in range(6):
        cv2.putText(written, "WHO IS THIS?", (110, 60 + 36 * row), 0, 1.1, (255, 255, 255), 3)
    clear = np.zeros(reference.shape[:2], np.uint8)
    cv2.ellipse(clear, FACE[0], (38, 50), 0, 0, 360, 1, -1)
    written = np.where(clear[..., None] > 0, reference, written)
    oval = landmarks_of(reference, find_faces(reference)[0]).points[list(OVAL)]
    shown = np.ones(reference.shape[:2], np.bool_)
    measured = head_motion(WarpedPair(written, reference, shown, np.eye(3), 1.0, 1.0), oval, oval)
    assert measured is None or measured.around < MOVED_AROUND
