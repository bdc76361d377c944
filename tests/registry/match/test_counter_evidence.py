"""What speaks against a match: every rule, and both sides of every limit."""

from dataclasses import replace

import pytest

from indexer.compare.dense import DenseAgreement
from indexer.compare.layout import ContentAgreement
from registry.match.counter_evidence import is_different_capture, shows_other_content
from registry.match.evidence_rules import assess, is_verified
from tests.registry.match.evidence import DIFFERS, LIMITS, SUSPICION, compared, content, dense, words


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
    re_encoded = compared(90, pairs=100, pdq_distance=10, dense=DIFFERS)
    assert not is_different_capture(re_encoded, LIMITS)
    assert not is_different_capture(replace(re_encoded, coarse=0.5), LIMITS)
    assert is_different_capture(replace(re_encoded, coarse=0.49), LIMITS), "the value was forged"


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
        # a pattern came to one of the two, and nothing went
        (content(exchanged=0.05, gained=0.08), 50, False),
        (content(exchanged=0.05, gained=0.079), 50, True),
        (content(exchanged=0.05, appeared=0.1, lost=0.0029), 50, False),
        (content(exchanged=0.05, appeared=0.1, lost=0.0031), 50, True),
        (content(exchanged=0.05, lost=0.1), 50, False),  # or from the other
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
        (content(exchanged=0.019, fields=3, differing=0.055), 0.24, False),
        (content(exchanged=0.035), 0.0, True),
    ],
)
def test_in_a_blurred_copy_much_must_be_another(
    measured: ContentAgreement, fine: float, *, expected: bool
) -> None:
    evidence = compared(70, pairs=100, content=measured, dense=dense(fine=fine))
    assert shows_other_content(evidence, LIMITS) is expected


@pytest.mark.parametrize(
    ("inliers", "pairs", "places", "expected"),
    [(78, 100, 98, True), (79, 100, 99, False), (77, 99, 97, False)],
)
def test_places_are_counted_where_many_features_are_and_some_are_out_of_place(
    inliers: int, pairs: int, places: int, *, expected: bool
) -> None:
    evidence = compared(inliers, pairs=pairs, places=places, content=content(exchanged=0.01))
    assert shows_other_content(evidence, LIMITS) is expected


@pytest.mark.parametrize(
    ("agreeing", "disagreeing", "inliers", "expected"),
    [(0.59, 0.26, 78, True), (0.59, 0.26, 79, False), (0.6, 0.26, 78, False), (0.59, 0.25, 78, False)],
)
def test_windows_that_differ_as_in_two_captures_leave_room_for_one_field(
    agreeing: float, disagreeing: float, inliers: int, *, expected: bool
) -> None:
    seen = dense(agreeing=agreeing, disagreeing=disagreeing)
    evidence = compared(inliers, pairs=100, content=content(exchanged=0.035, fields=1), dense=seen)
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
    fewer = replace(evidence, inliers=inliers - 1, pairs=99)
    assert not shows_other_content(fewer, LIMITS)
