"""What speaks for a fake, and what puts a claim in doubt, where a face cannot be told."""

from types import SimpleNamespace
from typing import cast

import pytest

from indexer.compare.derivation import Derivation
from registry.match.candidates import Candidate
from registry.match.evidence_rules import MatchAssessment
from registry.match.matched import MatchedRecord
from registry.publish.corroboration import same_fakes_of_others
from registry.publish.disputes import is_near_copy
from registry.records.statements import VerifiedStatement
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, Strength
from sdk.records import AssetClass
from tests.registry.match.evidence import compared
from tests.registry.match.rows import record


def matched(*, may_be_other_moment: bool = False, leaves_a_change_open: bool = False) -> MatchedRecord:
    derivation = SimpleNamespace(
        may_be_other_moment=may_be_other_moment, leaves_a_change_open=leaves_a_change_open
    )
    fake = record("fake", publisher_id="first")
    fake.asset_class = AssetClass.KNOWN_FAKE
    return MatchedRecord(
        Candidate(fake, compared(inliers=90), ("pdq.v1",)),
        MatchAssessment(Strength.VERY_STRONG, MatchRelation.DERIVATIVE, 0.9),
        derivation=cast(Derivation, derivation),
    )


@pytest.mark.parametrize(
    ("match", "speaks", "doubts"),
    [
        (matched(), True, True),
        (matched(leaves_a_change_open=True), False, True),
        (matched(may_be_other_moment=True, leaves_a_change_open=True), False, False),
    ],
    ids=["a copy", "a face that cannot be told", "another moment"],
)
def test_what_cannot_be_told_corroborates_nothing(match: MatchedRecord, speaks: bool, doubts: bool) -> None:
    statement = SimpleNamespace(asset_class=AssetClass.KNOWN_FAKE)
    verified = cast(VerifiedStatement, SimpleNamespace(statement=statement, publisher_id="second"))
    found = same_fakes_of_others(verified, (), [match], Thresholds(), is_media_seen=True)
    assert found == (["fake"] if speaks else [])
    assert is_near_copy(match) is doubts
