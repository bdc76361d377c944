"""What a page says of the direction of a match: never that an original was made from its fake."""

from datetime import UTC, datetime

import pytest

from registry.web.families import direction_in_words
from sdk.models import AlterationShown, Direction, Match, MatchRelation, RecordSummary, Strength
from sdk.records import AssetClass

FROM, TO, UNKNOWN = Direction.FROM_REFERENCE, Direction.TO_REFERENCE, Direction.UNKNOWN


@pytest.mark.parametrize(
    ("direction", "alteration", "words"),
    [
        (FROM, None, "upload made from it"),
        (FROM, AlterationShown.SHOWN, "upload made from it"),
        (FROM, AlterationShown.NOT_SHOWN, None),
        (FROM, AlterationShown.NOT_IN_FRAME, None),
        (FROM, AlterationShown.UNKNOWN, None),
        (TO, AlterationShown.UNKNOWN, "made from what the upload shows"),
        (UNKNOWN, None, None),
    ],
)
def test_an_upload_is_made_from_a_fake_only_where_it_shows_it(
    direction: Direction, alteration: AlterationShown | None, words: str | None
) -> None:
    record = RecordSummary(
        id="a",
        label="a",
        asset_class=AssetClass.AUTHENTIC if alteration is None else AssetClass.KNOWN_FAKE,
        publisher="p",
        publisher_name="Lab",
        registered_at=datetime(2026, 3, 1, tzinfo=UTC),
        status="active",
        log_index=0,
    )
    match = Match(
        record=record,
        relation=MatchRelation.DERIVATIVE,
        direction=direction,
        strength=Strength.STRONG,
        alteration=alteration,
        operations=(),
        verified=True,
        explanation="",
        receipt=None,
    )
    assert direction_in_words(match) == words
