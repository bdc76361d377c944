"""What a page says of matches: never that an original was made from its fake."""

from datetime import UTC, datetime
from typing import Any

import pytest

from registry.web.families import (
    direction_in_words,
    families_shown,
    originals_shown,
    possible_matches,
)
from sdk.models import (
    AlterationShown,
    Computed,
    Direction,
    Freshness,
    Match,
    MatchAnswer,
    MatchRelation,
    RecordSummary,
    Strength,
    Verdict,
    VerdictKind,
)
from sdk.records import AssetClass

DAY = datetime(2026, 3, 1, tzinfo=UTC)
FROM, TO, UNKNOWN = Direction.FROM_REFERENCE, Direction.TO_REFERENCE, Direction.UNKNOWN


def matched(name: str, strength: Strength = Strength.STRONG, **more: Any) -> Match:
    record = RecordSummary(
        id=name,
        label=name,
        asset_class=AssetClass.KNOWN_FAKE,
        publisher="p",
        publisher_name="Lab",
        registered_at=DAY,
        status="active",
        log_index=0,
    )
    return Match(
        record=record,
        relation=MatchRelation.DERIVATIVE,
        strength=strength,
        operations=(),
        verified=True,
        explanation="",
        receipt=None,
        **more,
    )


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
    assert direction_in_words(matched("a", direction=direction, alteration=alteration)) == words


def source(name: str, **changes: Any) -> RecordSummary:
    kept = matched(name).record.model_copy(update={"preview": f"/v1/records/{name}/preview"})
    return kept.model_copy(update=changes)


def test_what_a_fake_was_made_from_is_shown_where_anybody_may_see_it() -> None:
    sources = (
        source("open"),
        source("intimate", intimate=True),
        source("without a picture", preview=None),
        source("withdrawn", status="withdrawn"),
    )
    match = matched("fake", made_from=sources)
    assert [one.id for one in originals_shown(match)] == ["open"]
    of_an_intimate_fake = match.model_copy(update={"record": source("fake", intimate=True)})
    assert originals_shown(of_an_intimate_fake) == ()


@pytest.mark.parametrize(
    ("strengths", "alone", "possible"),
    [
        ((Strength.STRONG, Strength.MODERATE, Strength.WEAK), ["0", "1"], ["2"]),
        ((Strength.WEAK, Strength.WEAK), ["0"], ["1"]),
    ],
)
def test_confirmed_matches_of_an_answer_without_families_are_not_called_possible(
    strengths: tuple[Strength, ...], alone: list[str], possible: list[str]
) -> None:
    answer = MatchAnswer(
        answered_at=DAY,
        computed=Computed(digest_sha256=None, kinds=(), quality=None, media_type=None),
        verdict=Verdict(kind=VerdictKind.REGISTERED_ORIGINAL, sentence=""),
        matches=tuple(matched(str(number), strength=strength) for number, strength in enumerate(strengths)),
        index=Freshness(records_searched=1, position=1, lag=0, checkpoint_size=1),
    )
    assert [lead.record.id for lead, _ in families_shown(answer)] == alone
    assert [match.record.id for match in possible_matches(answer)] == possible
