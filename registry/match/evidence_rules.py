"""What the evidence of one comparison amounts to, and what confirms a match. Pure functions.

Every limit comes from `Thresholds`; the constants here only order matches of one strength.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import exp

from indexer.compare.dense import DenseAgreement
from indexer.compare.layout import ContentAgreement
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
class MatchEvidence:
    """Everything that was measured between the upload and one registered asset."""

    same_digest: bool = False
    pdq_distance: int | None = None  # the smallest over the orientations, in bits
    pdq_orientation: int = 0
    phash_distance: int | None = None
    descriptor_similarity: float | None = None
    descriptor_rate: float | None = None  # share of unrelated pairs that are so similar
    compared: bool = False  # whether both pictures were at hand
    inliers: int = 0
    pairs: int = 0
    query_coverage: float = 0.0
    reference_coverage: float = 0.0
    spread: float = 0.0
    is_mirrored: bool = False
    by_windows: bool = False  # joined without proper features, which then count for nothing
    dense: DenseAgreement | None = None  # only where the geometry confirms
    outside_faces: DenseAgreement | None = None  # only where `dense` suggests a different capture
    content: ContentAgreement | None = None  # only where `dense` leaves room for other content
    # Bits, by kind of the hashes that lists of others hold (indexer/fingerprints/hash_lists.py).
    hash_list_distances: Mapping[str, int] = field(default_factory=dict, hash=False)


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
    3. PDQ within Meta's radius is the same picture even where features fail (blurred, tiny).
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
    """Whether PDQ is within Meta's radius."""
    return evidence.pdq_distance is not None and evidence.pdq_distance <= limits.pdq_same_bits


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


def is_different_capture(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether both pictures show one scene, but were not made from one capture of it.

    What is laid over a copy disagrees with it and is found nowhere else, and the features of a copy find
    their partners in place. A different capture shows things elsewhere, or has lost most of its partners.
    """
    dense = evidence.dense
    if dense is None or _is_identical_by_pdq(evidence, limits):
        return False
    if _is_different_frame(evidence, limits):
        return True
    if _agrees_outside_faces(evidence, limits):
        return False
    if _differs_all_over(evidence, dense, limits):
        return True
    return dense.agreeing < limits.moved_agreeing and _something_moved(evidence, dense, limits)


def _something_moved(evidence: MatchEvidence, dense: DenseAgreement, limits: Thresholds) -> bool:
    """Whether things are elsewhere, and the features or the grain say that it is no copy."""
    inlier_share = evidence.inliers / max(1, evidence.pairs)
    if dense.moved >= 2 * limits.moved and inlier_share < limits.moved_far_inlier_share:
        return True
    if dense.moved < limits.moved and dense.displaced < limits.displaced_in_part:
        return False
    if inlier_share < limits.moved_inlier_share and dense.fine < limits.moved_fine:
        return True
    # Frames of one video keep the grain of what stood still.
    with_people = evidence.outside_faces is not None and dense.displaced >= limits.displaced_in_part
    return with_people and inlier_share < limits.moved_people_inlier_share


def _differs_all_over(evidence: MatchEvidence, dense: DenseAgreement, limits: Thresholds) -> bool:
    """Whether little agrees, and neither a pattern, an overlay nor a new half explains the rest."""
    if dense.agreeing >= limits.different_capture_agreeing:
        return False
    if dense.disagreeing > limits.different_capture_mostly:
        return True
    partners_lost = evidence.inliers < limits.different_capture_inlier_share * max(1, evidence.pairs)
    much = dense.disagreeing > limits.different_capture_disagreeing
    return much and partners_lost and dense.displaced >= limits.displaced


def _is_identical_by_pdq(evidence: MatchEvidence, limits: Thresholds) -> bool:
    return evidence.pdq_distance is not None and evidence.pdq_distance <= limits.pdq_identical_bits


def shows_other_content(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether both share a layout, and what differs from one instance of it to the next differs here.

    1. A copy keeps its features in place, whatever lies over some of them. The letters of other words find
       partners among the letters of these, and in other places.
    2. The lines of a screen that was photographed appear all over: then letters say nothing. Nor where much
       is new and nothing has gone, as under hatching.
    3. Much of the content is another one of the same sort on the same ground; or some of it is, in two
       fields or more. One field is what somebody forges.
    4. Some of it is, and more differs besides: another portrait. Where nothing is of the same sort, a label
       on a pack, features out of place must say the more.
    """
    content = evidence.content
    if content is None or not _leaves_room(evidence, limits):
        return False
    if content.appeared > limits.same_content_appeared or _is_one_sided(content, limits):
        return False
    fields = content.fields >= 2 and content.replaced >= limits.other_fields_replaced
    if fields or content.replaced >= limits.other_content_replaced:
        return True
    differs = content.differing + content.swapped
    out_of_place = _inlier_share(evidence) <= limits.out_of_place_inlier_share
    if content.replaced >= limits.other_content_some:
        return differs >= limits.other_content_differing or out_of_place
    return differs >= limits.other_content_differing and out_of_place


def _is_one_sided(content: ContentAgreement, limits: Thresholds) -> bool:
    """Whether detail came to one of the two and hardly any went: a pattern lies over the same content."""
    gone, new = content.lost + content.vanished, content.gained + content.appeared
    least, most = sorted((gone, new))
    return most >= limits.one_sided_least and least <= limits.one_sided_rest * most


def may_show_other_content(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether a closer look could change the answer: where features and windows agree, it could not."""
    if evidence.dense is None or not _leaves_room(evidence, limits):
        return False
    return is_verified(evidence, limits) or is_near_by_pdq(evidence, limits)


def _leaves_room(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether features found partners elsewhere, or the pictures differ as much as two captures do.

    Of one place a moment later, everything keeps its partner but what the picture is of.
    """
    dense = evidence.dense
    differs = (
        dense is not None
        and _inlier_share(evidence) <= limits.another_moment_inlier_share
        and dense.agreeing < limits.different_capture_agreeing
        and dense.disagreeing > limits.different_capture_disagreeing
    )
    return differs or _out_of_place(evidence, limits)


def _out_of_place(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether so many features found partners elsewhere; of few features, more of them must have."""
    many = evidence.pairs >= limits.other_content_pairs
    most = limits.other_content_inlier_share if many else limits.out_of_place_inlier_share
    return _inlier_share(evidence) <= most


def _inlier_share(evidence: MatchEvidence) -> float:
    return evidence.inliers / max(1, evidence.pairs)


def may_be_different_capture(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether comparing again with the faces left out could change the answer."""
    dense = evidence.dense
    moved = dense is not None and max(dense.moved, dense.displaced) >= limits.moved
    return moved or is_different_capture(evidence, limits)


def _is_different_frame(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether it is another frame of one video: bodies moved too, and what stood still has the same grain.

    What a network re-enacts is drawn anew and does not keep the grain.
    """
    rest = evidence.outside_faces
    return (
        rest is not None
        and rest.moved >= limits.different_frame_moved
        and rest.fine >= limits.different_frame_fine
    )


def _agrees_outside_faces(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether it is a copy with other faces: in a different capture, more than the faces has moved."""
    rest = evidence.outside_faces
    return (
        rest is not None
        and rest.agreeing >= limits.outside_faces_agreeing
        and rest.disagreeing <= limits.outside_faces_disagreeing
        and rest.moved < limits.outside_faces_moved
    )


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
