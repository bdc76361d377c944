"""Tells that a whole person was replaced: head and body are somebody else's, the surroundings stayed.

A face swap keeps hair, neck and clothes. Where both pictures show a face in one place, and the change goes
on from it over what is below it, the picture shows another person there; what was done to the face alone
says nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from indexer.compare.changes import ChangeMap
from indexer.compare.content import both_quads
from indexer.compare.faces.crops import oval_mask
from indexer.compare.faces.findings import LEAST_OTHER_PERSON, Change, FaceFinding, why_uncertain
from indexer.compare.faces.pairs import FacePair
from indexer.compare.vocabulary import Operation, degree_of, where_in_words
from indexer.compare.warping import Mask, WarpedPair
from indexer.operations import OperationType

# In sizes of the face's box, below its chin: shoulders and chest.
BODY_WIDTH, BODY_HEIGHT = 2.0, 1.5
LEAST_BODY_SHOWN = 0.5  # of that, within the frame: of a head alone nobody can tell
FACE_CHANGED, BODY_CHANGED = 0.6, 0.6
MOST_OF_THE_PICTURE = 0.7  # changed: with less left, nothing tells that the surroundings stayed


@dataclass(frozen=True)
class ReplacedPerson:
    """One person in whose place another one is shown."""

    face: FaceFinding
    mask: Mask  # (h, w): the regions that changed
    box: tuple[int, int, int, int]  # left, top, right, bottom of these
    share: float  # of the picture


def find_replaced_persons(changes: ChangeMap, faces: Sequence[FaceFinding]) -> list[ReplacedPerson]:
    """Returns the persons that were replaced from head to body, in the order of `faces`."""
    if sum(region.share for region in changes.regions) > MOST_OF_THE_PICTURE:
        return []
    found = [_replaced(finding, changes) for finding in faces if _may_be_another(finding)]
    return [person for person in found if person is not None]


def _may_be_another(finding: FaceFinding) -> bool:
    """Whether both pictures show a face there, and it is not known to be one person's."""
    pair, measures = finding.pair, finding.pair.measures
    if finding.change is Change.NONE or pair.reference_box is None or pair.query_box is None:
        return False
    if measures is None or why_uncertain(measures) is not None:
        return True
    return min(measures.identity, measures.identity_in_place) > LEAST_OTHER_PERSON


def _replaced(finding: FaceFinding, changes: ChangeMap) -> ReplacedPerson | None:
    shape = changes.compared.shape
    face = oval_mask(finding.pair.oval, (shape[0], shape[1])) & changes.compared
    body, full_area = _body(finding.pair, shape)
    body &= changes.compared
    if not face.any() or body.sum() < LEAST_BODY_SHOWN * full_area:
        return None
    touching = [region for region in changes.regions if region.mask[face].any() or region.mask[body].any()]
    if not touching:
        return None
    mask = np.asarray(np.any([region.mask for region in touching], axis=0), np.bool_)
    if mask[face].mean() < FACE_CHANGED or mask[body].mean() < BODY_CHANGED:
        return None
    box = (
        min(region.left for region in touching),
        min(region.top for region in touching),
        max(region.right for region in touching),
        max(region.bottom for region in touching),
    )
    return ReplacedPerson(finding, mask, box, float(mask.mean()))


def _body(pair: FacePair, shape: tuple[int, ...]) -> tuple[Mask, float]:
    """Returns (h, w): shoulders and chest below the face, and their size in px, also out of the frame."""
    box = pair.reference_box
    assert box is not None
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
    return Operation(OperationType.PERSON_REPLACED, degree, sentence, region, reference_region, numbers)
