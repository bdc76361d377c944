"""What the evidence of one comparison amounts to, and what confirms a match. Pure functions.

Every limit comes from `Thresholds`; the constants here only order matches of one strength.
"""

from dataclasses import dataclass, replace
from math import exp

from registry.match.counter_evidence import (
    is_different_capture,
    is_within_pdq,
    leaves_room_for_other_content,
    shows_other_content,
)
from registry.match.match_evidence import MatchEvidence
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, Strength

STRENGTH_ORDER = (
    Strength.EXACT,
    Strength.VERY_STRONG,
    Strength.STRONG,
    Strength.MODERATE,
    Strength.WEAK,
)
# Confidence orders matches of one strength; it is no probability, and no threshold is read off it. By
# geometry it rises with the features that agree, to 0.62 at 25 and 0.88 at 58; similarity only breaks ties.
GEOMETRY_CEILING, INLIERS_SCALE, SIMILARITY_TIE_BREAK = 0.98, 25.0, 0.01
# By PDQ it falls by a hundredth a bit, so that within Meta's radius it ends where some 30 features begin.
PDQ_CEILING, CONFIDENCE_PER_BIT = 0.99, 0.01
# A descriptor alone ranks below both, and below that where it says no more than "possibly".
DESCRIPTOR_MATCH_FACTOR, DESCRIPTOR_POSSIBLE_FACTOR = 0.5, 0.3
# A hash of a list ranks below all of these.
HASH_LIST_CEILING, HASH_BITS = 0.1, 64
SUSPICION_FACTOR = 0.25  # ranks agreement on a spot, or of two captures, below agreement of whole pictures


@dataclass(frozen=True)
class MatchAssessment:
    """What one comparison amounts to."""

    strength: Strength
    relation: MatchRelation
    confidence: float  # 0..1, orders matches of one strength; not a probability

    @staticmethod
    def exact() -> "MatchAssessment":
        """The upload has the same bytes."""
        return MatchAssessment(Strength.EXACT, MatchRelation.SAME_FILE, 1.0)

    @staticmethod
    def suspicion(confidence: float) -> "MatchAssessment":
        """The two have something in common; a person should look."""
        return MatchAssessment(Strength.WEAK, MatchRelation.POSSIBLY_RELATED, confidence)


def assess(evidence: MatchEvidence, limits: Thresholds) -> MatchAssessment | None:
    """Assesses one comparison. None: a coincidence, not a match.

    1. The same bytes are the same asset.
    2. Agreeing geometry confirms; how much agrees, and how widely, says how sure. A few features suffice
       where the pictures, warped onto one another, agree in most places. Agreement on one small spot is at
       most a suspicion: a watermark is on many pictures.
    3. PDQ within Meta's radius is the same picture even where features fail (blurred, tiny); where both are
       at hand, they must look alike at that size too, since a value can be forged.
    4. A different capture of the same scene differs all over or shows things in other places: it is a
       suspicion at most, whatever 2 and 3 say. So is another instance of the same layout: what differs
       from one to the next differs here.
    5. A descriptor counts alone only where pictures could not be compared.
    6. A hash of a list that others keep counts only where nothing of 1 to 5 could be compared, and is a
       suspicion at most: unrelated pictures share such values.
    """
    if evidence.same_digest:
        return MatchAssessment.exact()
    by_geometry = _by_geometry(evidence, limits)
    by_pdq = _by_pdq(evidence, limits) if is_near_by_pdq(evidence, limits) else None
    assessments = [assessment for assessment in (by_geometry, by_pdq) if assessment is not None]
    if assessments:
        best = max(assessments, key=lambda assessment: assessment.confidence)
        if is_different_capture(evidence, limits) or shows_other_content(evidence, limits):
            return MatchAssessment.suspicion(SUSPICION_FACTOR * best.confidence)
        return best
    if evidence.compared:
        return None
    return _by_descriptor(evidence, limits) or _by_hash_lists(evidence, limits)


def assess_video(evidence: MatchEvidence, limits: Thresholds, *, in_time: bool) -> MatchAssessment | None:
    """Assesses the best pair of frames of two videos; `in_time`: whether frames agree along a segment.

    Where they do, a different capture of the same scene is excluded. Where they do not, one frame is all
    the evidence there is, which is a suspicion.
    """
    if not in_time:
        of_frame = assess(evidence, limits)
        return (
            None if of_frame is None else MatchAssessment.suspicion(SUSPICION_FACTOR * of_frame.confidence)
        )
    assessment = _by_geometry(evidence, limits) if evidence.compared else _by_descriptor(evidence, limits)
    return None if assessment is None else replace(assessment, relation=MatchRelation.DERIVATIVE)


def is_near_by_pdq(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether PDQ is within Meta's radius, and the pictures look alike where they are at hand."""
    return is_within_pdq(evidence, limits.pdq_same_bits, limits)


def rests_on_pdq(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether only PDQ confirms, or excuses what speaks against a match."""
    return is_near_by_pdq(evidence, limits) and not is_verified(
        replace(evidence, pdq_distance=None), limits
    )


def agrees_by_hash_lists_only(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether a hash of a list that others keep agrees, and nothing else could be compared."""
    nothing_else = evidence.pdq_distance is None and evidence.descriptor_similarity is None
    return not evidence.compared and nothing_else and _nearest_hash(evidence, limits) is not None


def agreement(evidence: MatchEvidence, limits: Thresholds) -> float:
    """Counts agreeing features, fewer where they lie close together: coincidences and watermarks do."""
    if evidence.by_windows:
        return 0.0
    return evidence.inliers * min(1.0, evidence.spread / limits.full_spread)


def is_verified(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether the pictures themselves were compared and agree on one geometry."""
    if evidence.spread < limits.least_spread or is_different_capture(evidence, limits):
        return False
    if shows_other_content(evidence, limits):
        return False
    return agreement(evidence, limits) >= limits.inliers_moderate or _windows_confirm(evidence, limits)


def is_verified_straight(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """The same for an upload that was made straight: a polynomial also follows somebody who moved a little.

    What was only bent then agrees nearly everywhere, and another moment of one scene does not.
    """
    dense = evidence.dense
    if dense is None or dense.disagreeing > limits.straightened_disagreeing:
        return False
    return dense.agreeing >= limits.straightened_agreeing and is_verified(evidence, limits)


def may_be_verified(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether warping the pictures onto one another could still confirm them."""
    enough = evidence.by_windows or agreement(evidence, limits) >= limits.inliers_least
    return enough and evidence.spread >= limits.least_spread


def _windows_confirm(evidence: MatchEvidence, limits: Thresholds) -> bool:
    dense = evidence.dense
    if dense is None or dense.agreeing < limits.agreeing_confirms:
        return False
    if evidence.by_windows:
        return dense.detailed >= limits.full_spread
    return agreement(evidence, limits) >= limits.inliers_least


def may_show_other_content(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether a closer look could change the answer: where features and windows agree, it could not."""
    if evidence.dense is None or not leaves_room_for_other_content(evidence, limits):
        return False
    return is_verified(evidence, limits) or is_near_by_pdq(evidence, limits)


def may_be_different_capture(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether comparing again with the faces left out could change the answer."""
    dense = evidence.dense
    moved = dense is not None and max(dense.moved, dense.displaced) >= limits.moved
    return moved or is_different_capture(evidence, limits)


def _by_geometry(evidence: MatchEvidence, limits: Thresholds) -> MatchAssessment | None:
    agreeing = agreement(evidence, limits)
    confirmed = _windows_confirm(evidence, limits)
    if agreeing < limits.inliers_weak and not confirmed:
        return None
    counted = max(agreeing, limits.inliers_moderate) if confirmed else agreeing
    confidence = GEOMETRY_CEILING * (1 - exp(-counted / INLIERS_SCALE)) + SIMILARITY_TIE_BREAK * (
        evidence.descriptor_similarity or 0.0
    )
    if evidence.spread < limits.least_spread:
        return MatchAssessment.suspicion(SUSPICION_FACTOR * confidence)
    if agreeing < limits.inliers_moderate and not confirmed:
        return MatchAssessment.suspicion(confidence)
    strength = Strength.MODERATE
    if agreeing >= limits.inliers_strong:
        strength = Strength.STRONG
    if agreeing >= limits.inliers_very_strong:
        strength = Strength.VERY_STRONG
    return MatchAssessment(strength, _relation_by_geometry(evidence, limits), confidence)


def _relation_by_geometry(evidence: MatchEvidence, limits: Thresholds) -> MatchRelation:
    covered = min(evidence.query_coverage, evidence.reference_coverage) >= limits.same_picture_coverage
    upright = not evidence.is_mirrored and evidence.pdq_orientation == 0
    same = covered and upright and is_near_by_pdq(evidence, limits)
    return MatchRelation.SAME_PICTURE if same else MatchRelation.DERIVATIVE


def _by_descriptor(evidence: MatchEvidence, limits: Thresholds) -> MatchAssessment | None:
    rate, similarity = evidence.descriptor_rate, evidence.descriptor_similarity or 0.0
    if rate is None or rate > limits.descriptor_possible_rate:
        return None
    if rate > limits.descriptor_match_rate:
        return MatchAssessment.suspicion(DESCRIPTOR_POSSIBLE_FACTOR * similarity)
    return MatchAssessment(
        Strength.MODERATE, MatchRelation.DERIVATIVE, DESCRIPTOR_MATCH_FACTOR * similarity
    )


def _by_hash_lists(evidence: MatchEvidence, limits: Thresholds) -> MatchAssessment | None:
    nearest = _nearest_hash(evidence, limits)
    if nearest is None or not agrees_by_hash_lists_only(evidence, limits):
        return None
    return MatchAssessment.suspicion(HASH_LIST_CEILING * (1 - nearest / HASH_BITS))


def _nearest_hash(evidence: MatchEvidence, limits: Thresholds) -> int | None:
    """The smallest distance that is within the radius of its kind."""
    distances = evidence.hash_list_distances.items()
    return min((bits for kind, bits in distances if bits <= limits.hash_list_bits[kind]), default=None)


def _by_pdq(evidence: MatchEvidence, limits: Thresholds) -> MatchAssessment:
    distance = evidence.pdq_distance or 0
    identical = distance <= limits.pdq_identical_bits
    upright = evidence.pdq_orientation == 0
    relation = MatchRelation.SAME_PICTURE if upright else MatchRelation.DERIVATIVE
    strength = Strength.VERY_STRONG if identical else Strength.STRONG
    return MatchAssessment(strength, relation, PDQ_CEILING - CONFIDENCE_PER_BIT * distance)
