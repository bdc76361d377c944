"""Finds what happened to each face of a compared pair, and says it as operations and sentences."""

from dataclasses import dataclass, replace

import numpy as np

from indexer.compare.changes import ChangeMap
from indexer.compare.content import both_quads, overlay_evidence_in
from indexer.compare.faces.crops import oval_mask
from indexer.compare.faces.judgement import (
    ALL_KEPT,
    CHANGED_SHARE,
    FLAT,
    KEPT_BESIDE_STICKERS,
    LEAST_CONFIDENCE,
    LEAST_GAINS_EXCHANGED,
    LEAST_GAINS_MOVED,
    Change,
    FaceEvidence,
    gain_over,
    judge,
    seems_other_person,
    surely_covered,
    why_uncertain,
)
from indexer.compare.faces.model import EXCHANGED, MOVED, shipped_heads
from indexer.compare.faces.pairs import FaceMeasures, FacePair, Points
from indexer.compare.processing import commonest_colours_share
from indexer.compare.vocabulary import Operation, as_shares, certainty_of, degree_of, where_in_words
from indexer.compare.warping import Mask, WarpedPair
from indexer.operations import Certainty, Degree, OperationType

LEAST_SHOWN = 0.6  # of the oval, which the query must show
LEAST_OF_FACE = 0.08  # of the oval, that a changed region must cover to be looked at as a sticker
LEAST_PLACES = 30  # px
# Probability of a change, and logits beyond what is asked over every control, from which on it is very
# likely.
VERY_LIKELY_FROM, FAR_BEYOND_CONTROLS = 0.95, 1.0


@dataclass(frozen=True)
class FaceFinding:
    """One face, what was done to it, and why that is believed."""

    pair: FacePair
    change: Change
    exchanged: float  # probability that it is another person's
    moved: float  # probability that expression, mouth or pose were changed
    changed_share: float  # of the oval that the change map marks
    reason: str | None = None  # of an uncertainty
    evidence: FaceEvidence | None = None  # None where one of the two shows no face, or hides its place

    @property
    def is_unreadable(self) -> bool:
        """Whether it was left uncertain because too little is seen of it, or it is hardly a face."""
        return (
            self.change is Change.UNCERTAIN
            and self.evidence is not None
            and why_uncertain(self.evidence.measures) is not None
        )

    @property
    def may_be_changed(self) -> bool:
        """Whether it seems changed, and what speaks against that is no proof that it was not."""
        measures = self.pair.measures
        if measures is None or self.change is not Change.UNCERTAIN or self.is_marked_but_kept:
            return False
        is_other = seems_other_person(measures, self.exchanged)
        return is_other or not self.is_unreadable or self.changed_share > CHANGED_SHARE

    def is_far_beyond_controls(self, head: str) -> bool:
        """Whether it speaks far more for a change than is asked beyond each control; never without one."""
        said = self.exchanged if head == EXCHANGED else self.moved
        least = LEAST_GAINS_EXCHANGED if head == EXCHANGED else LEAST_GAINS_MOVED
        shipped = shipped_heads()[head]
        return bool(self.pair.controls) and all(
            gain_over(said, control, shipped) >= asked + FAR_BEYOND_CONTROLS
            for control, asked in zip(self.pair.controls, least, strict=False)
        )

    @property
    def is_marked_but_kept(self) -> bool:
        """Whether the change map marks the face although every pixel was kept: a filter did that."""
        measures = self.pair.measures
        return measures is not None and measures.kept >= ALL_KEPT and self.changed_share > CHANGED_SHARE

    def gain_over_controls(self, head: str) -> float:
        """Returns the logits by which the face speaks more for a change than any of its controls does.

        `head`: one of the model's. 0 where no control was made: the face did not seem changed, or too
        little is shown around it.
        """
        said = self.exchanged if head == EXCHANGED else self.moved
        shipped = shipped_heads()[head]
        controls = [gain_over(said, control, shipped) for control in self.pair.controls]
        return min(controls, default=0.0)


def find_face_changes(
    warped: WarpedPair,
    changes: ChangeMap,
    faces: tuple[FacePair, ...],
    *,
    same_moment: bool = False,
    in_footage: bool = False,
) -> list[FaceFinding]:
    """Returns one finding for each face of the warped pair, in the order of `faces`.

    `same_moment`: both are frames, of one moment; `in_footage`: the reference is a frame of a video.
    """
    if same_moment:  # how a head moved says nothing then
        faces = tuple(replace(face, head_motion=None) for face in faces)
    in_footage = in_footage or same_moment
    return [_finding(face, warped, changes, in_footage=in_footage) for face in faces]


def _finding(pair: FacePair, warped: WarpedPair, changes: ChangeMap, *, in_footage: bool) -> FaceFinding:
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
    is_flat = _is_flat(oval & marked, warped)
    sticker = _sticker_evidence(measures, oval, warped, changes)
    evidence = FaceEvidence(measures, pair.controls, share, is_flat, sticker, pair.head_motion)
    said = judge(evidence, in_footage=in_footage)
    return FaceFinding(pair, said.change, said.exchanged, said.moved, share, said.reason, evidence)


def _is_flat(where: Mask, warped: WarpedPair) -> bool:
    return bool(where.sum() >= LEAST_PLACES) and commonest_colours_share(warped.query[where]) > FLAT


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
    return Operation(
        kind,
        _degree(finding),
        _sentence(finding, where),
        region,
        reference_region,
        numbers,
        certainty=certainty_of_face(finding),
    )


def _degree(finding: FaceFinding) -> Degree:
    if finding.change in (Change.EXCHANGED, Change.MOVED):
        chance = finding.exchanged if finding.change is Change.EXCHANGED else finding.moved
        return degree_of(chance, 0.8, 0.97)
    return degree_of(finding.changed_share, 0.25, 0.6)


def certainty_of_face(finding: FaceFinding) -> Certainty:
    """How sure a change is: by its probability and what controls leave of it, else by how much it takes."""
    if finding.change in (Change.EXCHANGED, Change.MOVED):
        head = EXCHANGED if finding.change is Change.EXCHANGED else MOVED
        chance = finding.exchanged if head == EXCHANGED else finding.moved
        return certainty_of(chance if finding.is_far_beyond_controls(head) else 0.0, VERY_LIKELY_FROM)
    known = finding.evidence
    if finding.change is Change.COVERED and known is not None and surely_covered(known):
        return Certainty.VERY_LIKELY
    return certainty_of(finding.changed_share, 2 * CHANGED_SHARE)


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
