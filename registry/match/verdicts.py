"""What all matches mean together, in words. Pure functions."""

from dataclasses import dataclass

from indexer.operations import OPERATIONS, OperationType
from sdk.models import MatchRelation, Strength, Verdict, VerdictKind, in_words
from sdk.records import AssetClass

NOT_IN_REGISTRY = "Not in this registry; this says nothing about authenticity."


@dataclass(frozen=True)
class MatchFacts:
    """One match, as far as the verdict needs it."""

    asset_class: AssetClass
    disputed: bool
    strength: Strength
    relation: MatchRelation
    label: str
    publisher_name: str
    operations: tuple[OperationType, ...] = ()  # the most severe first
    made_from: str | None = None  # label of the registered picture that it was declared to come from
    is_video: bool = False

    @property
    def shows_another_face(self) -> bool:
        """Whether upload and registered picture show another face at one place: not the same fake."""
        return any(OPERATIONS[operation].shows_another_face for operation in self.operations)


def conclude(
    matches: list[MatchFacts], insufficient_detail: str | None, *, is_empty: bool = False
) -> Verdict:
    """What the matches mean together; the most serious thing is said first.

    A known fake outranks its original: whoever posts the fake posts a near copy of both. But a picture with
    another face than the registered fake is not that fake.
    """
    sure = [match for match in matches if match.strength is not Strength.WEAK]
    if not sure:
        return _conclude_unsure(matches, insufficient_detail, is_empty)
    same = [match for match in sure if not match.shows_another_face] or sure
    fakes = [match for match in same if match.asset_class is AssetClass.KNOWN_FAKE]
    first = fakes[0] if fakes else same[0]
    what = f"{_relation_words(first)} {first.label!r}, registered by {first.publisher_name}"
    sure_word = f"{in_words(first.strength).capitalize()} match: "
    if first.disputed:
        return Verdict(
            kind=VerdictKind.DISPUTED,
            sentence=f"{sure_word}{what}; another publisher claims a near copy, both claims are shown.",
        )
    kind, says = _meaning(first)
    return Verdict(kind=kind, sentence=f"{sure_word}{what} {says}.")


def _conclude_unsure(matches: list[MatchFacts], insufficient_detail: str | None, is_empty: bool) -> Verdict:
    if matches:
        first = matches[0]
        sentence = f"Possibly related to {first.label!r} of {first.publisher_name}; a person should look."
        return Verdict(kind=VerdictKind.POSSIBLE_MATCH, sentence=sentence)
    if insufficient_detail:
        sentence = f"It cannot be recognised: {insufficient_detail}. {NOT_IN_REGISTRY}"
        return Verdict(kind=VerdictKind.NOT_FINGERPRINTABLE, sentence=sentence)
    sentence = f"{NOT_IN_REGISTRY} Nothing is registered here yet." if is_empty else NOT_IN_REGISTRY
    return Verdict(kind=VerdictKind.NOT_IN_REGISTRY, sentence=sentence)


def _relation_words(match: MatchFacts) -> str:
    return {
        MatchRelation.SAME_FILE: "the very file",
        MatchRelation.SAME_PICTURE: f"the same {'footage' if match.is_video else 'picture'} as",
        MatchRelation.DERIVATIVE: "made from",
        MatchRelation.POSSIBLY_RELATED: "possibly related to",
    }[match.relation]


def _meaning(match: MatchFacts) -> tuple[VerdictKind, str]:
    source = f"; that was made from {match.made_from!r}" if match.made_from else ""
    altered = _altered_words(match)
    match match.asset_class:
        case AssetClass.KNOWN_FAKE:
            return VerdictKind.KNOWN_FAKE, f"as a known fake{source}{altered}"
        case AssetClass.AI_GENERATED:
            return VerdictKind.AI_GENERATED, f"as AI-generated{altered}"
        case AssetClass.DERIVATIVE:
            return VerdictKind.REGISTERED_DERIVATIVE, f"as a derivative of something else{source}{altered}"
        case AssetClass.AUTHENTIC:
            if match.relation is MatchRelation.DERIVATIVE:
                words = altered or "; this upload was altered"
                return VerdictKind.DERIVATIVE_OF_ORIGINAL, f"as authentic{words}"
            return VerdictKind.REGISTERED_ORIGINAL, "as authentic"


def _altered_words(match: MatchFacts) -> str:
    """The most severe change of what the picture shows, in words; empty where there is none."""
    rows = sorted((OPERATIONS[operation] for operation in match.operations), key=lambda row: row.rank)
    phrase = next((row.phrase for row in rows if row.phrase), None)
    return f"; {phrase}" if phrase else ""
