"""What speaks against a match although features agree: another capture, another instance of a layout.

Pure functions; every limit comes from `Thresholds`.
"""

from indexer.compare.dense import DenseAgreement
from indexer.compare.layout import ContentAgreement
from registry.match.match_evidence import MatchEvidence
from registry.thresholds import Thresholds


def is_different_capture(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether both pictures show one scene, but were not made from one capture of it.

    What is laid over a copy disagrees with it and is found nowhere else, and the features of a copy find
    their partners in place. A different capture shows things elsewhere, or has lost most of its partners.
    """
    dense = evidence.dense
    if dense is None or is_within_pdq(evidence, limits.pdq_identical_bits, limits):
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
    inlier_share = _inlier_share(evidence)
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


def is_within_pdq(evidence: MatchEvidence, bits: int, limits: Thresholds) -> bool:
    """Whether PDQ is so near, and the pictures look alike where that was asked: a value can be forged."""
    if evidence.pdq_distance is None or evidence.pdq_distance > bits:
        return False
    return evidence.coarse is None or evidence.coarse >= limits.pdq_coarse_agreeing


def shows_other_content(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether both share a layout, and what differs from one instance of it to the next differs here.

    A copy keeps its features in place, whatever lies over some of them. The letters of other words find
    partners among the letters of these, and in other places.

    1. Where neither features nor windows leave room for it, it is a copy; so it is where much is new and
       nothing has gone, as under hatching.
    2. Two short lines beside a large brand mark take few features away: where windows alone leave room, two
       fields must be another one of the same sort on the same ground, and be much of the content.
    3. Where features do, so much of the content is enough.
    4. Where the finest detail of what agrees does not, after blur or noise, letters are other letters
       everywhere: then some of the content must be another one, and more must differ besides.
    5. In two fields or more, little is enough. One field is what somebody forges.
    6. Of features that are counted once a place, a copy without anything over it keeps nearly all. Where it
       does not, little that is another one is enough, or much that differs.
    7. Of three things two must say it: some of the content is another one; more differs besides, as in
       another portrait; features are out of place, as on a pack with another label.
    """
    content = evidence.content
    if content is None or not leaves_room_for_other_content(evidence, limits):
        return False
    if _is_one_sided(content, limits):  # 1
        return False
    replaced, differs = content.replaced, content.differing + content.swapped
    is_much = replaced >= limits.other_content_replaced
    if not _features_leave_room(evidence, limits):  # 2
        return is_much and content.fields >= 2
    if is_much:  # 3
        return True
    is_some, more_differs = replaced >= limits.other_content_some, differs >= limits.other_content_differing
    if evidence.dense is not None and evidence.dense.fine < limits.other_content_fine:  # 4
        return is_some and more_differs
    if content.fields >= 2 and replaced >= limits.other_fields_replaced:  # 5
        return True
    is_little = replaced >= limits.other_content_little or differs >= limits.other_content_far_apart
    if is_little and _few_in_place(evidence, limits):  # 6
        return True
    out_of_place = _inlier_share(evidence) <= limits.out_of_place_inlier_share
    return is_some + more_differs + out_of_place >= 2  # 7


def _is_one_sided(content: ContentAgreement, limits: Thresholds) -> bool:
    """Whether detail came to one of the two and hardly any went: a pattern lies over the same content."""
    gone, new = content.lost + content.vanished, content.gained + content.appeared
    least, most = sorted((gone, new))
    return most >= limits.one_sided_least and least <= limits.one_sided_rest * most


def leaves_room_for_other_content(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether the features do, or windows disagree that a copy would hardly have."""
    dense = evidence.dense
    in_places = (
        dense is not None
        and evidence.pairs >= limits.other_content_pairs
        and dense.disagreeing >= limits.other_fields_disagreeing
        and _inlier_share(evidence) <= limits.other_fields_inlier_share
    )
    return in_places or _features_leave_room(evidence, limits)


def _features_leave_room(evidence: MatchEvidence, limits: Thresholds) -> bool:
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
    return differs or _out_of_place(evidence, limits) or _few_in_place(evidence, limits)


def _out_of_place(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether so many features found partners elsewhere; of few features, more of them must have."""
    many = evidence.pairs >= limits.other_content_pairs
    most = limits.other_content_inlier_share if many else limits.out_of_place_inlier_share
    return _inlier_share(evidence) <= most


def _few_in_place(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether few of many places that have a partner agree; several features of one place count once."""
    few = evidence.inliers <= limits.other_content_place_share * evidence.places
    return (
        few
        and evidence.pairs >= limits.other_content_pairs
        and _inlier_share(evidence) <= limits.another_moment_inlier_share
    )


def _inlier_share(evidence: MatchEvidence) -> float:
    return evidence.inliers / max(1, evidence.pairs)


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
