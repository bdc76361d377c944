"""Says what happened to each face of a compared pair, or that it cannot be told."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from indexer.compare.changes import ChangeMap
from indexer.compare.content import both_quads, overlay_evidence_in
from indexer.compare.faces.crops import oval_mask
from indexer.compare.faces.model import EXCHANGED, MOVED, Head, shipped_heads
from indexer.compare.faces.pairs import FaceMeasures, FacePair, Points
from indexer.compare.processing import commonest_colours_share
from indexer.compare.vocabulary import Operation, as_shares, degree_of, where_in_words
from indexer.compare.warping import Mask, WarpedPair
from indexer.operations import Degree, OperationType

# A face of 48 px has about 22 between the outer corners of its eyes; below that nobody can tell who it is.
LEAST_EYE_PX = 22.0
FACE_PER_EYE = 2.2
LEAST_CONFIDENCE = 0.5
MOST_TURNED = 0.75  # sine: a profile hides half of what identity is read from
LEAST_OTHER_PERSON = 0.38  # identity distance; below it the person is the same, whatever else changed
SURE, SUSPECT = 0.5, 0.25
# Of systems left out of training: 103 of 114 re-enactments and 1 of 906 others; at 0.6 it is 106 and 1.
MOVED_SURE = 0.7
# Below this probability the mouth or the eyes themselves must look otherwise: local contrast, dithering and
# two generations of coding move landmarks a little and keep both at a correlation of 0.96 and more, while
# re-enacted mouths have 0.77 to 0.88.
MOVED_BY_ITSELF, LOOKS_OTHERWISE = 0.95, 0.93
# Logits by which a face must speak more for a change than its control does.
# The first control does what was done around the face, the second is coded as videos are, and rather more
# coarsely than less: genuine faces in coarse videos gain at most 0.9 over it, swaps of 2019 from 1.3 on.
LEAST_GAINS_EXCHANGED, LEAST_GAINS_MOVED = (2.0, 1.1), (3.5, 1.0)
LEAST_MOTION = 3.5e-3  # eye distances: less is the error of measuring it
# Share of the face that is pixel for pixel the reference's, with which something flat may lie over the
# rest, or a sticker with a picture on it.
PARTLY_KEPT, KEPT_BESIDE_STICKERS = 0.28, 0.34
# `content.overlay_evidence` in a face: pieces of pictures pasted on eyes, nose or mouth have 3.3 to 7.4,
# nearly all above 4. Exchanged faces end softly: at most 3.1 where so much is kept, 4.0 where less is. A
# mouth that was opened has up to 4.3.
STICKER_FROM, STICKER_SURELY = 3.8, 4.6
ALL_KEPT = 0.97  # share of the face: with so much, what the change map marks is the work of a filter
LEAST_OF_FACE = 0.08  # of the oval, that a region must cover to say so
LEAST_PLACES = 30  # px
FLAT, NOTHING_LEFT = 0.85, 0.45  # share of the three commonest colours; correlation
BLURRED = 0.25  # of the reference's sharpness
COVER_LEAVES = 0.75  # of the face untouched at most
PLAIN = 0.12  # of the face newly without gradient: faces have at most 0.08, covers at least 0.18
LEAST_SHOWN = 0.6  # of the oval, which the query must show
CHANGED_SHARE = 0.12  # of the face's oval, which the change map must mark for an edit


PROCESSED = "what was done to the whole picture changes an unchanged face as much"


class Change(StrEnum):
    """What is said of one face."""

    NONE = "none"
    EXCHANGED = "exchanged"
    MOVED = "moved"
    EDITED = "edited"
    COVERED = "covered"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class FaceFinding:
    """One face, what was done to it, and why that is believed."""

    pair: FacePair
    change: Change
    exchanged: float  # probability that it is another person's
    moved: float  # probability that expression, mouth or pose were changed
    changed_share: float  # of the oval that the change map marks
    reason: str | None = None  # of an uncertainty

    @property
    def is_marked_but_kept(self) -> bool:
        """Whether the change map marks the face although every pixel was kept: a filter did that."""
        measures = self.pair.measures
        return measures is not None and measures.kept >= ALL_KEPT and self.changed_share > CHANGED_SHARE

    def gain_over_controls(self, head: str) -> float:
        """Returns the logits by which the face speaks more for a change than any of its controls does.

        `head`: one of the model's. 0 where no control was made: then the face did not seem changed.
        """
        said = self.exchanged if head == EXCHANGED else self.moved
        controls = [_gain(said, control, head) for control in self.pair.controls]
        return min(controls, default=0.0)


def decide_by_measures(measures: FaceMeasures, heads: dict[str, Head] | None = None) -> Change:
    """Decides by the measures alone: without a change map an edit cannot be told from none."""
    heads = heads or shipped_heads()
    exchanged, moved = heads[EXCHANGED].probability(measures), heads[MOVED].probability(measures)
    change, _ = _decide(measures, exchanged, moved, 0.0, is_flat=False)
    return change


def is_remarkable(pair: FacePair) -> bool:
    """Whether the face seems changed, so that it must be held against a control."""
    return pair.measures is not None and decide_by_measures(pair.measures) not in (
        Change.NONE,
        Change.UNCERTAIN,
    )


def why_uncertain(measures: FaceMeasures) -> str | None:
    """Says why a face cannot be judged; None where it can."""
    face_px = FACE_PER_EYE * measures.eye_px
    if measures.eye_px < LEAST_EYE_PX:
        return f"it is only about {face_px:.0f} pixels wide"
    if measures.confidence < LEAST_CONFIDENCE:
        return "it is covered, blurred or hardly a face"
    if measures.turned > MOST_TURNED:
        return "it is seen in profile"
    return None


def is_covered(measures: FaceMeasures) -> bool:
    """Whether something covers the whole face: a flat thing, cells, or a blur that leaves no feature."""
    if measures.reference_confidence < LEAST_CONFIDENCE or measures.kept > COVER_LEAVES:
        return False
    flat = measures.flatness > FLAT and measures.inside < NOTHING_LEFT
    return flat or measures.sharpness < BLURRED or measures.plain > PLAIN


def find_face_changes(
    warped: WarpedPair, changes: ChangeMap, faces: tuple[FacePair, ...]
) -> list[FaceFinding]:
    """Returns one finding for each face of the warped pair, in the order of `faces`."""
    return [_finding(face, warped, changes) for face in faces]


def _finding(pair: FacePair, warped: WarpedPair, changes: ChangeMap) -> FaceFinding:
    shape = warped.shown.shape
    oval = oval_mask(pair.oval, (shape[0], shape[1]))
    shown = oval & changes.compared
    if shown.sum() < LEAST_SHOWN * max(1, oval.sum()):
        return FaceFinding(pair, Change.NONE, 0.0, 0.0, 0.0)  # cropped away
    marked = np.zeros(shape, np.bool_)
    for region in changes.regions:
        marked |= region.mask
    share = float(marked[shown].mean())
    measures = pair.measures
    if measures is None:
        was_there = pair.reference_box is not None and pair.confidence >= LEAST_CONFIDENCE
        covered = was_there and share > CHANGED_SHARE
        return FaceFinding(pair, Change.COVERED if covered else Change.NONE, 0.0, 0.0, share)
    heads = shipped_heads()
    exchanged, moved = heads[EXCHANGED].probability(measures), heads[MOVED].probability(measures)
    is_flat = _is_flat(oval & marked, warped)
    change, reason = _decide(measures, exchanged, moved, share, is_flat=is_flat)
    if _processing_explains(change, exchanged, moved, pair):
        change, reason = Change.UNCERTAIN, PROCESSED
    elif _is_sticker(change, _sticker_evidence(measures, oval, warped, changes), share):
        change = Change.COVERED
    return FaceFinding(pair, change, exchanged, moved, share, reason)


def _decide(
    measures: FaceMeasures, exchanged: float, moved: float, share: float, *, is_flat: bool
) -> tuple[Change, str | None]:
    """Decides in this order, so that what cannot be told comes before what is told.

    1. Covered, if something lies over the face or it can no longer be found. 2. Uncertain, if it is too
    small, too blurred or in profile. 3. Exchanged. 4. Moved, if anything moved at all. 5. Edited.
    """
    touched = share > CHANGED_SHARE and measures.kept < ALL_KEPT
    known = measures.reference_confidence >= LEAST_CONFIDENCE
    if is_covered(measures) or (touched and is_flat and measures.kept > PARTLY_KEPT):
        return Change.COVERED, None
    reason = why_uncertain(measures)
    if reason is not None and measures.confidence < LEAST_CONFIDENCE:
        if touched and known and measures.kept < COVER_LEAVES:
            return Change.COVERED, None
        return (Change.UNCERTAIN, reason) if touched else (Change.NONE, None)  # hardly a face in either
    if reason is not None:
        return Change.UNCERTAIN, reason
    if exchanged > SURE and min(measures.identity, measures.identity_in_place) > LEAST_OTHER_PERSON:
        return Change.EXCHANGED, None
    if moved > MOVED_SURE and measures.flow_inside > LEAST_MOTION:
        if moved > MOVED_BY_ITSELF or min(measures.mouth, measures.eyes) < LOOKS_OTHERWISE:
            return Change.MOVED, None
        if not touched:
            return Change.UNCERTAIN, "it moved, but by no more than processing moves a face"
    if touched and exchanged > SUSPECT:
        return Change.UNCERTAIN, "the evidence that it is another person's is not enough"
    if touched:
        return (Change.COVERED if is_flat else Change.EDITED), None
    return Change.NONE, None


def _processing_explains(change: Change, exchanged: float, moved: float, pair: FacePair) -> bool:
    """Whether what was done to the whole picture would have the same said of an unchanged face."""
    return change in TYPES and any(
        _control_says_the_same(change, exchanged, moved, control, number)
        for number, control in enumerate(pair.controls)
    )


def _control_says_the_same(
    change: Change, exchanged: float, moved: float, control: FaceMeasures | None, number: int
) -> bool:
    if change is Change.EXCHANGED:
        return _gain(exchanged, control, EXCHANGED) < LEAST_GAINS_EXCHANGED[number]
    if change is Change.MOVED:
        return _gain(moved, control, MOVED) < LEAST_GAINS_MOVED[number]
    return control is None or (change is Change.COVERED and is_covered(control))


def _gain(probability: float, control: FaceMeasures | None, head: str) -> float:
    if control is None:
        return 0.0  # it leaves nothing of an unchanged face either
    return _logit(probability) - _logit(shipped_heads()[head].probability(control))


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(bounded / (1 - bounded)))


def _is_flat(where: Mask, warped: WarpedPair) -> bool:
    return bool(where.sum() >= LEAST_PLACES) and commonest_colours_share(warped.query[where]) > FLAT


def _is_sticker(change: Change, evidence: float, share: float) -> bool:
    """Whether what seems a change of the face is a thing that lies over it."""
    if change is Change.MOVED:
        return share > CHANGED_SHARE and evidence > STICKER_SURELY
    return change in (Change.EXCHANGED, Change.EDITED) and evidence > STICKER_FROM


def _sticker_evidence(measures: FaceMeasures, oval: Mask, warped: WarpedPair, changes: ChangeMap) -> float:
    """Returns how much what changed in a face (h, w) has the edges and the light of a thing over it."""
    # Also where a filter explains the region: it does not explain that another person seems to be there.
    regions = (*changes.regions, *changes.left_by_filter)
    inside = [(region, region.mask & oval) for region in regions]
    region, where = max(inside, key=lambda one: int(one[1].sum()), default=(None, oval))
    least = max(LEAST_PLACES, LEAST_OF_FACE * float(oval.sum()))
    if region is None or where.sum() < least or measures.kept <= KEPT_BESIDE_STICKERS:
        return 0.0
    return overlay_evidence_in(region, where, warped, changes)


def face_operations(
    findings: list[FaceFinding], warped: WarpedPair, query_size: tuple[int, int]
) -> list[Operation]:
    """Returns an operation for every face that was changed, largest first."""
    return [_operation(finding, warped, query_size) for finding in findings if finding.change in TYPES]


def uncertainties(findings: list[FaceFinding], warped: WarpedPair) -> list[str]:
    """Returns a sentence for every face that cannot be judged."""
    sentences = []
    for finding in findings:
        if finding.change is Change.UNCERTAIN:
            where = where_in_words(as_shares(_corners(finding.pair), *warped.size))
            sentences.append(
                f"Whether the face {where} was replaced or changed cannot be told: {finding.reason}."
            )
    return sentences


TYPES = {
    Change.EXCHANGED: OperationType.FACE_SWAP,
    Change.MOVED: OperationType.FACE_REENACTED,
    Change.EDITED: OperationType.FACE_EDITED,
    Change.COVERED: OperationType.FACE_COVERED,
}


def _operation(finding: FaceFinding, warped: WarpedPair, query_size: tuple[int, int]) -> Operation:
    corners = _corners(finding.pair)
    (left, top), (right, bottom) = corners[0], corners[2]
    region, reference_region = both_quads((left, top, right, bottom), warped, query_size)
    kind, measures = TYPES[finding.change], finding.pair.measures
    numbers = measures.numbers() if measures else {}
    numbers |= {
        "exchanged": round(finding.exchanged, 4),
        "moved": round(finding.moved, 4),
        "changed_share": round(finding.changed_share, 4),
    }
    where = where_in_words(reference_region)
    return Operation(kind, _degree(finding), _sentence(finding, where), region, reference_region, numbers)


def _degree(finding: FaceFinding) -> Degree:
    if finding.change in (Change.EXCHANGED, Change.MOVED):
        chance = finding.exchanged if finding.change is Change.EXCHANGED else finding.moved
        return degree_of(chance, 0.8, 0.97)
    return degree_of(finding.changed_share, 0.25, 0.6)


def _sentence(finding: FaceFinding, where: str) -> str:
    if finding.change is Change.EXCHANGED:
        return (
            f"The face {where} was replaced: it is another person's, while the picture around it stayed. "
            "This is a face swap."
        )
    if finding.change is Change.MOVED:
        return f"The face {where} was re-enacted: the same person, but {_what_moved(finding)} changed."
    if finding.change is Change.COVERED:
        return f"The face {where} was covered."
    return (
        f"The face {where} was edited: the same person and expression, but not the same features or skin."
    )


def _what_moved(finding: FaceFinding) -> str:
    measures = finding.pair.measures
    assert measures is not None, "only measured faces have moved"
    parts = []
    if measures.pose > 0.06:
        parts.append("the pose of the head")
    if measures.mouth < measures.eyes - 0.03 or measures.opening > 0.03:
        parts.append("the mouth")
    if measures.eyes < measures.mouth - 0.03 or measures.lids > 0.02:
        parts.append("the eyes")
    return " and ".join(parts) if parts else "the expression"


def _corners(pair: FacePair) -> Points:
    """Returns (4, 2): the box around the face's outline."""
    (left, top), (right, bottom) = pair.oval.min(axis=0), pair.oval.max(axis=0)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
