"""One paragraph of plain words about one match."""

from datetime import UTC, datetime
from typing import Any

import pytest

from indexer.compare.dense import DenseAgreement
from indexer.compare.vocabulary import Operation
from indexer.operations import Degree, Direction, OperationType
from registry.match.candidates import Candidate
from registry.match.evidence_rules import MatchAssessment, is_verified
from registry.match.explanation import WHICH_WAY_UNKNOWN, explain, faces_uncertainty
from registry.match.facts import MatchFacts
from registry.match.match_evidence import MatchEvidence
from registry.match.matched import MatchedRecord
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, RecordSummary, Strength
from sdk.records import AssetClass
from tests.registry.match.rows import record

WHO = "'the bridge', registered by Daily Example on 2026-03-04"
COMPARED = MatchEvidence(compared=True, inliers=90, pairs=90, spread=0.4)
DIFFERENT_CAPTURE = MatchEvidence(
    compared=True,
    inliers=20,
    pairs=90,
    spread=0.4,
    dense=DenseAgreement(agreeing=0.4, disagreeing=0.4, moved=0.3, fine=0.2, displaced=0.3),
)
EDIT = Operation(OperationType.LOCAL_EDIT, Degree.CLEAR, "A part was edited.")


def summary(duration_s: float | None = None) -> RecordSummary:
    return RecordSummary(
        id="a",
        label="the bridge",
        asset_class=AssetClass.AUTHENTIC,
        publisher="p",
        publisher_name="Daily Example",
        registered_at=datetime(2026, 3, 4, 23, 59, tzinfo=UTC),
        status="active",
        log_index=0,
        duration_s=duration_s,
    )


def paragraph(
    relation: MatchRelation,
    evidence: MatchEvidence = COMPARED,
    duration_s: float | None = None,
    preview_key: str | None = None,
    **more: Any,
) -> str:
    assessment = MatchAssessment(Strength.STRONG, relation, 0.5)
    match = MatchedRecord(
        Candidate(record(preview_key=preview_key), evidence, ("pdq.v1",)), assessment, **more
    )
    facts = MatchFacts(
        summary(duration_s),
        assessment.strength,
        relation,
        match.direction,
        compared=is_verified(evidence, Thresholds()),
    )
    return explain(match, facts, Thresholds())


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (paragraph(MatchRelation.SAME_FILE), f"Byte for byte the registered file {WHO}."),
        (paragraph(MatchRelation.SAME_PICTURE), f"Shows the same picture as {WHO}."),
        (paragraph(MatchRelation.SAME_PICTURE, duration_s=9), f"Shows the same footage as {WHO}."),
        (
            paragraph(MatchRelation.POSSIBLY_RELATED),
            f"Resembles {WHO}, but no more than that could be confirmed.",
        ),
        (
            paragraph(MatchRelation.POSSIBLY_RELATED, MatchEvidence(hash_list_distances={"dhash64.v1": 3})),
            f"Has a hash like that of {WHO}. Only hashes of lists that others keep were compared, and "
            "unrelated pictures can share them: a person should look.",
        ),
        (
            paragraph(MatchRelation.DERIVATIVE, operations=(EDIT,)),
            f"Shares its picture with {WHO}. A part was edited. {WHICH_WAY_UNKNOWN}",
        ),
        (
            paragraph(MatchRelation.DERIVATIVE, operations=(EDIT,), direction=Direction.FROM_REFERENCE),
            f"Made from {WHO}. A part was edited.",
        ),
        (
            paragraph(MatchRelation.DERIVATIVE),
            f"Shares its picture with {WHO}. What was changed could not be named.",
        ),
        (
            paragraph(MatchRelation.DERIVATIVE, operations=(EDIT,), uncertain=("A doubt.",), where="Then."),
            f"Shares its picture with {WHO}. Then. A part was edited. A doubt. {WHICH_WAY_UNKNOWN}",
        ),
        (
            paragraph(MatchRelation.DERIVATIVE, MatchEvidence(pdq_distance=3)),
            f"Has fingerprints like those of {WHO}. Only fingerprints were compared: no picture of it is "
            "kept here.",
        ),
        # A picture is kept, and the upload came without its own.
        (
            paragraph(MatchRelation.DERIVATIVE, MatchEvidence(pdq_distance=3), preview_key="a.webp"),
            f"Has fingerprints like those of {WHO}. Only fingerprints were compared.",
        ),
    ],
)
def test_a_paragraph_says_what_it_is_where_and_what_was_done(said: str, expected: str) -> None:
    assert said == expected


def test_a_different_capture_is_said_to_show_another_moment() -> None:
    said = paragraph(MatchRelation.POSSIBLY_RELATED, DIFFERENT_CAPTURE)
    assert said.startswith(f"Has features of {WHO}, but what is in it differs or is in other places.")


def test_why_faces_were_not_compared_is_said_only_where_they_were_not() -> None:
    assert faces_uncertainty(None) == ()
    assert faces_uncertainty("it is off") == ("Whether a face was replaced was not looked at: it is off.",)
