"""What all matches mean together: which of them speaks, and in which words."""

from typing import Any

import pytest

from indexer.operations import OPERATIONS, OperationType
from registry.match.verdicts import NOT_IN_REGISTRY, MatchFacts, conclude
from sdk.models import MatchRelation, Strength, VerdictKind
from sdk.records import AssetClass


def facts(asset_class: AssetClass = AssetClass.AUTHENTIC, **more: Any) -> MatchFacts:
    given: dict[str, Any] = {
        "asset_class": asset_class,
        "disputed": False,
        "strength": Strength.VERY_STRONG,
        "relation": MatchRelation.SAME_PICTURE,
        "label": "the bridge",
        "publisher_name": "Daily Example",
    }
    return MatchFacts(**(given | more))


WEAK: dict[str, Any] = {"strength": Strength.WEAK, "relation": MatchRelation.POSSIBLY_RELATED}
MADE_FROM: dict[str, Any] = {"relation": MatchRelation.DERIVATIVE}
REGISTERED = "'the bridge', registered by Daily Example"


@pytest.mark.parametrize(
    ("match", "kind", "sentence"),
    [
        (
            facts(),
            VerdictKind.REGISTERED_ORIGINAL,
            f"Very strong match: the same picture as {REGISTERED} as authentic.",
        ),
        (
            facts(strength=Strength.EXACT, relation=MatchRelation.SAME_FILE),
            VerdictKind.REGISTERED_ORIGINAL,
            f"Exact match: the very file {REGISTERED} as authentic.",
        ),
        (
            facts(is_video=True, strength=Strength.STRONG),
            VerdictKind.REGISTERED_ORIGINAL,
            f"Strong match: the same footage as {REGISTERED} as authentic.",
        ),
        (
            facts(**MADE_FROM),
            VerdictKind.DERIVATIVE_OF_ORIGINAL,
            f"Very strong match: made from {REGISTERED} as authentic; this upload was altered.",
        ),
        (
            facts(**MADE_FROM, operations=(OperationType.CROPPED,)),
            VerdictKind.DERIVATIVE_OF_ORIGINAL,
            f"Very strong match: made from {REGISTERED} as authentic; this upload was altered.",
        ),
        (
            facts(AssetClass.KNOWN_FAKE, made_from="the press photograph"),
            VerdictKind.KNOWN_FAKE,
            f"Very strong match: the same picture as {REGISTERED} as a known fake; "
            "that was made from 'the press photograph'.",
        ),
        (
            facts(AssetClass.AI_GENERATED, strength=Strength.MODERATE, **MADE_FROM),
            VerdictKind.AI_GENERATED,
            f"Moderate match: made from {REGISTERED} as AI-generated.",
        ),
        (
            facts(AssetClass.DERIVATIVE),
            VerdictKind.REGISTERED_DERIVATIVE,
            f"Very strong match: the same picture as {REGISTERED} as a derivative of something else.",
        ),
        (
            facts(AssetClass.DERIVATIVE, made_from="the film"),
            VerdictKind.REGISTERED_DERIVATIVE,
            f"Very strong match: the same picture as {REGISTERED} as a derivative of something else; "
            "that was made from 'the film'.",
        ),
        (
            facts(disputed=True),
            VerdictKind.DISPUTED,
            f"Very strong match: the same picture as {REGISTERED}; "
            "another publisher claims a near copy, both claims are shown.",
        ),
        (
            facts(**WEAK),
            VerdictKind.POSSIBLE_MATCH,
            "Possibly related to 'the bridge' of Daily Example; a person should look.",
        ),
    ],
)
def test_one_match_gives_its_verdict_in_words(match: MatchFacts, kind: VerdictKind, sentence: str) -> None:
    verdict = conclude([match], None)
    assert verdict.kind is kind
    assert verdict.sentence == sentence


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
    verdict = conclude([], insufficient_detail, is_empty=is_empty)
    assert (verdict.kind, verdict.sentence) == (kind, sentence)


def test_a_match_outweighs_that_the_upload_has_little_detail() -> None:
    assert conclude([facts(strength=Strength.EXACT)], "one colour").kind is VerdictKind.REGISTERED_ORIGINAL
    assert conclude([facts(**WEAK)], "one colour").kind is VerdictKind.POSSIBLE_MATCH


def test_a_known_fake_speaks_before_its_original_which_is_the_stronger_match() -> None:
    original = facts(**MADE_FROM)
    fake = facts(AssetClass.KNOWN_FAKE, strength=Strength.MODERATE, label="the forgery")
    verdict = conclude([original, fake], None)
    assert verdict.kind is VerdictKind.KNOWN_FAKE
    assert "'the forgery'" in verdict.sentence


def test_a_weak_match_never_speaks_beside_a_sure_one() -> None:
    fake = facts(AssetClass.KNOWN_FAKE, **WEAK)
    assert conclude([fake, facts()], None).kind is VerdictKind.REGISTERED_ORIGINAL


@pytest.mark.parametrize("operation", [OperationType.FACE_SWAP, OperationType.FACE_REENACTED])
def test_a_picture_with_another_face_than_a_known_fake_is_not_that_fake(operation: OperationType) -> None:
    fake = facts(AssetClass.KNOWN_FAKE, **MADE_FROM, operations=(operation,))
    assert conclude([fake, facts()], None).kind is VerdictKind.REGISTERED_ORIGINAL
    assert conclude([fake], None).kind is VerdictKind.KNOWN_FAKE, "nothing else is known of it"


def test_the_dispute_of_the_match_that_speaks_is_said_and_no_other() -> None:
    disputed = facts(disputed=True, label="a near copy")
    assert conclude([facts(), disputed], None).kind is VerdictKind.REGISTERED_ORIGINAL
    assert conclude([disputed, facts()], None).kind is VerdictKind.DISPUTED


def test_of_several_operations_the_most_severe_is_said() -> None:
    operations = OperationType.CROPPED, OperationType.LOCAL_EDIT, OperationType.FACE_SWAP
    verdict = conclude([facts(**MADE_FROM, operations=operations)], None)
    assert verdict.sentence.endswith("as authentic; in this upload a face was replaced (face swap).")


@pytest.mark.parametrize(
    "operation", [operation for operation in OperationType if OPERATIONS[operation].phrase]
)
@pytest.mark.parametrize("asset_class", list(AssetClass))
def test_what_was_changed_is_said_of_every_class(operation: OperationType, asset_class: AssetClass) -> None:
    verdict = conclude([facts(asset_class, **MADE_FROM, operations=(operation,))], None)
    assert verdict.sentence.endswith(f"; {OPERATIONS[operation].phrase}.")
