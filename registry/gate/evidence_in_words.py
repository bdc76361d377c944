"""What a decision's evidence says, in plain words: what matched, what was changed, what could not be told.

It knows the evidence and the facts of a decision, neither its outcome nor its rule. It says no more than
was found, shows no number of the comparison, and of an intimate record neither label nor publisher. The
sentences of the verdict are not repeated: they are in one language, and may name somebody.
"""

from collections.abc import Iterator, Mapping

from indexer.operations import OPERATIONS, OperationType
from registry.gate.facts import UNKNOWN, Unclear, Value
from registry.gate.languages import DEGREE_WORDS, N_, OPERATION_WORDS, PLACE_WORDS, Voice
from sdk.models import (
    AlterationShown,
    ChangeShown,
    Decision,
    Direction,
    EvidenceSummary,
    MatchRelation,
    Standing,
    Strength,
    VerdictKind,
)
from sdk.records import AssetClass

MOST_CHANGES = 10  # kinds that are told one by one, the most severe first
MOST_PLACES = 3  # of one kind, and as many stretches
APART_S = 1.0  # seconds: stretches that are nearer are told as one
STRENGTH_SENTENCES = {
    Strength.EXACT: N_("This is an exact match."),
    Strength.VERY_STRONG: N_("This is a very strong match."),
    Strength.STRONG: N_("This is a strong match."),
    Strength.MODERATE: N_("This is a moderate match: a reason to look closer, and no proof."),
    Strength.WEAK: N_("This is a weak match: no more than a likeness."),
}
CLASS_SENTENCES = {
    AssetClass.AUTHENTIC: N_("%(publisher)s registered that as authentic."),
    AssetClass.AI_GENERATED: N_("%(publisher)s registered that as AI-generated."),
    AssetClass.DERIVATIVE: N_("%(publisher)s registered that as made from something else."),
}
ALTERATION_SENTENCES = {
    AlterationShown.SHOWN: N_("Your upload shows the part that is reported as altered."),
    AlterationShown.NOT_SHOWN: N_("The part that is reported as altered is not altered in your upload."),
    AlterationShown.NOT_IN_FRAME: N_("The part that is reported as altered cannot be seen in your upload."),
}
UNCLEAR_SENTENCES = {
    Unclear.ALTERATION: N_(
        "It could not be told whether your upload shows the altered part of what is registered."
    ),
    Unclear.DIRECTION: N_("It could not be told which of the two was made from the other."),
    Unclear.CHANGE: N_("Some details of the comparison could not be told for certain."),
}
NOTHING_MATCHED = (VerdictKind.NOT_IN_REGISTRY, VerdictKind.NOT_FINGERPRINTABLE)


def what_matched(voice: Voice, decision: Decision) -> Iterator[str]:
    """Sentences on what it was compared with, and what came of that; none where it was not compared."""
    evidence = decision.evidence
    if evidence is None or evidence.verdict not in list(VerdictKind):  # a video that is worked on has none
        return
    yield voice.say("Your upload was compared with pictures and videos that publishers have registered.")
    if evidence.verdict == VerdictKind.NOT_FINGERPRINTABLE:
        yield voice.say("It has too little detail to be recognised, so nothing can be said about it.")
        yield voice.say("This says nothing about whether it is authentic.")
    elif evidence.verdict == VerdictKind.NOT_IN_REGISTRY:
        yield voice.say("None of them matches it.")
        if fact_of(decision, "upload.media") == "fingerprints":
            yield voice.say(
                "Only fingerprints were compared; they can miss a copy that was cropped or changed."
            )
        yield voice.say("This says nothing about whether it is authentic.")
    else:
        yield from _what_it_matches(voice, decision, evidence)


def _what_it_matches(voice: Voice, decision: Decision, evidence: EvidenceSummary) -> Iterator[str]:
    if evidence.intimate:
        if fact_of(decision, "match.sure"):
            yield voice.say("It matches an intimate picture or video that somebody protects here.")
        else:
            yield voice.say("It resembles an intimate picture or video that somebody protects here.")
        yield voice.say("To protect the person in it, neither its title nor who registered it is said.")
    else:
        yield from _what_is_registered(voice, decision, evidence)
    strength = next((one for one in Strength if one == evidence.strength), None)
    if strength is not None:
        yield voice.say(STRENGTH_SENTENCES[strength])
    if not evidence.verified and evidence.relation != MatchRelation.SAME_FILE:
        yield voice.say(
            "Only fingerprints were compared, not the pictures themselves. Fingerprints cannot tell a fake "
            "from the picture that it was made from."
        )
    matches = number_of(decision, "match.count")
    if matches > 1 and not evidence.intimate:
        yield voice.say_number(
            "It matches or resembles %(number)d other registered entry as well.",
            "It matches or resembles %(number)d other registered entries as well.",
            matches - 1,
        )


def _what_is_registered(voice: Voice, decision: Decision, evidence: EvidenceSummary) -> Iterator[str]:
    if evidence.label is None:
        yield voice.say("It matches something that is registered.")
    else:
        yield voice.say(_relation_sentence(decision, evidence), label=evidence.label)
    if evidence.publisher is not None:
        yield voice.say(_class_sentence(decision), publisher=evidence.publisher)
    if _is_of_a_fake(decision):
        shown = fact_of(decision, "match.alteration")
        known = (sentence for one, sentence in ALTERATION_SENTENCES.items() if one == shown)
        yield from (voice.say(sentence) for sentence in known)
    if is_disputed(decision):
        yield voice.say(
            "Several publishers claim it, or contradict one another about it. The registry does not decide "
            "who is right."
        )


def _relation_sentence(decision: Decision, evidence: EvidenceSummary) -> str:
    """What the upload is to the record, as `registry.match.sentences` says it: no more than is known."""
    relation = evidence.relation
    if relation == MatchRelation.SAME_FILE:
        return N_("It is the very file that is registered under the title “%(label)s”.")
    if relation == MatchRelation.POSSIBLY_RELATED:
        return N_("It resembles what is registered under the title “%(label)s”.")
    if not evidence.verified:
        return N_("Its fingerprints are like those of what is registered under the title “%(label)s”.")
    if not _is_fake_not_shown(decision):
        if relation == MatchRelation.SAME_PICTURE:
            return N_("It shows the same as what is registered under the title “%(label)s”.")
        if fact_of(decision, "match.direction") == Direction.FROM_REFERENCE:
            return N_("It comes from what is registered under the title “%(label)s”, or from its source.")
    return N_("It has something in common with what is registered under the title “%(label)s”.")


def _class_sentence(decision: Decision) -> str:
    registered = fact_of(decision, "record.class")
    if registered == AssetClass.KNOWN_FAKE:
        if fact_of(decision, "record.standing") == Standing.CONFIRMED:
            return N_("%(publisher)s registered that as a fake, and not only this report speaks for it.")
        return N_("%(publisher)s registered that as a fake, which nobody else has confirmed.")
    known = (sentence for one, sentence in CLASS_SENTENCES.items() if one == registered)
    return next(known, N_("%(publisher)s registered that."))


def _is_of_a_fake(decision: Decision) -> bool:
    return fact_of(decision, "record.class") == AssetClass.KNOWN_FAKE


def _is_fake_not_shown(decision: Decision) -> bool:
    """Whether the record is fake or AI-generated, and the upload is not known to show that."""
    denied = _is_of_a_fake(decision) or fact_of(decision, "record.class") == AssetClass.AI_GENERATED
    return denied and fact_of(decision, "match.alteration") != AlterationShown.SHOWN


def is_the_changed_one(decision: Decision) -> bool:
    """Whether it is the upload that was changed, and not what is registered.

    That the upload was made from it, such as by cropping, tells so only where it is registered as the true
    picture and nobody disputes that: a genuine picture is also a crop of one that was altered elsewhere.
    """
    if fact_of(decision, "match.direction") != Direction.FROM_REFERENCE or is_disputed(decision):
        return False
    if fact_of(decision, "match.alteration") == AlterationShown.SHOWN:
        return True
    return fact_of(decision, "record.class") == AssetClass.AUTHENTIC


def is_disputed(decision: Decision) -> bool:
    """Whether publishers contradict one another about what is registered."""
    evidence = decision.evidence
    by_verdict = evidence is not None and evidence.verdict == VerdictKind.DISPUTED
    return by_verdict or fact_of(decision, "record.disputed") is True


def what_was_changed(voice: Voice, decision: Decision) -> Iterator[str]:
    """Sentences on what differs, the most severe first, and whether that is about a person."""
    evidence = decision.evidence
    if evidence is not None and evidence.changes and evidence.verdict not in NOTHING_MATCHED:
        kinds = _by_kind(evidence.changes)
        told = _joined(voice, [_change(voice, changes) for changes in kinds[:MOST_CHANGES]])
        if is_the_changed_one(decision):
            yield voice.say(
                "Compared with what is registered, this was changed in your upload: %(changes)s.",
                changes=told,
            )
        else:
            yield voice.say(
                "Your upload and what is registered differ. In one of the two, this was changed: "
                "%(changes)s.",
                changes=told,
            )
        if len(kinds) > MOST_CHANGES:
            yield voice.say_number(
                "%(number)d less serious change was found as well.",
                "%(number)d less serious changes were found as well.",
                len(kinds) - MOST_CHANGES,
            )
        yield from _whether_of_a_person(voice, evidence.changes)
    if fact_of(decision, "declared.refuted"):
        yield voice.say("What was declared about the upload does not agree with the comparison.")


def _by_kind(changes: tuple[ChangeShown, ...]) -> list[list[ChangeShown]]:
    """Those of one kind together, the most severe first: of a video, each comes by stretches as well."""
    kinds: dict[str, list[ChangeShown]] = {}
    for change in changes:
        kinds.setdefault(change.type, []).append(change)
    order = {one.value: row.rank for one, row in OPERATIONS.items()}
    return [kinds[kind] for kind in sorted(kinds, key=lambda kind: order.get(kind, len(order)))]


def _change(voice: Voice, changes: list[ChangeShown]) -> str:
    """One kind of change: how far it went at most, where, and in which stretches of a video."""
    what = next((words for one, words in OPERATION_WORDS.items() if one == changes[0].type), None)
    said = voice.say(what) if what is not None else voice.say("something else was changed")
    found = {change.degree for change in changes}
    details = [voice.say(words) for degree, words in DEGREE_WORDS.items() if degree in found][-1:]
    places = dict.fromkeys(change.where for change in changes if change.where is not None)
    named = [voice.say(place) for place in places if place in PLACE_WORDS]
    details += named[:MOST_PLACES] if len(named) <= MOST_PLACES else [voice.say("in several places")]
    spans = _spans(changes)
    details += [_span(voice, *span) for span in spans[:MOST_PLACES]]
    if len(spans) > MOST_PLACES:
        details.append(
            voice.say_number(
                "and in %(number)d other stretch",
                "and in %(number)d other stretches",
                len(spans) - MOST_PLACES,
            )
        )
    return f"{said} ({', '.join(details)})" if details else said


def _spans(changes: list[ChangeShown]) -> list[tuple[float, float]]:
    """Their seconds in rising order, those that touch as one."""
    spans: list[tuple[float, float]] = []
    for start, end in sorted(change.seconds for change in changes if change.seconds is not None):
        if spans and start <= spans[-1][1] + APART_S:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def _span(voice: Voice, start_s: float, end_s: float) -> str:
    start, end = _clock(start_s), _clock(end_s)
    if start == end:
        return voice.say("at %(start)s", start=start)
    return voice.say("from %(start)s to %(end)s", start=start, end=end)


def _joined(voice: Voice, parts: list[str]) -> str:
    told = parts[0]
    for part in parts[1:]:
        told = voice.say("%(before)s; %(after)s", before=told, after=part)
    return told


def _clock(seconds: float) -> str:
    """Minutes and seconds as players show them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _whether_of_a_person(voice: Voice, changes: tuple[ChangeShown, ...]) -> Iterator[str]:
    known = {one.value: OPERATIONS[one] for one in OperationType}
    rows = [known[change.type] for change in changes if change.type in known]
    if any(row.concerns_face for row in rows):
        yield voice.say("A person's face is affected by this.")
    elif any(row.changes_content for row in rows):
        yield voice.say("None of this is known to affect a person's face.")


def what_could_not_be_told(voice: Voice, decision: Decision) -> Iterator[str]:
    """A sentence for each thing that the comparison left open."""
    unclear = fact_of(decision, "upload.unclear")
    named = unclear if isinstance(unclear, list) else []
    yield from (voice.say(sentence) for one, sentence in UNCLEAR_SENTENCES.items() if one.value in named)


def fact_of(decision: Decision, name: str) -> object:
    """A fact of the decision, which keeps only those that say something."""
    nothing: Mapping[str, Value] = UNKNOWN
    return decision.facts.get(name, nothing[name])


def number_of(decision: Decision, name: str) -> int:
    """A fact that counts something; 0 where it says nothing."""
    value = fact_of(decision, name)
    return int(value) if isinstance(value, int | float) else 0
