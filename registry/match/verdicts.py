"""What all matches mean together, in words. Pure functions.

The rules, in the order in which they are asked. They accuse nobody without evidence.
1. Nothing sure: a possible match, or not in this registry.
2. Families: one answer for records that show one thing; `families.py` chooses the record that it is about.
3. Fingerprints alone say which records it may be, and no more than that.
4. A fake is named where the upload shows its falsehood; elsewhere the two share a picture. What one
   publisher alone says is a fake is reported, and no more, until another or a reviewer confirms it.
5. Rival claims of authenticity are told with who was first. They never hide a fake, nor what was changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexer.operations import Direction, Severity
from registry.match.facts import MatchFacts
from registry.match.families import MatchFamily, families_of, registration, rivals_of
from registry.match.sentences import (
    capitalised,
    contradiction,
    difference,
    fake_of_it,
    first_registration,
    made_from,
    not_shown_to_be,
    one_of_these,
    rival_claims,
    seen_beside,
    sure_match,
)
from sdk.models import Family, MatchRelation, Strength, Verdict, VerdictKind, in_words
from sdk.records import AssetClass

NOT_IN_REGISTRY = "Not in this registry; this says nothing about authenticity."


@dataclass(frozen=True)
class Conclusion:
    """The verdict, and the families that it was drawn from."""

    verdict: Verdict
    families: tuple[Family, ...] = ()


def conclude(
    matches: Sequence[MatchFacts], insufficient_detail: str | None, *, is_empty: bool = False
) -> Conclusion:
    """What the matches, the best first, mean together."""
    sure = [match for match in matches if match.strength is not Strength.WEAK]
    if not sure:
        return Conclusion(_conclude_unsure(matches, insufficient_detail, is_empty))
    families = families_of(sure)
    return Conclusion(_verdict_of(families[0]), tuple(_wire_family(family) for family in families))


def _conclude_unsure(
    matches: Sequence[MatchFacts], insufficient_detail: str | None, is_empty: bool
) -> Verdict:
    if matches:
        first = matches[0]
        what = capitalised(first.in_common or "possibly related to")
        who = f"{first.record.label!r} of {first.record.publisher_name}"
        return Verdict(
            kind=VerdictKind.POSSIBLE_MATCH,
            sentence=f"{what} {who}; a person should look.",
            record=first.record.id,
        )
    if insufficient_detail:
        sentence = f"It cannot be recognised: {insufficient_detail}. {NOT_IN_REGISTRY}"
        return Verdict(kind=VerdictKind.NOT_FINGERPRINTABLE, sentence=sentence)
    sentence = f"{NOT_IN_REGISTRY} Nothing is registered here yet." if is_empty else NOT_IN_REGISTRY
    return Verdict(kind=VerdictKind.NOT_IN_REGISTRY, sentence=sentence)


def _verdict_of(family: MatchFamily) -> Verdict:
    lead = family.lead
    if not lead.compared_or_same_file:
        strength = in_words(lead.strength).capitalize()
        sentence = f"{strength} match: {one_of_these(family.members)}"
        return _verdict(VerdictKind.ONE_OF_THESE, sentence, lead, Severity.NONE)
    kind, says = _meaning(family)
    sentences, severity = [f"{sure_match(lead)}{says}."], lead.severity
    if kind is VerdictKind.REPORTED and (original := _altered_original(family)) is not None:
        sentences.append(seen_beside(original))
        severity = max(severity, original.severity, key=lambda one: one.rank)
    return _verdict(kind, " ".join((*sentences, *_other_claims(family))), lead, severity)


def _altered_original(family: MatchFamily) -> MatchFacts | None:
    """The original of another publisher that the upload was altered from, or that was altered from it.

    It is told beside a report, which would else hide what was said without it.
    """
    publisher = family.lead.record.publisher
    altered = [
        match
        for match in family.others
        if match.is_authentic and match.changes_content and match.record.publisher != publisher
    ]
    return max(altered, key=lambda match: match.severity.rank, default=None)


def _verdict(kind: VerdictKind, sentence: str, lead: MatchFacts, severity: Severity) -> Verdict:
    return Verdict(kind=kind, sentence=sentence, severity=severity, record=lead.record.id)


def _meaning(family: MatchFamily) -> tuple[VerdictKind, str]:
    """The kind of the verdict, and what is said behind the record's name."""
    lead = family.lead
    match lead.record.asset_class:
        case AssetClass.KNOWN_FAKE if lead.is_shown_fake:
            kind = VerdictKind.REPORTED if lead.is_reported else VerdictKind.KNOWN_FAKE
            return kind, f"{made_from(lead)}{difference(lead)}"
        case AssetClass.AI_GENERATED if lead.is_shown_fake:
            return VerdictKind.AI_GENERATED, f"{made_from(lead)}{difference(lead)}"
        case AssetClass.KNOWN_FAKE | AssetClass.AI_GENERATED:
            return VerdictKind.SHARES_PICTURE, not_shown_to_be(lead)
        case AssetClass.DERIVATIVE if lead.direction is Direction.TO_REFERENCE and not lead.is_same_picture:
            return VerdictKind.SHARES_PICTURE, difference(lead)
        case AssetClass.DERIVATIVE:
            return VerdictKind.REGISTERED_DERIVATIVE, f"{made_from(lead)}{difference(lead)}"
        case AssetClass.AUTHENTIC if _is_called_fake(family):
            return VerdictKind.DISPUTED, difference(lead)
        case AssetClass.AUTHENTIC if lead.relation is MatchRelation.DERIVATIVE:
            if lead.direction is Direction.TO_REFERENCE and not lead.changes_content:
                return VerdictKind.SHARES_PICTURE, difference(lead)
            return VerdictKind.DERIVATIVE_OF_ORIGINAL, difference(lead)
        case AssetClass.AUTHENTIC:
            is_disputed = bool(rivals_of(lead, family.others))
            return VerdictKind.DISPUTED if is_disputed else VerdictKind.REGISTERED_ORIGINAL, ""


def _is_called_fake(family: MatchFamily) -> bool:
    """Whether another publisher registered later as fake what this one had registered as authentic."""
    lead, fakes = family.lead, [match for match in family.others if match.is_shown_fake]
    if lead.is_same_file:
        return any(fake.is_same_file for fake in fakes)  # of the same bytes
    return lead.is_earlier_claim and bool(fakes)


def _other_claims(family: MatchFamily) -> Iterator[str]:
    """What others say of the same picture, and who was first."""
    lead = family.lead
    claims: list[MatchFacts] = []
    if lead.is_shown_fake or lead.is_fake_not_shown:
        claims = [match for match in family.others if _claims_the_same(match, lead)][:1]
        yield from (contradiction(match) for match in claims)
    rivals = rivals_of(lead, family.others)
    if rivals:
        yield rival_claims(sorted((lead, *rivals), key=registration))
    elif family.registered_first not in (lead, *claims):
        yield first_registration(family.registered_first)
    if not lead.is_shown_fake:
        # The very file was said to be authentic before it was said to be a fake.
        said = [match for match in family.others if match.is_shown_fake]
        yield from (contradiction(fake) for fake in said[:1])
        fakes = [match for match in family.others if match.is_fake_not_shown]
        yield from (fake_of_it(fake) for fake in fakes[:1])


def _claims_the_same(match: MatchFacts, fake: MatchFacts) -> bool:
    """Whether a record says of the very picture of a fake that it is authentic."""
    if match.is_copy_of_fake:
        return True
    same = fake.is_shown_fake and match.is_authentic and match.is_same_picture
    return same and match.record.id not in fake.source_ids


def _wire_family(family: MatchFamily) -> Family:
    return Family(
        records=tuple(match.record.id for match in family.members),
        registered_first=family.registered_first.record.id,
    )
