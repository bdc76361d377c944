"""Judges one face on its evidence: what happened to it, or that it cannot be told. Pure functions."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from indexer.compare.faces.head_motion import HeadMotion
from indexer.compare.faces.model import EXCHANGED, MOVED, Head, shipped_heads
from indexer.compare.faces.pairs import FaceMeasures, FacePair

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
# two generations of coding move landmarks a little and nearly all keep both at a correlation of 0.97 and
# more. Driven mouths have 0.77 to 0.97.
MOVED_BY_ITSELF, LOOKS_OTHERWISE = 0.95, 0.97
LOOKS_OTHERWISE_IN_FOOTAGE = 0.93  # between two frames so little moves by itself
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
FLAT, NOTHING_LEFT = 0.85, 0.45  # share of the three commonest colours; correlation
BLURRED = 0.25  # of the reference's sharpness
COVER_LEAVES = 0.75  # of the face untouched at most
PLAIN = 0.12  # of the face newly without gradient: faces have at most 0.08, covers at least 0.18
CHANGED_SHARE = 0.12  # of the face's oval, which the change map must mark for an edit
PROCESSED = "what was done to the whole picture changes an unchanged face as much"
# Share of the face's longer side by which a quarter of what is around it moved: 0.003 to 0.010 where
# NeuralTextures drives a mouth, whose coding leaves 0.72 to 0.83 of the finest detail there; of 32 pairs of
# frames of one video that seemed re-enacted or swapped 23 have more than 0.007.
MOVED_AROUND = 0.007
# Correlation of its finest detail once motion is followed: 0.83 to 0.96 in frames of one video, 0.60 to
# 0.80 where SadTalker drew hair and neck, but for portraits of few colours (0.83 to 0.96).
KEPT_ON_THE_WAY = 0.81
# Motion around the face (its longer sides) over the pose (eye distances): 0.2 to 1.9 in all but one of 21
# such pairs of frames; 2.3 to 3.9 where a face keeps its place and the head around it is drawn.
MOST_BESIDE_POSE = 2.0
OTHER_FRAME = "what is around it moved with it, as it does from one frame of a recording to another"
# Identity distance, below which a head that moved so may be the same person's: 0.41 to 0.55 where another
# frame of one video seemed another person's. Of a head that is held far otherwise (in eye distances: 0.13
# at most in 522 swaps, 0.14 to 1.2 in such frames), detail may be lost on the way.
CLEARLY_OTHER_PERSON, HELD_FAR_OTHERWISE = 0.55, 0.2


class Change(StrEnum):
    """What is said of one face."""

    NONE = "none"
    EXCHANGED = "exchanged"
    MOVED = "moved"
    EDITED = "edited"
    COVERED = "covered"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class FaceEvidence:
    """All that is known of a face that both pictures show, before anything is said of it."""

    measures: FaceMeasures
    controls: tuple[FaceMeasures | None, ...]  # as `FacePair` has them
    changed_share: float  # of the oval that the change map marks
    is_flat: bool  # whether what it marks has hardly more than three colours
    sticker: float  # how much what changed has the edges and the light of a thing laid over the face
    head_motion: HeadMotion | None = None  # None: too little is shown around the face


@dataclass(frozen=True)
class Judgement:
    """What is said of one face on its evidence."""

    change: Change
    exchanged: float  # probability that it is another person's
    moved: float  # probability that expression, mouth or pose were changed
    reason: str | None = None  # of an uncertainty


def judge(
    evidence: FaceEvidence, heads: dict[str, Head] | None = None, *, in_footage: bool = False
) -> Judgement:
    """Says what happened to a face, by the shipped heads of the model or by others that are judged.

    `in_footage`: one of the two is a frame of a video, so that the face may have moved a little by itself.
    """
    heads = heads or shipped_heads()
    measures, share = evidence.measures, evidence.changed_share
    exchanged, moved = heads[EXCHANGED].probability(measures), heads[MOVED].probability(measures)
    looks_otherwise = LOOKS_OTHERWISE_IN_FOOTAGE if in_footage else LOOKS_OTHERWISE
    change, reason = _decide(
        measures, exchanged, moved, share, is_flat=evidence.is_flat, looks_otherwise=looks_otherwise
    )
    if _is_of_other_frame(change, evidence) and not _is_sticker(change, evidence.sticker, share):
        change, reason = Change.UNCERTAIN, OTHER_FRAME
    said = Judgement(change, exchanged, moved, reason)
    if _processing_explains(said, evidence.controls, heads):
        return replace(said, change=Change.UNCERTAIN, reason=PROCESSED)
    if _is_sticker(change, evidence.sticker, share):
        return replace(said, change=Change.COVERED)
    return said


def is_remarkable(pair: FacePair) -> bool:
    """Whether the face seems changed, so that it must be held against a control."""
    if pair.measures is None:
        return False
    # Without a change map an edit cannot be told from none.
    alone = judge(FaceEvidence(pair.measures, (), 0.0, is_flat=False, sticker=0.0))
    return alone.change not in (Change.NONE, Change.UNCERTAIN)


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


def surely_covered(evidence: FaceEvidence) -> bool:
    """Whether what lies over a face is flat, leaves nothing of it, or has the edges of a sticker."""
    return evidence.is_flat or is_covered(evidence.measures) or evidence.sticker > STICKER_SURELY


def _decide(
    measures: FaceMeasures,
    exchanged: float,
    moved: float,
    share: float,
    *,
    is_flat: bool,
    looks_otherwise: float,
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
        is_open = touched or (known and seems_other_person(measures, exchanged))
        return (Change.UNCERTAIN, reason) if is_open else (Change.NONE, None)  # hardly a face in either
    if reason is not None:
        return Change.UNCERTAIN, reason
    if seems_other_person(measures, exchanged):
        return Change.EXCHANGED, None
    if moved > MOVED_SURE and measures.flow_inside > LEAST_MOTION:
        if moved > MOVED_BY_ITSELF or min(measures.mouth, measures.eyes) < looks_otherwise:
            return Change.MOVED, None
        if not touched:
            return Change.UNCERTAIN, "it moved, but by no more than processing moves a face"
    if touched and exchanged > SUSPECT:
        return Change.UNCERTAIN, "the evidence that it is another person's is not enough"
    if touched:
        return (Change.COVERED if is_flat else Change.EDITED), None
    return Change.NONE, None


def _is_of_other_frame(change: Change, evidence: FaceEvidence) -> bool:
    """Whether what seems done to a face is how heads move from frame to frame.

    What is around the face moved with it, and was not drawn. Whoever is clearly another person is so in any
    frame.
    """
    motion, measures = evidence.head_motion, evidence.measures
    if motion is None or not MOVED_AROUND < motion.around <= MOST_BESIDE_POSE * measures.pose:
        return False
    is_kept = motion.fine_followed > KEPT_ON_THE_WAY
    if change is Change.EXCHANGED:
        may_be_same = identity_distance(measures) < CLEARLY_OTHER_PERSON
        return may_be_same and (is_kept or measures.pose > HELD_FAR_OTHERWISE)
    return change is Change.MOVED and is_kept


def seems_other_person(measures: FaceMeasures, exchanged: float) -> bool:
    """Whether it is another person's by the model (`exchanged`, its probability) and by identity."""
    return exchanged > SURE and identity_distance(measures) > LEAST_OTHER_PERSON


def identity_distance(measures: FaceMeasures) -> float:
    """Returns the smaller of both: in place a moved head seems another's, at its landmarks a turned one."""
    return min(measures.identity, measures.identity_in_place)


def _processing_explains(
    said: Judgement, controls: tuple[FaceMeasures | None, ...], heads: dict[str, Head]
) -> bool:
    """Whether what was done to the whole picture would have the same said of an unchanged face."""
    if said.change in (Change.NONE, Change.UNCERTAIN):
        return False
    return any(
        _control_says_the_same(said, control, number, heads) for number, control in enumerate(controls)
    )


def _control_says_the_same(
    said: Judgement, control: FaceMeasures | None, number: int, heads: dict[str, Head]
) -> bool:
    if said.change is Change.EXCHANGED:
        return gain_over(said.exchanged, control, heads[EXCHANGED]) < LEAST_GAINS_EXCHANGED[number]
    if said.change is Change.MOVED:
        return gain_over(said.moved, control, heads[MOVED]) < LEAST_GAINS_MOVED[number]
    return control is None or (said.change is Change.COVERED and is_covered(control))


def gain_over(probability: float, control: FaceMeasures | None, head: Head) -> float:
    """Returns the logits by which a face of this probability speaks more for a change than its control."""
    if control is None:
        return 0.0  # it leaves nothing of an unchanged face either
    return _logit(probability) - _logit(head.probability(control))


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(bounded / (1 - bounded)))


def _is_sticker(change: Change, evidence: float, share: float) -> bool:
    """Whether what seems a change of the face is a thing that lies over it."""
    if change is Change.MOVED:
        return share > CHANGED_SHARE and evidence > STICKER_SURELY
    return change in (Change.EXCHANGED, Change.EDITED) and evidence > STICKER_FROM
