"""The rules: what one comparison is worth, and what confirms it. Pure functions."""

from dataclasses import dataclass, replace
from math import exp

from indexer.compare.dense import DenseAgreement
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, Strength

STRENGTH_ORDER = (
    Strength.EXACT,
    Strength.VERY_STRONG,
    Strength.STRONG,
    Strength.MODERATE,
    Strength.WEAK,
)
SPOT_CONFIDENCE = 0.25  # ranks agreement on a spot below agreement of whole pictures


@dataclass(frozen=True)
class Measured:
    """Everything that was measured between the upload and one registered asset."""

    same_digest: bool = False
    pdq_distance: int | None = None  # the smallest over the orientations, in bits
    pdq_orientation: int = 0
    phash_distance: int | None = None
    descriptor_similarity: float | None = None
    descriptor_rate: float | None = None  # of unrelated pairs, those that are so similar
    compared: bool = False  # whether both pictures were at hand
    inliers: int = 0
    pairs: int = 0
    query_coverage: float = 0.0
    reference_coverage: float = 0.0
    spread: float = 0.0
    is_mirrored: bool = False
    dense: DenseAgreement | None = None  # only where the geometry confirms
    outside_faces: DenseAgreement | None = None  # only where `dense` hints at a different capture


@dataclass(frozen=True)
class Judgement:
    """What one comparison is worth."""

    strength: Strength
    relation: MatchRelation
    confidence: float  # 0..1, orders matches of one strength; not a probability

    @staticmethod
    def exact() -> "Judgement":
        """The same bytes."""
        return Judgement(Strength.EXACT, MatchRelation.SAME_FILE, 1.0)


def judge(measured: Measured, limits: Thresholds) -> Judgement | None:
    """None: a coincidence, not a match.

    1. The same bytes are the same asset.
    2. Agreeing geometry confirms; how much agrees, and how widely, says how sure. A few features are
       enough where the warped query agrees with the reference in most places. Agreement on one small spot
       is at most a suspicion: a watermark is on many pictures.
    3. PDQ within Meta's radius is the same picture even where features fail (blurred, tiny).
    4. A different capture of the same scene, warped onto the reference, differs all over or shows things in
       other places: that is a suspicion at most, whatever 2 and 3 say.
    5. A descriptor speaks alone only where pictures could not be compared.
    """
    if measured.same_digest:
        return Judgement.exact()
    near = measured.pdq_distance is not None and measured.pdq_distance <= limits.pdq_same_bits
    by_geometry = _judge_geometry(measured, limits)
    by_pdq = _judge_pdq(measured, limits) if near else None
    found = [one for one in (by_geometry, by_pdq) if one is not None]
    if found:
        best = max(found, key=lambda one: one.confidence)
        if is_different_capture(measured, limits):
            suspicion = SPOT_CONFIDENCE * best.confidence
            return Judgement(Strength.WEAK, MatchRelation.POSSIBLY_RELATED, suspicion)
        return best
    return None if measured.compared else _judge_descriptor(measured, limits)


def judge_footage(measured: Measured, limits: Thresholds, *, in_time: bool) -> Judgement | None:
    """Of the best pair of frames of two videos; `in_time`: whether frames agree along a line.

    Where they do, a different capture of the same scene is excluded. Where they do not, a frame is all
    there is.
    """
    if not in_time:
        found = judge(measured, limits)
        if found is None:
            return None
        return Judgement(Strength.WEAK, MatchRelation.POSSIBLY_RELATED, SPOT_CONFIDENCE * found.confidence)
    found = _judge_geometry(measured, limits) if measured.compared else _judge_descriptor(measured, limits)
    return None if found is None else replace(found, relation=MatchRelation.DERIVATIVE)


def agreement(measured: Measured, limits: Thresholds) -> float:
    """Agreeing features, fewer where they lie close together: coincidences and watermarks do."""
    return measured.inliers * min(1.0, measured.spread / limits.full_spread)


def is_verified(measured: Measured, limits: Thresholds) -> bool:
    """Whether the pictures themselves were compared and agree on one geometry."""
    if measured.spread < limits.least_spread or is_different_capture(measured, limits):
        return False
    return agreement(measured, limits) >= limits.inliers_moderate or _windows_confirm(measured, limits)


def may_be_verified(measured: Measured, limits: Thresholds) -> bool:
    """Whether it is worth warping the query onto the reference and comparing them window by window."""
    return measured.spread >= limits.least_spread and agreement(measured, limits) >= limits.inliers_least


def _windows_confirm(measured: Measured, limits: Thresholds) -> bool:
    dense = measured.dense
    enough = agreement(measured, limits) >= limits.inliers_least
    return enough and dense is not None and dense.agreeing >= limits.agreeing_confirms


def is_different_capture(measured: Measured, limits: Thresholds) -> bool:
    """Whether the pictures are two captures of one scene, and neither is a copy of the other."""
    dense = measured.dense
    if dense is None:
        return False
    if _is_different_frame(measured, limits):
        return True
    if _agrees_outside_faces(measured, limits):
        return False
    if (
        dense.agreeing < limits.different_capture_agreeing
        and dense.disagreeing > limits.different_capture_disagreeing
    ):
        return True
    if dense.agreeing >= limits.moved_agreeing:
        return False
    inlier_share = measured.inliers / max(1, measured.pairs)
    if dense.moved >= 2 * limits.moved and inlier_share < limits.moved_far_inlier_share:
        return True
    not_a_copy = inlier_share < limits.moved_inlier_share and dense.fine < limits.moved_fine
    return dense.moved >= limits.moved and not_a_copy


def may_be_different_capture(measured: Measured, limits: Thresholds) -> bool:
    """Whether it is worth measuring the agreement again with the faces left out."""
    moved = measured.dense is not None and measured.dense.moved >= limits.moved
    return moved or is_different_capture(measured, limits)


def _is_different_frame(measured: Measured, limits: Thresholds) -> bool:
    """Whether both are frames of one video: bodies moved too, and what stood still has the same grain.

    What a network re-enacts is drawn anew and does not keep the grain.
    """
    rest = measured.outside_faces
    return (
        rest is not None
        and rest.moved >= limits.different_frame_moved
        and rest.fine >= limits.different_frame_fine
    )


def _agrees_outside_faces(measured: Measured, limits: Thresholds) -> bool:
    """Whether it is a copy with other faces: in a different capture, more than the faces has moved."""
    rest = measured.outside_faces
    return (
        rest is not None
        and rest.agreeing >= limits.outside_faces_agreeing
        and rest.disagreeing <= limits.outside_faces_disagreeing
        and rest.moved < limits.moved
    )


def _judge_geometry(measured: Measured, limits: Thresholds) -> Judgement | None:
    agreeing = agreement(measured, limits)
    confirmed = _windows_confirm(measured, limits)
    if agreeing < limits.inliers_weak and not confirmed:
        return None
    # Rises with the number that agrees; similarity only breaks ties.
    counted = max(agreeing, limits.inliers_moderate) if confirmed else agreeing
    confidence = 0.98 * (1 - exp(-counted / 25)) + 0.01 * (measured.descriptor_similarity or 0.0)
    if measured.spread < limits.least_spread:
        return Judgement(Strength.WEAK, MatchRelation.POSSIBLY_RELATED, SPOT_CONFIDENCE * confidence)
    if agreeing < limits.inliers_moderate and not confirmed:
        return Judgement(Strength.WEAK, MatchRelation.POSSIBLY_RELATED, confidence)
    strength = Strength.MODERATE
    if agreeing >= limits.inliers_strong:
        strength = Strength.STRONG
    if agreeing >= limits.inliers_very_strong:
        strength = Strength.VERY_STRONG
    whole = min(measured.query_coverage, measured.reference_coverage) >= limits.same_picture_coverage
    near = measured.pdq_distance is not None and measured.pdq_distance <= limits.pdq_same_bits
    same = whole and near and not measured.is_mirrored and measured.pdq_orientation == 0
    return Judgement(strength, MatchRelation.SAME_PICTURE if same else MatchRelation.DERIVATIVE, confidence)


def _judge_descriptor(measured: Measured, limits: Thresholds) -> Judgement | None:
    rate, similarity = measured.descriptor_rate, measured.descriptor_similarity or 0.0
    if rate is None or rate > limits.descriptor_possible_rate:
        return None
    if rate > limits.descriptor_match_rate:
        return Judgement(Strength.WEAK, MatchRelation.POSSIBLY_RELATED, 0.3 * similarity)
    return Judgement(Strength.MODERATE, MatchRelation.DERIVATIVE, 0.5 * similarity)


def _judge_pdq(measured: Measured, limits: Thresholds) -> Judgement:
    distance = measured.pdq_distance or 0
    identical = distance <= limits.pdq_identical_bits
    upright = measured.pdq_orientation == 0
    relation = MatchRelation.SAME_PICTURE if upright else MatchRelation.DERIVATIVE
    strength = Strength.VERY_STRONG if identical else Strength.STRONG
    return Judgement(strength, relation, 0.99 - 0.01 * distance)
