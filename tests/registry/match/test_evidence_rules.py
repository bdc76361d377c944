"""What evidence amounts to: every rule, and both sides of every limit."""

from dataclasses import replace
from typing import Any

import pytest

from indexer.compare.dense import DenseAgreement
from indexer.compare.layout import ContentAgreement
from registry.match.counter_evidence import is_different_capture, shows_other_content
from registry.match.evidence_rules import (
    SUSPICION_FACTOR,
    MatchAssessment,
    agreement,
    assess,
    assess_video,
    is_near_by_pdq,
    is_verified,
    is_verified_straight,
    may_be_different_capture,
    may_be_verified,
    may_show_other_content,
)
from registry.match.match_evidence import MatchEvidence
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, Strength

LIMITS = Thresholds()
DIFFERS = DenseAgreement(agreeing=0.3, disagreeing=0.6, moved=0.0, fine=0.9)
AGREES = DenseAgreement(agreeing=0.8, disagreeing=0.05, moved=0.0, fine=0.2)
MOVED = DenseAgreement(agreeing=0.8, disagreeing=0.1, moved=0.05, fine=0.3)
STAYED = DenseAgreement(agreeing=0.97, disagreeing=0.01, moved=0.0, fine=0.5)
BODY_MOVED = DenseAgreement(agreeing=0.96, disagreeing=0.01, moved=0.03, fine=0.8, displaced=0.03)

EXACT = Strength.EXACT, MatchRelation.SAME_FILE
SUSPICION = Strength.WEAK, MatchRelation.POSSIBLY_RELATED


def made_from(strength: Strength) -> tuple[Strength, MatchRelation]:
    return strength, MatchRelation.DERIVATIVE


def same_picture(strength: Strength) -> tuple[Strength, MatchRelation]:
    return strength, MatchRelation.SAME_PICTURE


def compared(inliers: int, spread: float = 0.4, **more: Any) -> MatchEvidence:
    """Evidence of compared pictures; without `pairs`, every feature that has a partner is in its place."""
    return MatchEvidence(
        **{"compared": True, "inliers": inliers, "pairs": inliers, "spread": spread, **more}
    )


def by_hash_list(*, dhash: int, ahash: int = 64, **more: Any) -> MatchEvidence:
    return MatchEvidence(hash_list_distances={"ahash64.v1": ahash, "dhash64.v1": dhash}, **more)


def words(assessment: MatchAssessment | None) -> tuple[Strength, MatchRelation] | None:
    return None if assessment is None else (assessment.strength, assessment.relation)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (MatchEvidence(same_digest=True), EXACT),
        (MatchEvidence(same_digest=True, compared=True), EXACT),
        # PDQ, with and without the picture
        (MatchEvidence(pdq_distance=0), same_picture(Strength.VERY_STRONG)),
        (MatchEvidence(pdq_distance=10), same_picture(Strength.VERY_STRONG)),
        (MatchEvidence(pdq_distance=11), same_picture(Strength.STRONG)),
        (MatchEvidence(pdq_distance=31), same_picture(Strength.STRONG)),
        (MatchEvidence(pdq_distance=31, compared=True), same_picture(Strength.STRONG)),
        (MatchEvidence(pdq_distance=8, pdq_orientation=5), made_from(Strength.VERY_STRONG)),
        # geometry
        (compared(100), made_from(Strength.VERY_STRONG)),
        (compared(45), made_from(Strength.VERY_STRONG)),
        (compared(44), made_from(Strength.STRONG)),
        (compared(18), made_from(Strength.STRONG)),
        (compared(17), made_from(Strength.MODERATE)),
        (compared(13), made_from(Strength.MODERATE)),
        (compared(12), SUSPICION),
        (compared(8), SUSPICION),
        # on a small spot, features count in proportion; on a smaller one they prove a logo
        (compared(90, spread=0.05), made_from(Strength.VERY_STRONG)),
        (compared(88, spread=0.05), made_from(Strength.STRONG)),
        (compared(60, spread=0.03), made_from(Strength.STRONG)),
        (compared(60, spread=0.0299), SUSPICION),
        # few features, where the windows agree
        (compared(6, dense=AGREES), made_from(Strength.MODERATE)),
        (compared(6, dense=replace(AGREES, agreeing=0.7)), made_from(Strength.MODERATE)),
        (compared(8, dense=replace(AGREES, agreeing=0.699)), SUSPICION),
        # a descriptor alone
        (MatchEvidence(descriptor_similarity=0.9, descriptor_rate=1e-6), made_from(Strength.MODERATE)),
        (MatchEvidence(descriptor_similarity=0.9, descriptor_rate=1.1e-6), SUSPICION),
        (MatchEvidence(descriptor_similarity=0.6, descriptor_rate=1e-4), SUSPICION),
        # a hash of a list that others keep, alone
        (by_hash_list(dhash=8), SUSPICION),
        (by_hash_list(dhash=64, ahash=0), SUSPICION),
        # a different capture of one scene
        (compared(90, pairs=100, pdq_distance=25, dense=DIFFERS), SUSPICION),
        (compared(90, pairs=150, dense=MOVED), SUSPICION),
        (compared(90, pairs=100, dense=MOVED), made_from(Strength.VERY_STRONG)),
        # but for its faces a copy: they were exchanged
        (compared(90, pairs=150, dense=MOVED, outside_faces=STAYED), made_from(Strength.VERY_STRONG)),
        # another frame of one video: the body moved with the head, the grain is the same
        (compared(90, pairs=100, dense=MOVED, outside_faces=BODY_MOVED), SUSPICION),
    ],
)
def test_each_rule_gives_its_word(
    evidence: MatchEvidence, expected: tuple[Strength, MatchRelation]
) -> None:
    assert words(assess(evidence, LIMITS)) == expected


@pytest.mark.parametrize(
    "evidence",
    [
        MatchEvidence(),
        MatchEvidence(pdq_distance=32),
        MatchEvidence(pdq_distance=80, compared=True),
        by_hash_list(dhash=9),
        by_hash_list(dhash=0, compared=True),
        by_hash_list(dhash=0, pdq_distance=32),
        by_hash_list(dhash=0, descriptor_similarity=0.3, descriptor_rate=0.1),
        MatchEvidence(descriptor_similarity=0.99, descriptor_rate=1e-9, compared=True, inliers=3),
        MatchEvidence(descriptor_similarity=0.9),  # of a kind that nobody calibrated
        MatchEvidence(descriptor_similarity=0.3, descriptor_rate=1.1e-4),
        compared(7),
        compared(60, spread=0.01),
        compared(14, spread=0.04),
        compared(5, dense=AGREES),
        compared(7, pairs=12, spread=0.3, dense=DIFFERS),
    ],
)
def test_a_coincidence_is_no_match(evidence: MatchEvidence) -> None:
    assert assess(evidence, LIMITS) is None


COVERED: dict[str, Any] = {"query_coverage": 0.9, "reference_coverage": 0.9, "pdq_distance": 31}


@pytest.mark.parametrize(
    ("changed", "relation"),
    [
        ({}, MatchRelation.SAME_PICTURE),
        ({"query_coverage": 0.89}, MatchRelation.DERIVATIVE),
        ({"reference_coverage": 0.89}, MatchRelation.DERIVATIVE),
        ({"pdq_distance": 32}, MatchRelation.DERIVATIVE),
        ({"pdq_distance": None}, MatchRelation.DERIVATIVE),
        ({"is_mirrored": True}, MatchRelation.DERIVATIVE),
        ({"pdq_orientation": 2}, MatchRelation.DERIVATIVE),
    ],
)
def test_the_same_picture_covers_the_other_upright_and_is_near_by_pdq(
    changed: dict[str, Any], relation: MatchRelation
) -> None:
    assessment = assess(compared(200, **(COVERED | changed)), LIMITS)
    assert words(assessment) == (Strength.VERY_STRONG, relation)


def test_of_geometry_and_pdq_the_surer_one_speaks() -> None:
    assert words(assess(compared(14, pdq_distance=4), LIMITS)) == same_picture(Strength.VERY_STRONG)
    assert words(assess(compared(200, pdq_distance=31), LIMITS)) == made_from(Strength.VERY_STRONG)


def test_a_different_capture_keeps_a_share_of_the_confidence_that_it_would_have_had() -> None:
    of_a_copy = assess(compared(90, pairs=100), LIMITS)
    of_a_scene = assess(compared(90, pairs=100, dense=DIFFERS), LIMITS)
    assert of_a_copy is not None
    assert of_a_scene is not None
    assert of_a_scene.confidence == pytest.approx(SUSPICION_FACTOR * of_a_copy.confidence)


def test_more_agreement_never_means_less_confidence() -> None:
    by_inliers = [assess(compared(inliers), LIMITS) for inliers in range(8, 300)]
    by_pdq = [assess(MatchEvidence(pdq_distance=bits), LIMITS) for bits in range(31, -1, -1)]
    for assessments in (by_inliers, by_pdq):
        confidences = [assessment.confidence for assessment in assessments if assessment]
        assert len(confidences) == len(assessments)
        assert confidences == sorted(confidences)
        assert 0 < confidences[0] < confidences[-1] < 1


def test_similarity_breaks_the_tie_between_two_that_agree_as_much() -> None:
    near, far = (
        assess(compared(20, descriptor_similarity=similarity), LIMITS) for similarity in (0.9, 0.5)
    )
    assert near is not None
    assert far is not None
    assert near.confidence > far.confidence
    more = assess(compared(21), LIMITS)
    assert more is not None
    assert more.confidence > near.confidence


@pytest.mark.parametrize(
    ("inliers", "spread", "counted"),
    [(20, 0.1, 20), (20, 0.5, 20), (20, 0.05, 10), (20, 0.0, 0), (0, 0.4, 0)],
)
def test_features_that_lie_close_together_count_for_fewer(
    inliers: int, spread: float, counted: float
) -> None:
    assert agreement(compared(inliers, spread), LIMITS) == pytest.approx(counted)


@pytest.mark.parametrize(("distance", "near"), [(None, False), (0, True), (31, True), (32, False)])
def test_pdq_is_near_within_the_radius(distance: int | None, near: bool) -> None:
    assert is_near_by_pdq(MatchEvidence(pdq_distance=distance), LIMITS) is near


@pytest.mark.parametrize(
    ("evidence", "verified"),
    [
        (MatchEvidence(), False),
        (MatchEvidence(pdq_distance=0), False),
        (compared(13), True),
        (compared(12), False),
        (compared(44, spread=0.03), True),
        (compared(60, spread=0.0299), False),
        (compared(6, dense=AGREES), True),
        (compared(5, dense=AGREES), False),
        (compared(90, pairs=100, dense=DIFFERS), False),
    ],
)
def test_a_match_is_verified_where_the_pictures_agree_on_one_geometry(
    evidence: MatchEvidence, verified: bool
) -> None:
    assert is_verified(evidence, LIMITS) is verified


@pytest.mark.parametrize(
    ("evidence", "worth_warping"),
    [
        (compared(6), True),
        (compared(5), False),
        (compared(21, spread=0.03), True),
        (compared(60, spread=0.0299), False),
    ],
)
def test_pictures_are_warped_only_where_that_can_still_confirm_them(
    evidence: MatchEvidence, worth_warping: bool
) -> None:
    assert may_be_verified(evidence, LIMITS) is worth_warping


def dense(**changed: float) -> DenseAgreement:
    return replace(DenseAgreement(agreeing=0.8, disagreeing=0.1, moved=0.0, fine=0.9), **changed)


@pytest.mark.parametrize(
    ("measured", "inliers", "different"),
    [
        (dense(), 100, False),
        # It differs all over: few windows agree, many disagree, some seem to be elsewhere.
        (dense(agreeing=0.599, disagreeing=0.251, displaced=0.01), 59, True),
        (dense(agreeing=0.6, disagreeing=0.251, displaced=0.01), 59, False),
        (dense(agreeing=0.599, disagreeing=0.25, displaced=0.01), 59, False),
        # A half that was mirrored, a pattern, lines, snow: the features stayed, or nothing is elsewhere.
        (dense(agreeing=0.47, disagreeing=0.42, displaced=0.09), 60, False),
        (dense(agreeing=0.3, disagreeing=0.37, displaced=0.0099), 50, False),
        # Two pictures that have a part in common.
        (dense(agreeing=0.4, disagreeing=0.451), 90, True),
        (dense(agreeing=0.4, disagreeing=0.45), 90, False),
        # Something moved, and the features or the grain say that it is no copy.
        (dense(moved=0.008, fine=0.599), 79, True),
        (dense(moved=0.0079, fine=0.599), 79, False),
        (dense(moved=0.008, fine=0.6), 79, False),
        (dense(moved=0.008, fine=0.599), 80, False),
        # So much moved that the features say it alone.
        (dense(moved=0.016), 49, True),
        (dense(moved=0.016), 50, False),
        (dense(moved=0.0159), 49, False),
        # Where nearly everything agrees, nothing is said to have moved.
        (dense(moved=0.06, agreeing=0.85), 49, False),
        (dense(moved=0.06, agreeing=0.849), 49, True),
    ],
)
def test_a_different_capture_differs_all_over_or_shows_things_in_other_places(
    measured: DenseAgreement, inliers: int, different: bool
) -> None:
    assert is_different_capture(compared(inliers, pairs=100, dense=measured), LIMITS) is different


@pytest.mark.parametrize(
    ("inliers", "displaced", "different"), [(74, 0.014, True), (75, 0.014, False), (74, 0.0139, False)]
)
def test_with_people_in_it_a_frame_of_the_same_video_keeps_the_grain_and_loses_features(
    inliers: int, displaced: float, different: bool
) -> None:
    measured = dense(moved=0.0, fine=0.9, displaced=displaced)
    outside = dense(agreeing=0.7, disagreeing=0.2)
    evidence = compared(inliers, pairs=100, dense=measured, outside_faces=outside)
    assert is_different_capture(evidence, LIMITS) is different
    assert not is_different_capture(replace(evidence, outside_faces=None), LIMITS)


def test_no_other_shot_overrules_a_pdq_distance_of_a_re_encode() -> None:
    assert is_different_capture(compared(90, pairs=100, pdq_distance=11, dense=DIFFERS), LIMITS)
    assert not is_different_capture(compared(90, pairs=100, pdq_distance=10, dense=DIFFERS), LIMITS)


@pytest.mark.parametrize(
    ("outside_faces", "different"),
    [
        (None, True),
        (DenseAgreement(agreeing=0.9, disagreeing=0.04, moved=0.0099, fine=0.9), False),
        (DenseAgreement(agreeing=0.899, disagreeing=0.04, moved=0.0, fine=0.9), True),
        (DenseAgreement(agreeing=0.9, disagreeing=0.0401, moved=0.0, fine=0.9), True),
        # Bodies moved too, and what stood still has the same grain: another frame of one video.
        (DenseAgreement(0.9, 0.04, moved=0.01, fine=0.5), True),
        (DenseAgreement(0.9, 0.04, moved=0.0099, fine=0.5), False),
        # A network drew it anew, which does not keep the grain.
        (DenseAgreement(0.9, 0.04, moved=0.02, fine=0.499, displaced=0.02), False),
        (DenseAgreement(0.9, 0.04, moved=0.03, fine=0.499, displaced=0.03), True),
    ],
)
def test_what_lies_outside_the_faces_tells_a_new_face_from_a_different_capture(
    outside_faces: DenseAgreement | None, different: bool
) -> None:
    evidence = compared(90, pairs=100, dense=DIFFERS, outside_faces=outside_faces)
    assert is_different_capture(evidence, LIMITS) is different


@pytest.mark.parametrize(
    ("measured", "looked_at_again"),
    [(None, False), (dense(), False), (dense(moved=0.008), True), (DIFFERS, True)],
)
def test_faces_are_left_out_only_where_that_could_change_the_answer(
    measured: DenseAgreement | None, looked_at_again: bool
) -> None:
    evidence = compared(100, dense=measured)
    assert may_be_different_capture(evidence, LIMITS) is looked_at_again


@pytest.mark.parametrize(
    ("evidence", "in_time", "expected"),
    [
        # Along a segment, a different capture is excluded, and a copy of footage is never the same picture.
        (compared(90, pairs=100, dense=DIFFERS), True, made_from(Strength.VERY_STRONG)),
        (compared(200, **COVERED), True, made_from(Strength.VERY_STRONG)),
        (compared(9), True, (Strength.WEAK, MatchRelation.DERIVATIVE)),
        (compared(7), True, None),
        (compared(7, pdq_distance=0), True, None),
        (
            MatchEvidence(descriptor_similarity=0.9, descriptor_rate=1e-7),
            True,
            made_from(Strength.MODERATE),
        ),
        # One frame is a suspicion, however well it agrees.
        (compared(200, **COVERED), False, SUSPICION),
        (MatchEvidence(same_digest=True), False, SUSPICION),
        (compared(7), False, None),
    ],
)
def test_of_two_videos_frames_that_agree_along_a_segment_confirm(
    evidence: MatchEvidence, in_time: bool, expected: tuple[Strength, MatchRelation] | None
) -> None:
    assert words(assess_video(evidence, LIMITS, in_time=in_time)) == expected


def test_every_limit_comes_from_the_thresholds() -> None:
    strict = Thresholds(inliers_moderate=20, inliers_strong=30, pdq_same_bits=12)
    assert words(assess(compared(19), strict)) == SUSPICION
    assert words(assess(compared(20), strict)) == made_from(Strength.MODERATE)
    assert assess(MatchEvidence(pdq_distance=13), strict) is None


def content(**changed: float) -> ContentAgreement:
    """Nothing differs but what is named."""
    same = {
        "differing": 0.0,
        "exchanged": 0.0,
        "vanished": 0.0,
        "appeared": 0.0,
        "lost": 0.0,
        "gained": 0.0,
    }
    return ContentAgreement(**{"agreeing": 1.0, "fields": 0, "region": None, **same, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measured", "inliers", "expected"),
    [
        (content(exchanged=0.035), 70, True),
        (content(exchanged=0.0349), 70, False),
        (content(exchanged=0.005, fields=2), 70, True),  # two fields of a form
        (content(exchanged=0.005, fields=1), 70, False),  # one, which somebody forged
        (content(exchanged=0.0049, fields=2), 70, False),
        (content(vanished=0.2, appeared=0.02), 70, True),  # a chart: what went and what came
        (content(vanished=0.2, appeared=0.01), 70, False),
        (content(vanished=0.2), 50, False),  # rubbed out, which a copy can be
        (content(exchanged=0.02, differing=0.055), 70, True),
        (content(exchanged=0.019, differing=0.055), 70, False),
        (content(exchanged=0.02, differing=0.054), 70, False),
        (content(exchanged=0.02), 58, True),
        (content(differing=0.04, lost=0.03, gained=0.1), 58, True),
        (content(differing=0.04, lost=0.03, gained=0.1), 59, False),
        (
            content(exchanged=0.2, appeared=0.31, lost=0.02),
            50,
            True,
        ),  # the grain of a photograph, and other letters
        (content(exchanged=0.5), 73, False),  # the features say that it is a copy
    ],
)
def test_other_content_in_the_same_layout(measured: ContentAgreement, inliers: int, expected: bool) -> None:
    evidence = compared(inliers, pairs=100, pdq_distance=20, content=measured)
    assert shows_other_content(evidence, LIMITS) is expected
    assert is_verified(evidence, LIMITS) is not expected
    assert (words(assess(evidence, LIMITS)) == SUSPICION) is expected


@pytest.mark.parametrize(
    ("measured", "places", "expected"),
    [
        (content(exchanged=0.01), 93, True),  # 74 of 93 are fewer than 0.80
        (content(exchanged=0.01), 92, False),
        (content(exchanged=0.0099), 93, False),
        (content(differing=0.06, lost=0.04, gained=0.1), 93, True),  # another label on a pack
        (content(differing=0.06, lost=0.039, gained=0.1), 93, False),
        (content(differing=0.06, lost=0.04, gained=0.1), 0, False),  # not known
    ],
)
def test_where_few_places_agree_less_must_be_another(
    measured: ContentAgreement, places: int, *, expected: bool
) -> None:
    evidence = compared(74, pairs=100, places=places, content=measured)
    assert shows_other_content(evidence, LIMITS) is expected
    few_features = compared(44, pairs=60, places=56, content=measured)  # a small face, exchanged
    assert not shows_other_content(few_features, LIMITS)


@pytest.mark.parametrize(
    ("measured", "fine", "expected"),
    [
        (content(exchanged=0.02, fields=3), 0.25, True),
        (content(exchanged=0.02, fields=3), 0.24, False),  # after a blur, letters are other letters
        (content(exchanged=0.02, fields=3, differing=0.055), 0.24, True),
        (content(exchanged=0.035), 0.0, True),
    ],
)
def test_in_a_blurred_copy_much_must_be_another(
    measured: ContentAgreement, fine: float, *, expected: bool
) -> None:
    evidence = compared(70, pairs=100, content=measured, dense=dense(fine=fine))
    assert shows_other_content(evidence, LIMITS) is expected


@pytest.mark.parametrize(
    ("replaced", "fields", "inliers", "disagreeing", "expected"),
    [
        (0.035, 2, 80, 0.02, True),  # two lines beside a large brand mark
        (0.034, 2, 80, 0.02, False),
        (0.035, 1, 80, 0.02, False),
        (0.035, 2, 81, 0.02, False),
        (0.035, 2, 80, 0.019, False),
    ],
)
def test_where_features_are_in_place_much_of_two_fields_must_be_another(
    replaced: float, fields: int, inliers: int, disagreeing: float, *, expected: bool
) -> None:
    measured = content(exchanged=replaced, fields=fields)
    seen = dense(agreeing=0.95, disagreeing=disagreeing)
    evidence = compared(inliers, pairs=100, places=inliers, content=measured, dense=seen)
    assert shows_other_content(evidence, LIMITS) is expected


@pytest.mark.parametrize(
    ("agreeing", "disagreeing", "expected"),
    [(0.90, 0.04, True), (0.89, 0.04, False), (0.90, 0.05, False)],
)
def test_what_was_made_straight_agrees_nearly_everywhere(
    agreeing: float, disagreeing: float, *, expected: bool
) -> None:
    evidence = compared(80, dense=dense(agreeing=agreeing, disagreeing=disagreeing))
    assert is_verified(evidence, LIMITS)
    assert is_verified_straight(evidence, LIMITS) is expected


def test_the_same_bytes_are_the_same_asset_whatever_was_measured() -> None:
    evidence = compared(50, pairs=100, same_digest=True, content=content(exchanged=0.5))
    assert words(assess(evidence, LIMITS)) == EXACT


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (compared(70, pairs=100, dense=dense()), True),
        (compared(72, pairs=100, dense=dense()), True),
        (
            compared(73, pairs=100, dense=dense(disagreeing=0.019)),
            False,
        ),  # the features say that it is a copy
        (compared(73, pairs=100, dense=dense(disagreeing=0.02)), True),  # and windows that it may not be
        (compared(81, pairs=100, dense=dense()), False),
        (compared(5, pairs=10, dense=dense(agreeing=0.5)), False),  # not a match anyway
        (compared(5, pairs=10, pdq_distance=31, dense=dense(agreeing=0.5)), True),
        (compared(70, pairs=100), False),
        (compared(57, pairs=99, dense=dense()), True),
        (compared(58, pairs=99, dense=dense(disagreeing=0.019)), False),  # too few to say so
    ],
)
def test_only_where_something_is_left_to_differ_is_looked_at_closely(
    evidence: MatchEvidence, expected: bool
) -> None:
    assert may_show_other_content(evidence, LIMITS) is expected
