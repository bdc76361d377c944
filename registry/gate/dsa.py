"""A decision as a statement of the DSA Transparency Database, which everybody can read.

No field holds personal data: of a decision it takes words of our own tables, the id of the record and the
texts of the policy, never what a publisher, an uploader or a reviewer wrote or is called.

Source: the database's API documentation and rules (repository `digital-services-act/
transparency-database`, 24 June 2026).
"""

import re
from collections.abc import Iterator
from datetime import UTC, date
from typing import cast

from pydantic import JsonValue

from indexer.operations import OPERATIONS, Degree, Direction, OperationType
from registry.gate.evidence_in_words import is_disputed, is_the_changed_one
from registry.gate.facts import UNKNOWN
from registry.gate.pack_schema import DsaTerms, Ground, Rule
from registry.gate.packs import Pack
from sdk.models import (
    AccountAction,
    AlterationShown,
    ChangeShown,
    Decision,
    DecisionState,
    EvidenceSummary,
    Outcome,
    Strength,
    VerdictKind,
    YesNo,
    in_words,
)
from sdk.models.gate import MACHINES
from sdk.records import AssetClass

MOST_GROUND, MOST_EXPLANATION, MOST_FACTS, MOST_OTHER, MOST_URL = 500, 2000, 5000, 500, 500  # characters
MOST_WHERE = 100  # characters, of one change
EARLIEST_CONTENT, EARLIEST_APPLICATION, LATEST = date(2000, 1, 1), date(2020, 1, 1), date(2038, 1, 1)
LABELLED = "DECISION_VISIBILITY_CONTENT_LABELLED"
VISIBILITY = {
    Outcome.LABEL: LABELLED,
    Outcome.DEMOTE: "DECISION_VISIBILITY_CONTENT_DEMOTED",
    Outcome.AGE_GATE: "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED",
    Outcome.HOLD: "DECISION_VISIBILITY_OTHER",
    Outcome.REFUSE: "DECISION_VISIBILITY_CONTENT_DISABLED",
}
SHOWS_A_LABEL = (Outcome.DEMOTE, Outcome.AGE_GATE)  # besides `label`: the upload is there to be read beside
ACCOUNT = {
    AccountAction.SUSPEND: "DECISION_ACCOUNT_SUSPENDED",
    AccountAction.TERMINATE: "DECISION_ACCOUNT_TERMINATED",
}
HELD = "Publication is delayed until a person has looked at it"
UNCHECKED_GROUND = "The platform's rule for uploads that could not be checked"
UNCHECKED = "It could not be checked, and the platform's rule for that case applies."
HELD_BY_A_PERSON = "Publication is delayed by a person who looked at it"
HELD_UNCHECKED = "Publication is delayed, because it could not be checked"
AN_INTIMATE_RECORD = "It has content in common with registered intimate media{}."
NOT_COMPARED = "It was not compared with registered media."
BY_A_PERSON = "A person at the platform looked at it and decided so."
OTHERWISE_THAN_RULE = (
    "A person at the platform looked at it and decided otherwise than the rule, which says:"
)
AS_RULE_ASKS = "A person at the platform looked at it, as the rule asks, and decided so. The rule says:"
MEDIA = {"image": "CONTENT_TYPE_IMAGE", "video": "CONTENT_TYPE_VIDEO"}
FINGERPRINTS_ONLY = "A picture of which only fingerprints were sent"
UNKNOWN_MEDIA = "Media of a kind that could not be told"
RECORD_ID = re.compile(r"(urn:uuid:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
# ISO 639-1, as the database lists them.
LANGUAGES = frozenset(
    re.findall(
        "..",
        "AAABAEAFAKAMANARASAVAYAZBABEBGBHBIBMBNBOBRBSCACECHCOCRCSCUCVCYDADEDVDZEEELENEOESETEUFAFFFIFJFOFR"
        "FYGAGDGLGNGUGVHAHEHIHOHRHTHUHYHZIAIDIEIGIIIKIOISITIUJAJVKAKGKIKJKKKLKMKNKOKRKSKUKVKWKYLALBLGLILN"
        "LOLTLULVMGMHMIMKMLMNMRMSMTMYNANBNDNENGNLNNNONRNVNYOCOJOMOROSPAPIPLPSPTQURMRNRORURWSASCSDSESGSISK"
        "SLSMSNSOSQSRSSSTSUSVSWTATETGTHTITKTLTNTOTRTSTTTWTYUGUKURUZVEVIVOWAWOXHYIYOZAZHZU",
    )
)


def dsa_statement(decision: Decision, pack: Pack | None, content_date: date) -> dict[str, JsonValue] | None:
    """The statement of one decision; None where the uploader is restricted in nothing.

    `pack`: the one that decided; None where none did. `content_date`: when the upload was posted.
    """
    restrictions = _restrictions(decision)
    is_being_checked = decision.state is DecisionState.WAITING  # for minutes; what comes of it is stated
    if not restrictions or decision.dry_run or is_being_checked:
        return None
    return {
        **restrictions,
        **_grounds(decision, pack),
        "decision_facts": shortened(" ".join(_facts(decision)), MOST_FACTS),
        **_content(decision),
        **_category(_terms(decision, pack)),
        "content_date": _within(content_date, EARLIEST_CONTENT),
        "application_date": _within(decision.at.astimezone(UTC).date(), EARLIEST_APPLICATION),
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "No" if _is_unchecked(decision) else "Yes",
        "automated_decision": (
            "AUTOMATED_DECISION_PARTIALLY" if _is_touched(decision) else "AUTOMATED_DECISION_FULLY"
        ),
        "puid": _puid(decision),
    }


def _puid(decision: Decision) -> str:
    """The database takes one statement for each name: what changes a decision later has one of its own.

    It is public, and does not tell where in the platform's chain the entry stands.
    """
    is_later = decision.state in (DecisionState.LATE, DecisionState.REVIEWED)
    return f"{decision.id}-{decision.previous[:12]}" if is_later else decision.id


def shortened(words: str, most: int) -> str:
    """As much as `most` characters hold, cut between two words and with an ellipsis where it was cut."""
    if len(words) <= most:
        return words
    head = words[: most - 1]
    between = head.rfind(" ")
    if between > most // 2:  # else it is one long word
        head = head[:between]
    return head.rstrip(" ,;:.") + "…"


def _restrictions(decision: Decision) -> dict[str, JsonValue]:
    """What the uploader may do no more; empty: nothing was taken."""
    restrictions: dict[str, JsonValue] = {}
    if decision.outcome in VISIBILITY:
        visibility: list[JsonValue] = [VISIBILITY[decision.outcome]]
        if decision.label is not None and decision.outcome in SHOWS_A_LABEL:
            visibility.append(LABELLED)
        restrictions["decision_visibility"] = visibility
    if decision.outcome is Outcome.HOLD:
        by_a_person = HELD_BY_A_PERSON if _is_reviewed(decision) else HELD
        restrictions["decision_visibility_other"] = (
            HELD_UNCHECKED if _is_unchecked(decision) else by_a_person
        )
    if decision.account_action in ACCOUNT:
        restrictions["decision_account"] = ACCOUNT[decision.account_action]
    return restrictions


def _is_unchecked(decision: Decision) -> bool:
    """Whether neither a rule nor a person decided."""
    return decision.rule is None and not _is_reviewed(decision)


def _is_reviewed(decision: Decision) -> bool:
    return decision.state is DecisionState.REVIEWED or decision.review is not None


def _is_touched(decision: Decision) -> bool:
    """Whether a person may have had a part in it, be it by an answer or an exception.

    No name that a platform gives is that of a machine: `sdk.models.gate` refuses those.
    """
    answered = any(one.answer is not YesNo.UNKNOWN and one.by not in MACHINES for one in decision.answers)
    return _is_reviewed(decision) or answered or bool(decision.exceptions)


def _terms(decision: Decision, pack: Pack | None) -> DsaTerms:
    """What the policy says of its decisions; for uploads that were not checked it says nothing."""
    if _is_unchecked(decision):
        return DsaTerms(legal_ground=UNCHECKED_GROUND)
    if pack is None:
        return DsaTerms()
    rule = pack.rule_named(decision.rule.rule) if decision.rule is not None else None
    own = rule.dsa if isinstance(rule, Rule) else None
    return own or pack.document.dsa


def _grounds(decision: Decision, pack: Pack | None) -> dict[str, JsonValue]:
    terms = _terms(decision, pack)
    ground = shortened(terms.legal_ground, MOST_GROUND)
    explanation = shortened(_explanation(decision, pack), MOST_EXPLANATION)
    grounds: dict[str, JsonValue]
    if terms.ground is Ground.ILLEGAL:
        grounds = {
            "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
            "illegal_content_legal_ground": ground,
            "illegal_content_explanation": explanation,
        }
    else:
        grounds = {
            "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
            "incompatible_content_ground": ground,
            "incompatible_content_explanation": explanation,
            "incompatible_content_illegal": "No",
        }
    reference = pack.document.reference if pack is not None and not _is_unchecked(decision) else None
    if reference is not None and len(reference) <= MOST_URL:
        grounds["decision_ground_reference_url"] = reference
    return grounds


def _explanation(decision: Decision, pack: Pack | None) -> str:
    """The rule's sentence, in English. A person may have decided against it; their own words are theirs."""
    if decision.rule is None:
        return BY_A_PERSON if _is_reviewed(decision) else UNCHECKED
    rule = pack.rule_named(decision.rule.rule) if pack is not None else None
    why = rule.why if rule is not None else decision.rule.why
    if not _is_reviewed(decision):
        return why
    agrees = rule is not None and rule.then is decision.outcome
    if agrees:
        return f"{why} {BY_A_PERSON}"
    was_held = rule is not None and rule.then is Outcome.HOLD
    return f"{AS_RULE_ASKS if was_held else OTHERWISE_THAN_RULE} {why}"


def _facts(decision: Decision) -> Iterator[str]:
    """Sentences: by which rule it was decided, then what was found, of which the end may be cut off."""
    if decision.rule is not None:
        rule = decision.rule
        yield (
            f"The upload was decided on by rule {rule.rule} of the policy {rule.pack} {rule.version} "
            f"(SHA-256 {rule.sha256})."
        )
    if _is_reviewed(decision):
        yield "A person looked at it."
    if decision.state is DecisionState.FAILED and decision.evidence is None:
        yield UNCHECKED
    elif decision.evidence is None or decision.evidence.verdict not in list(VerdictKind):
        yield NOT_COMPARED  # a person decided while a video was worked on, or after that failed
    else:
        yield from _found(decision, decision.evidence)


def _found(decision: Decision, evidence: EvidenceSummary) -> Iterator[str]:
    yield "It was compared with registered media."
    is_derived = evidence.verdict == VerdictKind.DERIVATIVE_OF_ORIGINAL
    if is_derived and _fact(decision, "match.direction") != Direction.FROM_REFERENCE:
        yield "The answer: it shares content with a registered original."
    else:
        yield f"The answer: {in_words(evidence.verdict)}."
    if evidence.record is not None and RECORD_ID.fullmatch(evidence.record):
        strength = evidence.strength if evidence.strength in list(Strength) else None
        how_sure = f", and the match is {in_words(strength)}" if strength else ""
        if evidence.intimate:  # whoever reads the database could look up whose it is
            yield AN_INTIMATE_RECORD.format(how_sure)
        else:
            yield f"It has content in common with the registered record {evidence.record}{how_sure}."
        yield f"{'Pictures' if evidence.verified else 'Fingerprints alone'} were compared."
    if evidence.changes:
        shown = [one.model_copy(update={"where": None}) for one in evidence.changes]
        told = shown if evidence.intimate else evidence.changes
        changes = "; ".join(dict.fromkeys(map(_change, told)))
        lead = "Changed against it" if is_the_changed_one(decision) else "Differences of the two"
        yield f"{lead}: {changes}."


def _change(change: ChangeShown) -> str:
    """What was done, how far it went, where and when; nothing but words of our own."""
    words = in_words(change.type) if change.type in list(OperationType) else "a change"
    if change.degree in list(Degree):
        words += f" ({in_words(change.degree)})"
    if change.where:
        words += f", {shortened(' '.join(change.where.split()), MOST_WHERE)}"
    if change.seconds is not None:
        start, end = change.seconds
        words += f", from {start:.1f} s to {end:.1f} s"
    return words


def _content(decision: Decision) -> dict[str, JsonValue]:
    sent = "video" if decision.job is not None else str(_fact(decision, "upload.media"))
    types: list[JsonValue] = [MEDIA.get(sent, "CONTENT_TYPE_OTHER")]
    if _is_synthetic(decision):
        types.append("CONTENT_TYPE_SYNTHETIC_MEDIA")
    content: dict[str, JsonValue] = {"content_type": types}
    if sent not in MEDIA:
        is_known = decision.evidence is not None
        content["content_type_other"] = FINGERPRINTS_ONLY if is_known else UNKNOWN_MEDIA
    language = str(_fact(decision, "upload.language")).partition("-")[0].upper()
    if language in LANGUAGES:
        content["content_language"] = language
    return content


def _is_synthetic(decision: Decision) -> bool:
    """Whether the upload shows a face that was given, or is what was registered as made up.

    A swapped face is the upload's only where the upload is known to be the changed one of the two: a
    statement is public.
    """
    changes = decision.evidence.changes if decision.evidence else ()
    types = [OperationType(one.type) for one in changes if one.type in list(OperationType)]
    another_face = any(OPERATIONS[one].shows_another_face for one in types)
    another_face = another_face or _fact(decision, "match.another_face") is True
    if another_face and is_the_changed_one(decision):
        return True
    made_up = (AssetClass.AI_GENERATED, AssetClass.KNOWN_FAKE)
    shown = (VerdictKind.AI_GENERATED, VerdictKind.KNOWN_FAKE)
    is_shown = (
        _fact(decision, "match.alteration") == AlterationShown.SHOWN
        or _fact(decision, "verdict.kind") in shown
    )
    return _fact(decision, "record.class") in made_up and is_shown and not is_disputed(decision)


def _fact(decision: Decision, name: str) -> JsonValue:
    """A decision keeps those facts only that say something."""
    return decision.facts.get(name, cast(JsonValue, UNKNOWN[name]))


def _category(terms: DsaTerms) -> dict[str, JsonValue]:
    category: dict[str, JsonValue] = {"category": terms.category.value}
    others = [one.value for one in dict.fromkeys(terms.category_addition) if one is not terms.category]
    if others:
        category["category_addition"] = [*others]
    if terms.keywords:
        category["category_specification"] = [one.value for one in dict.fromkeys(terms.keywords)]
    return category


def _within(day: date, earliest: date) -> str:
    """A day as the database takes it: the nearest that it allows."""
    return max(earliest, min(day, LATEST)).isoformat()
