"""Tells that a whole person was replaced: head and body are somebody else's, the surroundings stayed.

A face swap keeps hair, neck and clothes. Where a face is another person's, and the change goes on from it
over what is below it while the rest of the picture stays, the whole person is another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from indexer.compare.changes import ChangeMap
from indexer.compare.content import both_quads
from indexer.compare.faces.crops import oval_mask
from indexer.compare.faces.findings import FaceFinding, certainty_of_face
from indexer.compare.faces.judgement import Change
from indexer.compare.faces.pairs import FacePair
from indexer.compare.vocabulary import Operation, certainty_of, degree_of, where_in_words
from indexer.compare.warping import Mask, WarpedPair
from indexer.operations import OperationType

# In sizes of the face's box, below its chin: shoulders and chest.
BODY_WIDTH, BODY_HEIGHT = 2.0, 1.5
LEAST_BODY_SHOWN = 0.5  # of that, within the frame: of a head alone nobody can tell
FACE_CHANGED, BODY_CHANGED = 0.6, 0.6
VERY_LIKELY_FROM = 0.8  # of both
# In widths and heights of the face's box: how far a person may reach to each side of the middle and above
# the face; below it to the end of the picture.
REACH_ASIDE, REACH_ABOVE = 2.5, 1.0
MOST_CHANGED_AROUND = 0.25  # of what is shown beyond that: with more, the surroundings did not stay


@dataclass(frozen=True)
class ReplacedPerson:
    """One person in whose place another one is shown."""

    face: FaceFinding
    mask: Mask  # (h, w): what changed within the reach of a person
    box: tuple[int, int, int, int]  # left, top, right, bottom of that
    share: float  # of the picture
    least_changed: float  # share of the face, or of the body if less of it, that changed


def find_replaced_persons(changes: ChangeMap, faces: Sequence[FaceFinding]) -> list[ReplacedPerson]:
    """Returns the persons that were replaced from head to body, in the order of `faces`."""
    # A face that is covered, small or seen in profile tells nobody who it is.
    found = [_replaced(finding, changes) for finding in faces if finding.change is Change.EXCHANGED]
    return [person for person in found if person is not None]


def _replaced(finding: FaceFinding, changes: ChangeMap) -> ReplacedPerson | None:
    shape = changes.compared.shape
    face = oval_mask(finding.pair.oval, (shape[0], shape[1])) & changes.compared
    body, full_area = _body(finding.pair, shape)
    body &= changes.compared
    if not face.any() or body.sum() < LEAST_BODY_SHOWN * full_area:
        return None
    changed = np.zeros(shape, np.bool_)
    for region in changes.regions:
        changed |= region.mask
    of_face, of_body = float(changed[face].mean()), float(changed[body].mean())
    if of_face < FACE_CHANGED or of_body < BODY_CHANGED:
        return None
    within = _reach(finding.pair, shape)
    around = changes.compared & ~within
    if around.any() and changed[around].mean() > MOST_CHANGED_AROUND:
        return None
    mask = np.asarray(changed & within, np.bool_)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return ReplacedPerson(finding, mask, box, float(mask.mean()), min(of_face, of_body))


def _reach(pair: FacePair, shape: tuple[int, ...]) -> Mask:
    """Returns (h, w): where the person of a face may be seen."""
    box = pair.reference_box
    assert box is not None, "an exchanged face is one in both pictures"
    middle = (box.left + box.right) / 2
    left, right = (round(middle + side * REACH_ASIDE * box.width) for side in (-1, 1))
    mask = np.zeros(shape, np.bool_)
    mask[max(0, round(box.top - REACH_ABOVE * box.height)) :, max(0, left) : max(0, right)] = True
    return mask


def _body(pair: FacePair, shape: tuple[int, ...]) -> tuple[Mask, float]:
    """Returns (h, w): shoulders and chest below the face, and their size in px, also out of the frame."""
    box = pair.reference_box
    assert box is not None, "an exchanged face is one in both pictures"
    middle = (box.left + box.right) / 2
    chin = float(pair.oval[:, 1].max())
    left, right = middle - BODY_WIDTH / 2 * box.width, middle + BODY_WIDTH / 2 * box.width
    bottom = chin + BODY_HEIGHT * box.height
    mask = np.zeros(shape, np.uint8)
    corners = np.array([[left, bottom], [right, bottom], [right, chin], [left, chin]])
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], (1,))
    return mask > 0, (right - left) * (bottom - chin)


def person_operations(
    persons: Sequence[ReplacedPerson], warped: WarpedPair, query_size: tuple[int, int]
) -> list[Operation]:
    """Returns an operation for every person."""
    return [_operation(person, warped, query_size) for person in persons]


def _operation(person: ReplacedPerson, warped: WarpedPair, query_size: tuple[int, int]) -> Operation:
    region, reference_region = both_quads(person.box, warped, query_size)
    sentence = (
        f"The person {where_in_words(reference_region)} was replaced: from head to body somebody else is "
        "shown, while the surroundings stayed."
    )
    measures = person.face.pair.measures
    numbers = measures.numbers() if measures else {}
    numbers["share"] = round(person.share, 4)
    degree = degree_of(person.face.exchanged, 0.5, 0.9)
    return Operation(
        OperationType.PERSON_REPLACED,
        degree,
        sentence,
        region,
        reference_region,
        numbers,
        certainty=min(
            certainty_of(person.least_changed, VERY_LIKELY_FROM),
            certainty_of_face(person.face),
            key=lambda certainty: certainty.rank,
        ),
    )
