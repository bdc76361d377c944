"""What evidence amounts to: every rule, and both sides of every limit."""

from dataclasses import replace
from typing import Any

import pytest

from indexer.compare.dense import DenseAgreement
from registry.match.evidence_rules import (
    SUSPICION_FACTOR,
    agreement,
    assess,
    assess_video,
    is_near_by_pdq,
    is_verified,
    is_verified_straight,
    may_be_different_capture,
    may_be_verified,
    may_show_other_content,
    rests_on_pdq,
)
from registry.match.match_evidence import MatchEvidence
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, Strength
from tests.registry.match.evidence import DIFFERS, LIMITS, SUSPICION, compared, content, dense, words

AGREES = DenseAgreement(agreeing=0.8, disagreeing=0.05, moved=0.0, fine=0.2)
MOVED = DenseAgreement(agreeing=0.8, disagreeing=0.1, moved=0.05, fine=0.3)
STAYED = DenseAgreement(agreeing=0.97, disagreeing=0.01, moved=0.0, fine=0.5)
BODY_MOVED = DenseAgreement(agreeing=0.96, disagreeing=0.01, moved=0.03, fine=0.8, displaced=0.03)

EXACT = Strength.EXACT, MatchRelation.SAME_FILE


def made_from(strength: Strength) -> tuple[Strength, MatchRelation]:
    return strength, MatchRelation.DERIVATIVE


def same_picture(strength: Strength) -> tuple[Strength, MatchRelation]:
    return strength, MatchRelation.SAME_PICTURE


def by_hash_list(*, dhash: int, ahash: int = 64, **more: Any) -> MatchEvidence:
    return MatchEvidence(hash_list_distances={"ahash64.v1": ahash, "dhash64.v1": dhash}, **more)


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


@pytest.mark.parametrize(("coarse", "near"), [(None, True), (0.5, True), (0.49, False)])
def test_pdq_is_near_where_the_pictures_look_alike_or_were_not_asked(
    coarse: float | None, near: bool
) -> None:
    evidence = MatchEvidence(pdq_distance=5, compared=True, coarse=coarse)
    assert is_near_by_pdq(evidence, LIMITS) is near
    assert (assess(evidence, LIMITS) is not None) is near


@pytest.mark.parametrize(
    ("evidence", "rests"),
    [
        (compared(7, pdq_distance=31), True),
        (compared(7, pdq_distance=32), False),
        (compared(7, pdq_distance=31, coarse=0.49), False),
        (compared(13, pdq_distance=0), False),  # features confirm it too
        (compared(90, pairs=100, pdq_distance=10, dense=DIFFERS), True),  # and would, but for the windows
    ],
)
def test_where_pdq_alone_confirms_or_excuses_the_match_rests_on_it(
    evidence: MatchEvidence, *, rests: bool
) -> None:
    assert rests_on_pdq(evidence, LIMITS) is rests


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
