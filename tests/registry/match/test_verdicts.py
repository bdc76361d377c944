"""What all matches mean together: which of them speaks, and in which words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from indexer.operations import OPERATIONS, Direction, OperationType, Severity
from registry.match.facts import MatchFacts
from registry.match.verdicts import NOT_IN_REGISTRY, conclude
from sdk.models import (
    AlterationShown,
    DeclaredSource,
    FakeStanding,
    MatchRelation,
    RecordSummary,
    Review,
    SourceAgreement,
    Standing,
    Strength,
    Verdict,
    VerdictKind,
)
from sdk.records import AssetClass

FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)


def record(label: str = "the bridge", day: int = 0, **more: Any) -> RecordSummary:
    given: dict[str, Any] = {
        "id": label,
        "label": label,
        "asset_class": AssetClass.AUTHENTIC,
        "publisher": "daily",
        "publisher_name": "Daily Example",
        "registered_at": FIRST_DAY + timedelta(days=day),
        "status": "active",
        "log_index": day,
    }
    return RecordSummary(**(given | more))


def facts(label: str = "the bridge", day: int = 0, **more: Any) -> MatchFacts:
    """A very strong match of one picture; what is no field of `MatchFacts` is one of its record."""
    of_match = {name: more.pop(name) for name in list(more) if name in MatchFacts.__dataclass_fields__}
    given: dict[str, Any] = {
        "strength": Strength.VERY_STRONG,
        "relation": MatchRelation.SAME_PICTURE,
        "record": record(label, day, **more),
    }
    return MatchFacts(**(given | of_match))


def fake(label: str = "the forgery", day: int = 1, **more: Any) -> MatchFacts:
    shown = {"alteration": AlterationShown.SHOWN, "asset_class": AssetClass.KNOWN_FAKE}
    lab = {"publisher": "lab", "publisher_name": "Lab"}
    return facts(label, day, **(shown | lab | more))


def made_from(label: str, *operations: OperationType) -> tuple[DeclaredSource, ...]:
    return (
        DeclaredSource(
            relation="derived_from",
            target=label,
            origin="declared",
            agreement=SourceAgreement.CONFIRMED,
            operations=operations,
        ),
    )


def verdict_of(*matches: MatchFacts) -> Verdict:
    return conclude(matches, None).verdict


WEAK: dict[str, Any] = {"strength": Strength.WEAK, "relation": MatchRelation.POSSIBLY_RELATED}
ALTERED: dict[str, Any] = {"relation": MatchRelation.DERIVATIVE}
CROPPED: dict[str, Any] = ALTERED | {
    "direction": Direction.FROM_REFERENCE,
    "operations": (OperationType.CROPPED,),
}
SWAPPED: dict[str, Any] = ALTERED | {
    "operations": (OperationType.FACE_SWAP,),
    "changes_content": True,
    "differs_where": "in the middle",
    "explained": 0.9,
}
REGISTERED = "'the bridge', registered by Daily Example"
FORGED = "'the forgery', registered by Lab"


@pytest.mark.parametrize(
    ("match", "kind", "severity", "sentence"),
    [
        (
            facts(),
            VerdictKind.REGISTERED_ORIGINAL,
            Severity.NONE,
            f"Very strong match: the same picture as {REGISTERED} as authentic.",
        ),
        (
            facts(strength=Strength.EXACT, relation=MatchRelation.SAME_FILE),
            VerdictKind.REGISTERED_ORIGINAL,
            Severity.NONE,
            f"Exact match: the very file {REGISTERED} as authentic.",
        ),
        (
            facts(operations=(OperationType.RE_ENCODED,)),
            VerdictKind.REGISTERED_ORIGINAL,
            Severity.TECHNICAL,
            f"Very strong match: the same picture as {REGISTERED} as authentic.",
        ),
        (
            facts(duration_s=9.0, strength=Strength.STRONG),
            VerdictKind.REGISTERED_ORIGINAL,
            Severity.NONE,
            f"Strong match: the same footage as {REGISTERED} as authentic.",
        ),
        (
            facts(**CROPPED),
            VerdictKind.DERIVATIVE_OF_ORIGINAL,
            Severity.EDITED,
            f"Very strong match: made from {REGISTERED} as authentic; changes: cropped.",
        ),
        (
            facts(**ALTERED, operations=(OperationType.MIRRORED,)),
            VerdictKind.DERIVATIVE_OF_ORIGINAL,
            Severity.EDITED,
            f"Very strong match: shares its picture with {REGISTERED} as authentic; changes: mirrored.",
        ),
        (
            facts(**SWAPPED),
            VerdictKind.DERIVATIVE_OF_ORIGINAL,
            Severity.PERSON_ALTERED,
            f"Very strong match: shares its picture with {REGISTERED} as authentic; "
            "in one of the two a face was replaced (face swap).",
        ),
        (
            facts(**ALTERED, direction=Direction.TO_REFERENCE, operations=(OperationType.BORDERED,)),
            VerdictKind.SHARES_PICTURE,
            Severity.NONE,
            f"Very strong match: shares its picture with {REGISTERED} as authentic; that was made from it, "
            "or from what it was made from.",
        ),
        (
            fake(source=record("the press photograph")),
            VerdictKind.KNOWN_FAKE,
            Severity.MISLEADING_CAPABLE,
            f"Very strong match: the same picture as {FORGED} as a known fake; "
            "that was made from 'the press photograph'.",
        ),
        (
            fake(**CROPPED, declared_sources=made_from("the press photograph", OperationType.FACE_SWAP)),
            VerdictKind.KNOWN_FAKE,
            Severity.PERSON_ALTERED,
            f"Very strong match: made from {FORGED} as a known fake; changes: cropped.",
        ),
        (
            fake(**SWAPPED, alteration=AlterationShown.UNKNOWN),
            VerdictKind.SHARES_PICTURE,
            Severity.NONE,
            f"Very strong match: shares its picture with {FORGED} as a known fake; "
            "the two differ in the middle, and which came first is not known.",
        ),
        (
            fake(**SWAPPED, alteration=AlterationShown.NOT_SHOWN),
            VerdictKind.SHARES_PICTURE,
            Severity.NONE,
            f"Very strong match: shares its picture with {FORGED} as a known fake; "
            "what was altered in that is not in this upload.",
        ),
        (
            fake(**CROPPED, alteration=AlterationShown.NOT_IN_FRAME),
            VerdictKind.SHARES_PICTURE,
            Severity.EDITED,
            f"Very strong match: shares its picture with {FORGED} as a known fake; "
            "the part that was altered in that is not in this upload.",
        ),
        (
            fake(**CROPPED, alteration=AlterationShown.UNKNOWN, shown=0.2),
            VerdictKind.SHARES_PICTURE,
            Severity.EDITED,
            f"Very strong match: shares its picture with {FORGED} as a known fake; it shows a part of that "
            "fake, and whether the altered part is in it is not known.",
        ),
        (
            fake(**ALTERED, direction=Direction.TO_REFERENCE, alteration=AlterationShown.UNKNOWN),
            VerdictKind.SHARES_PICTURE,
            Severity.NONE,
            f"Very strong match: shares its picture with {FORGED} as a known fake; "
            "this upload may be what that was made from.",
        ),
        (
            fake(asset_class=AssetClass.AI_GENERATED, strength=Strength.MODERATE, **CROPPED),
            VerdictKind.AI_GENERATED,
            Severity.EDITED,
            f"Moderate match: made from {FORGED} as AI-generated; changes: cropped.",
        ),
        (
            facts(asset_class=AssetClass.DERIVATIVE, source=record("the film")),
            VerdictKind.REGISTERED_DERIVATIVE,
            Severity.NONE,
            f"Very strong match: the same picture as {REGISTERED} as a derivative of something else; "
            "that was made from 'the film'.",
        ),
        (
            fake(compared=False),
            VerdictKind.ONE_OF_THESE,
            Severity.NONE,
            "Very strong match: by fingerprints alone it is this, or was made from the same picture: "
            f"{FORGED} as a known fake. Fingerprints cannot tell a fake from its original: the picture "
            "itself would have to be compared.",
        ),
        (
            facts(**WEAK),
            VerdictKind.POSSIBLE_MATCH,
            Severity.NONE,
            "Possibly related to 'the bridge' of Daily Example; a person should look.",
        ),
        (
            facts(**WEAK, in_common="has the same layout as"),
            VerdictKind.POSSIBLE_MATCH,
            Severity.NONE,
            "Has the same layout as 'the bridge' of Daily Example; a person should look.",
        ),
    ],
)
def test_one_match_gives_its_verdict_in_words(
    match: MatchFacts, kind: VerdictKind, severity: Severity, sentence: str
) -> None:
    verdict = verdict_of(match)
    assert verdict.sentence == sentence
    assert (verdict.kind, verdict.severity, verdict.record) == (kind, severity, match.record.id)


@pytest.mark.parametrize(
    ("insufficient_detail", "is_empty", "kind", "sentence"),
    [
        (None, False, VerdictKind.NOT_IN_REGISTRY, NOT_IN_REGISTRY),
        (
            None,
            True,
            VerdictKind.NOT_IN_REGISTRY,
            f"{NOT_IN_REGISTRY} Nothing is registered here yet.",
        ),
        (
            "one colour",
            False,
            VerdictKind.NOT_FINGERPRINTABLE,
            f"It cannot be recognised: one colour. {NOT_IN_REGISTRY}",
        ),
    ],
)
def test_without_a_match_nothing_is_said_of_authenticity(
    insufficient_detail: str | None, is_empty: bool, kind: VerdictKind, sentence: str
) -> None:
    verdict = conclude([], insufficient_detail, is_empty=is_empty).verdict
    assert (verdict.kind, verdict.sentence, verdict.record) == (kind, sentence, None)


def test_a_match_outweighs_that_the_upload_has_little_detail() -> None:
    sure = facts(strength=Strength.EXACT, relation=MatchRelation.SAME_FILE)
    assert conclude([sure], "one colour").verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert conclude([facts(**WEAK)], "one colour").verdict.kind is VerdictKind.POSSIBLE_MATCH


def test_a_fake_that_is_shown_speaks_before_its_original_which_is_the_stronger_match() -> None:
    verdict = verdict_of(facts(**SWAPPED), fake(strength=Strength.MODERATE))
    assert verdict.kind is VerdictKind.KNOWN_FAKE
    assert "'the forgery'" in verdict.sentence
    assert verdict.sentence.endswith(
        "Registered first: 'the bridge' by Daily Example on 2026-03-01, as authentic."
    )


def test_a_report_hides_nothing_of_what_is_said_without_it() -> None:
    alone = verdict_of(facts(**SWAPPED))
    reported = FakeStanding(standing=Standing.REPORTED)
    verdict = verdict_of(facts(**SWAPPED), fake(fake=reported))
    assert (verdict.kind, verdict.record) == (VerdictKind.REPORTED, "the forgery")
    assert verdict.severity is alone.severity is Severity.PERSON_ALTERED
    assert f"{REGISTERED} as authentic; in one of the two a face was replaced" in verdict.sentence


def test_what_is_merely_reported_speaks_where_nothing_else_does() -> None:
    reported = FakeStanding(standing=Standing.REPORTED)
    report = fake("the report", day=0, fake=reported)
    for confirmed in (fake(day=1), fake(day=1, asset_class=AssetClass.AI_GENERATED)):
        assert verdict_of(report, confirmed).record == confirmed.record.id


def test_it_is_said_that_a_reviewer_doubts_a_fake() -> None:
    doubt = Review(confirmed=False, reason="a parody", reviewer="r", at=FIRST_DAY)
    doubted = fake(fake=FakeStanding(standing=Standing.REPORTED, review=doubt))
    assert "as a fake, which a reviewer doubts" in verdict_of(doubted).sentence


def test_a_weak_match_never_speaks_beside_a_sure_one() -> None:
    assert verdict_of(fake(**WEAK), facts()).kind is VerdictKind.REGISTERED_ORIGINAL


@pytest.mark.parametrize(
    "shown", [AlterationShown.NOT_SHOWN, AlterationShown.NOT_IN_FRAME, AlterationShown.UNKNOWN]
)
def test_a_fake_that_is_not_shown_leaves_the_word_to_what_explains_the_upload(
    shown: AlterationShown,
) -> None:
    verdict = verdict_of(fake(**ALTERED, alteration=shown, day=0), facts(day=1))
    assert verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert verdict.record == "the bridge"


def test_the_exact_authentic_file_is_authentic_whatever_was_made_from_it() -> None:
    exact = facts(strength=Strength.EXACT, relation=MatchRelation.SAME_FILE)
    for shown in AlterationShown:
        verdict = verdict_of(fake(alteration=shown), facts("a copy", 2), exact)
        assert (verdict.kind, verdict.record) == (VerdictKind.REGISTERED_ORIGINAL, "the bridge")


def test_what_others_register_later_of_a_fake_does_not_silence_it() -> None:
    copy = {"publisher": "stranger", "publisher_name": "Stranger"}
    near = facts("a copy", 2, **copy)
    exact = facts("a copy", 2, strength=Strength.EXACT, relation=MatchRelation.SAME_FILE, **copy)
    for match in (near, exact):
        verdict = verdict_of(match, fake())
        assert (verdict.kind, verdict.record) == (VerdictKind.KNOWN_FAKE, "the forgery")
        assert "Stranger registered its picture on 2026-03-03 as authentic." in verdict.sentence


def test_a_picture_that_was_authentic_before_somebody_called_it_fake_is_disputed() -> None:
    """Nothing here tells which claim is wrong, so neither speaks alone."""
    authentic = facts(is_earlier_claim=True)
    verdict = verdict_of(fake(), authentic)
    assert (verdict.kind, verdict.record) == (VerdictKind.DISPUTED, "the bridge")
    assert "Lab registered its picture on 2026-03-02 as a known fake." in verdict.sentence
    cropped = facts(is_earlier_claim=True, **CROPPED)
    assert verdict_of(fake(**CROPPED), cropped).kind is VerdictKind.DISPUTED


def test_the_same_bytes_called_authentic_and_later_fake_are_disputed_and_the_first_speaks() -> None:
    same: dict[str, Any] = {"strength": Strength.EXACT, "relation": MatchRelation.SAME_FILE}
    for asset_class in (AssetClass.KNOWN_FAKE, AssetClass.AI_GENERATED):
        verdict = verdict_of(fake(asset_class=asset_class, **same), facts(**same))
        assert (verdict.kind, verdict.record) == (VerdictKind.DISPUTED, "the bridge")
        assert "Lab registered its picture on" in verdict.sentence
        verdict = verdict_of(fake(asset_class=asset_class, day=0, **same), facts(day=1, **same))
        assert verdict.record == "the forgery", "the fake was registered first"


def test_a_registered_crop_does_not_displace_what_was_found_in_the_whole_picture() -> None:
    crop = facts("a crop", 2, relation=MatchRelation.DERIVATIVE, explained=0.3, boxes=((0, 0, 0.5, 0.6),))
    verdict = verdict_of(crop, facts(**SWAPPED))
    assert (verdict.severity, verdict.record) == (Severity.PERSON_ALTERED, "the bridge")


def test_rival_claims_are_told_with_who_was_first_and_the_first_speaks() -> None:
    first = facts(disputed_with=("another",))
    later = facts(
        "another",
        3,
        publisher="stranger",
        publisher_name="Stranger",
        disputed_with=("the bridge",),
        strength=Strength.EXACT,
        relation=MatchRelation.SAME_FILE,
    )
    verdict = verdict_of(later, first)
    assert (verdict.kind, verdict.record) == (VerdictKind.DISPUTED, "the bridge")
    assert verdict.sentence == (
        f"Very strong match: the same picture as {REGISTERED} as authentic. "
        "Claimed first by Daily Example on 2026-03-01 00:00 UTC, then by Stranger on 2026-03-04 00:00 UTC."
    )


def test_what_a_registered_derivative_was_made_from_is_not_that_derivative() -> None:
    meme: dict[str, Any] = {"asset_class": AssetClass.DERIVATIVE, "direction": Direction.TO_REFERENCE}
    assert verdict_of(facts(**ALTERED, **meme)).kind is VerdictKind.SHARES_PICTURE
    assert verdict_of(facts(**meme)).kind is VerdictKind.REGISTERED_DERIVATIVE


def test_a_rival_claim_to_a_part_makes_no_derivative_of_the_original() -> None:
    crop = facts("a crop", disputed_with=("whole",), explained=0.4, **CROPPED)
    hashes = facts("hashes", disputed_with=("whole",), compared=False)
    for earlier in (crop, hashes):
        whole = facts("whole", 3, publisher_name="Agency", disputed_with=(earlier.record.id,))
        exact = replace(whole, strength=Strength.EXACT, relation=MatchRelation.SAME_FILE)
        for match in (whole, exact):
            verdict = verdict_of(match, earlier)
            assert (verdict.kind, verdict.record) == (VerdictKind.DISPUTED, "whole")
            assert verdict.sentence.endswith(
                "Claimed first by Daily Example on 2026-03-01 00:00 UTC, "
                "then by Agency on 2026-03-04 00:00 UTC."
            )


def test_the_very_file_of_an_earlier_claim_is_not_silent_about_a_fake() -> None:
    exact = facts(strength=Strength.EXACT, relation=MatchRelation.SAME_FILE)
    verdict = verdict_of(exact, fake())
    assert verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert verdict.sentence.endswith("Lab registered its picture on 2026-03-02 as a known fake.")


def test_of_footage_and_of_what_was_generated_as_a_whole_the_words_are_theirs() -> None:
    clip: dict[str, Any] = {"duration_s": 8.0, "alteration": AlterationShown.UNKNOWN}
    verdict = verdict_of(fake(**ALTERED, **clip), facts(day=2, duration_s=8.0))
    assert f"It shares its footage with {FORGED}" in verdict.sentence
    generated = fake(**ALTERED, **clip, asset_class=AssetClass.AI_GENERATED)
    said = "; whether it is that AI-generated footage could not be told."
    assert verdict_of(generated).sentence.endswith(said)


def test_a_claim_that_contradicts_a_fake_is_told_once() -> None:
    verdict = verdict_of(fake(), facts())
    assert verdict.sentence.endswith("Daily Example registered its picture on 2026-03-01 as authentic.")


def test_what_is_not_named_is_counted() -> None:
    hashes = [facts(str(number), number, compared=False) for number in range(6)]
    assert "registered by Daily Example as authentic and 2 more. Finger" in verdict_of(*hashes).sentence
    names = tuple(str(number) for number in range(7))
    rivals = [facts(name, int(name), disputed_with=names) for name in names]
    assert verdict_of(*rivals).sentence.endswith("on 2026-03-05 00:00 UTC and 2 more.")


def test_a_dispute_hides_neither_a_fake_nor_what_was_changed() -> None:
    first, later = facts(disputed_with=("b",), **SWAPPED), facts("b", 3, disputed_with=("the bridge",))
    later_swapped = facts("b", 3, disputed_with=("the bridge",), **SWAPPED)
    assert verdict_of(first, later, fake()).kind is VerdictKind.KNOWN_FAKE
    assert verdict_of(first, later_swapped).kind is VerdictKind.DERIVATIVE_OF_ORIGINAL


def test_fingerprints_alone_name_all_that_it_may_be_and_accuse_of_nothing() -> None:
    verdict = verdict_of(facts(compared=False), fake(compared=False))
    assert verdict.kind is VerdictKind.ONE_OF_THESE
    assert f"{REGISTERED} as authentic" in verdict.sentence
    assert f"{FORGED} as a known fake" in verdict.sentence


def test_pictures_in_different_places_of_an_upload_are_families_of_their_own() -> None:
    left = facts("left", boxes=((0.0, 0.0, 0.45, 1.0),), explained=0.45, **ALTERED)
    right = fake("right", boxes=((0.5, 0.0, 1.0, 1.0),), explained=0.5, **ALTERED)
    families = conclude([left, right], None).families
    assert [family.records for family in families] == [("right",), ("left",)]


def test_a_family_is_told_once_with_its_earliest_registration() -> None:
    original = facts(**SWAPPED)
    crop = facts("a crop", 2, relation=MatchRelation.DERIVATIVE, explained=0.3)
    (family,) = conclude([original, crop, fake()], None).families
    assert family.records == ("the forgery", "the bridge", "a crop")
    assert family.registered_first == "the bridge"


def test_of_several_operations_the_most_severe_is_said() -> None:
    operations = OperationType.CROPPED, OperationType.LOCAL_EDIT, OperationType.FACE_SWAP
    verdict = verdict_of(facts(**ALTERED, operations=operations, direction=Direction.FROM_REFERENCE))
    assert verdict.sentence.endswith("; compared with that, a face was replaced (face swap).")
    assert verdict.severity is Severity.PERSON_ALTERED


@pytest.mark.parametrize("operation", list(OperationType))
def test_a_changed_authentic_picture_says_what_was_changed(operation: OperationType) -> None:
    sentence = verdict_of(facts(**ALTERED, operations=(operation,))).sentence
    phrase = OPERATIONS[operation].phrase
    assert sentence.endswith(f"; in one of the two {phrase}." if phrase else ".")
    assert "fake" not in sentence
