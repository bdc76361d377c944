"""The order of matches, and what the operations that were found make of a match."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from indexer.compare.derivation import Derivation
from indexer.compare.vocabulary import Operation
from indexer.operations import Degree, OperationType
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.candidates import Candidate
from registry.match.evidence_rules import MatchAssessment
from registry.match.match_evidence import MatchEvidence
from registry.match.matched import (
    MatchedRecord,
    MatchedSegment,
    are_pictures_compared,
    changes_content,
)
from registry.match.matching import MAXIMUM_MATCHES, worth_an_answer
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, Strength
from tests.registry.match.rows import record


def operation(type_: OperationType, degree: Degree = Degree.CLEAR) -> Operation:
    return Operation(type_, degree, "a sentence")


def matched(
    strength: Strength = Strength.STRONG,
    confidence: float = 0.5,
    relation: MatchRelation = MatchRelation.SAME_PICTURE,
    operations: tuple[Operation, ...] = (),
) -> MatchedRecord:
    assessment = MatchAssessment(strength, relation, confidence)
    return MatchedRecord(Candidate(record(), MatchEvidence(), ("pdq.v1",)), assessment, operations)


@pytest.mark.parametrize(
    ("operations", "changes"),
    [
        ((), False),
        ((operation(OperationType.CROPPED),), False),
        ((operation(OperationType.COLOUR, Degree.STRONG), operation(OperationType.RESIZED)), False),
        ((operation(OperationType.OVERLAY, Degree.SLIGHT),), False),
        ((operation(OperationType.OVERLAY, Degree.CLEAR),), True),
        ((operation(OperationType.CROPPED), operation(OperationType.LOCAL_EDIT, Degree.STRONG)), True),
        # Another face is never slight.
        ((operation(OperationType.FACE_SWAP, Degree.SLIGHT),), True),
        ((operation(OperationType.FACE_REENACTED, Degree.SLIGHT),), True),
        ((operation(OperationType.FACE_EDITED, Degree.SLIGHT),), False),
    ],
)
def test_content_changes_where_something_else_is_clearly_shown(
    operations: tuple[Operation, ...], changes: bool
) -> None:
    assert changes_content(operations) is changes
    assert matched(operations=operations).changes_content is changes


def test_the_stronger_match_comes_first_then_the_unchanged_one_then_the_surer_one() -> None:
    edit = (operation(OperationType.LOCAL_EDIT),)
    ordered = [
        matched(Strength.EXACT, 0.1),
        matched(Strength.VERY_STRONG, 0.9),
        matched(Strength.VERY_STRONG, 0.8),
        matched(Strength.VERY_STRONG, 0.95, operations=edit),
        matched(Strength.STRONG, 0.99),
        matched(Strength.MODERATE, 0.99),
        matched(Strength.WEAK, 0.99),
    ]
    mixed = [*ordered[4:], *ordered[:4]]
    assert sorted(mixed, key=lambda match: match.rank_key) == ordered


@pytest.mark.parametrize(
    ("relation", "found", "then"),
    [
        (MatchRelation.SAME_PICTURE, OperationType.LOCAL_EDIT, MatchRelation.DERIVATIVE),
        (MatchRelation.SAME_PICTURE, OperationType.STRETCHED, MatchRelation.DERIVATIVE),
        (MatchRelation.SAME_PICTURE, OperationType.CROPPED, MatchRelation.DERIVATIVE),
        (MatchRelation.SAME_PICTURE, OperationType.RESIZED, MatchRelation.SAME_PICTURE),
        (MatchRelation.DERIVATIVE, OperationType.RESIZED, MatchRelation.DERIVATIVE),
        (MatchRelation.POSSIBLY_RELATED, OperationType.LOCAL_EDIT, MatchRelation.POSSIBLY_RELATED),
    ],
)
def test_with_other_content_it_is_no_longer_the_same_picture(
    relation: MatchRelation, found: OperationType, then: MatchRelation
) -> None:
    match = matched(relation=relation)
    described = match.described([operation(found)], ("a doubt",), None)
    assert described.assessment == replace(match.assessment, relation=then)
    assert described.operations == (operation(found),)
    assert described.uncertain == ("a doubt",)


def test_another_face_is_told_from_an_edited_one() -> None:
    assert matched(operations=(operation(OperationType.FACE_SWAP),)).shows_another_face
    assert not matched(operations=(operation(OperationType.FACE_EDITED),)).shows_another_face


def test_near_copies_do_not_push_a_fake_out_of_the_answer() -> None:
    copies, fake = [matched() for _ in range(MAXIMUM_MATCHES + 5)], matched(confidence=0.1)
    fake.record.asset_class = "known_fake"
    answered = worth_an_answer([*copies, fake])
    assert answered == [*copies[: MAXIMUM_MATCHES - 1], fake]
    assert worth_an_answer(copies) == copies[:MAXIMUM_MATCHES]


def test_footage_that_frames_prove_was_compared_whatever_its_best_pair_looks_like() -> None:
    footage = (MatchedSegment(TemporalSegment(0.0, 8.0, 1.0, 0.0, 1.0), ()),)
    on_a_spot = MatchEvidence(compared=True, inliers=90, pairs=100, spread=0.0)
    for evidence, segments, expected in (
        (on_a_spot, footage, True),
        (on_a_spot, (), False),
        (MatchEvidence(), footage, False),
    ):
        candidate = Candidate(record(), evidence, ("pdq.v1",))
        match = replace(matched(), candidate=candidate, segments=segments)
        assert are_pictures_compared(match, Thresholds()) is expected


def test_what_may_be_another_moment_is_not_called_the_same_picture() -> None:
    derivation = cast(Derivation, SimpleNamespace(leaves_a_change_open=True))
    described = matched().described([], ("a doubt",), derivation)
    assert described.assessment.relation is MatchRelation.DERIVATIVE
    certain = cast(Derivation, SimpleNamespace(leaves_a_change_open=False))
    assert matched().described([], (), certain).assessment.relation is MatchRelation.SAME_PICTURE
