"""The words in which matches are spoken of: in verdicts, and one line for each match. Pure functions.

Read aloud, no sentence may say more than is known: who was made from whom only where there is evidence,
"known fake" only of what shows the falsehood.
"""

from collections.abc import Sequence

from indexer.operations import Direction
from registry.match.facts import MatchFacts
from sdk.models import AlterationShown, MatchRelation, RecordSummary, in_words
from sdk.records import AssetClass

CLASS_WORDS = {
    AssetClass.AUTHENTIC: "as authentic",
    AssetClass.KNOWN_FAKE: "as a known fake",
    AssetClass.AI_GENERATED: "as AI-generated",
    AssetClass.DERIVATIVE: "as a derivative of something else",
}
REPORTED = "as a fake, which nobody else has confirmed"
DOUBTED = "as a fake, which a reviewer doubts"
MOST_NAMED = 4
WHOLE_RECORD = 0.9  # share of the record


def summary_of_match(match: MatchFacts) -> str:
    """One line: what the upload is to the record."""
    if match.relation is MatchRelation.POSSIBLY_RELATED:
        return f"{capitalised(match.in_common or 'possibly related to')} {_who(match)} {classed(match)}."
    return f"{capitalised(relation_words(match))} {_who(match)} {classed(match)}{_apart(match)}."


def _apart(match: MatchFacts) -> str:
    """What lies between the upload and a record of which nobody asks more than whether they differ."""
    if match.is_fake_not_shown and match.compared_or_same_file:
        return not_shown_to_be(match)
    if match.changes_content:
        return f"; the two differ {match.differs_where or 'in content'}"
    return difference(match)


def relation_words(match: MatchFacts) -> str:
    """What the upload is to the record, as the record's name follows it."""
    thing = _thing(match)
    match match.relation:
        case MatchRelation.SAME_FILE:
            return "the very file"
        case MatchRelation.SAME_PICTURE if match.record.media_seen and not match.is_fake_not_shown:
            return f"the same {thing} as"
        case MatchRelation.POSSIBLY_RELATED:
            return match.in_common or "possibly related to"
    if not match.compared:
        return "has fingerprints like those of"
    if match.direction is Direction.FROM_REFERENCE and not match.is_fake_not_shown:
        return "made from"
    return f"shares its {thing} with"


def sure_match(match: MatchFacts) -> str:
    """The beginning of a verdict: "Strong match: made from 'x', registered by y as authentic"."""
    strength = in_words(match.strength).capitalize()
    return f"{strength} match: {relation_words(match)} {_who(match)} {classed(match)}"


def seen_beside(match: MatchFacts) -> str:
    """A sentence: what was found between the upload and a record that the verdict is not about."""
    return f"{capitalised(relation_words(match))} {_who(match)} {classed(match)}{difference(match)}."


def difference(match: MatchFacts) -> str:
    """What the upload shows otherwise than the record; where that is nothing of weight, what was done."""
    if match.phrase is not None:
        # Where nothing shows the direction, it may be the record that was altered.
        is_from = match.direction is Direction.FROM_REFERENCE
        return f"; {'compared with that,' if is_from else 'in one of the two'} {match.phrase}"
    if match.direction is Direction.TO_REFERENCE and not match.is_same_picture:
        return "; that was made from it, or from what it was made from"
    named = ", ".join(match.names_of_operations[:MOST_NAMED])
    return f"; changes: {named}" if named and not match.is_same_picture else ""


def made_from(match: MatchFacts) -> str:
    """What the record was made from, where the comparison confirmed what its publisher declares."""
    if match.source is None:
        return ""
    how = f": {match.phrase_of_making}" if match.phrase_of_making else ""
    return f"; that was made from {match.source.label!r}{how}"


def not_shown_to_be(match: MatchFacts) -> str:
    """Why an upload that has its picture in common with a fake is not called that fake."""
    is_fake = match.record.asset_class is AssetClass.KNOWN_FAKE
    thing = "fake" if is_fake else f"AI-generated {_thing(match)}"
    match match.alteration:
        case AlterationShown.NOT_SHOWN:
            return "; what was altered in that is not in this upload"
        case AlterationShown.NOT_IN_FRAME:
            return "; the part that was altered in that is not in this upload"
    if match.direction is Direction.TO_REFERENCE:
        return "; this upload may be what that was made from"
    if match.changes_content:
        where = f" {match.differs_where}" if match.differs_where else ""
        return f"; the two differ{where}, and which came first is not known"
    if match.shown < WHOLE_RECORD:
        return f"; it shows a part of that {thing}, and whether the altered part is in it is not known"
    what = "shows what was altered in that" if is_fake else f"is that {thing}"
    return f"; whether it {what} could not be told"


def contradiction(match: MatchFacts) -> str:
    """A sentence: another publisher's claim, authentic of what this verdict calls a fake or the reverse."""
    record = match.record
    return f"{record.publisher_name} registered its {_thing(match)} on {_date(record)} {classed(match)}."


def rival_claims(claims: Sequence[MatchFacts]) -> str:
    """A sentence: who says that it is theirs, the first one first."""
    # With the time: whoever copies a picture may claim it on the same day.
    first, *later = (
        f"{claim.record.publisher_name} on {claim.record.registered_at:%Y-%m-%d %H:%M} UTC"
        for claim in claims
    )
    return f"Claimed first by {first}, then by {', '.join(later[:MOST_NAMED])}{_more(later)}."


def first_registration(match: MatchFacts) -> str:
    """A sentence: the earliest registration of a family, where it is not what the verdict is about."""
    record = match.record
    who = f"{record.label!r} by {record.publisher_name} on {_date(record)}"
    return f"Registered first: {who}, {classed(match)}."


def fake_of_it(fake: MatchFacts) -> str:
    """A sentence: of a fake that has its picture in common with the upload, and is not what it shows."""
    match fake.alteration:
        case AlterationShown.NOT_SHOWN:
            return f"It is not {_who(fake)} {classed(fake)}."
        case AlterationShown.NOT_IN_FRAME:
            return f"The altered part of {_who(fake)} {classed(fake)}, is not in it."
    return f"It shares its {_thing(fake)} with {_who(fake)} {classed(fake)}."


def one_of_these(matches: Sequence[MatchFacts]) -> str:
    """All that fingerprints alone allow to be said."""
    named = "; ".join(f"{_who(match)} {classed(match)}" for match in matches[:MOST_NAMED])
    named += _more(matches)
    start = "one of these" if len(matches) > 1 else "this"
    return (
        f"by fingerprints alone it is {start}, or was made from the same picture: {named}. Fingerprints "
        "cannot tell a fake from its original: the picture itself would have to be compared."
    )


def _more(of: Sequence[object]) -> str:
    """How many are not named."""
    return f" and {len(of) - MOST_NAMED} more" if len(of) > MOST_NAMED else ""


def _who(match: MatchFacts) -> str:
    who = f"{_label(match)}, registered by {match.record.publisher_name}"
    return who if match.record.media_seen else f"{who} by fingerprints that it sent"


def _thing(match: MatchFacts) -> str:
    return "footage" if match.record.duration_s is not None else "picture"


def _label(match: MatchFacts) -> str:
    return repr(match.record.label)


def classed(match: MatchFacts) -> str:
    """What it is registered as, and whether somebody else says so, too."""
    if match.is_doubted:
        return DOUBTED
    return REPORTED if match.is_reported else CLASS_WORDS[match.record.asset_class]


def _date(record: RecordSummary) -> str:
    return f"{record.registered_at:%Y-%m-%d}"


def capitalised(words: str) -> str:
    """With a capital first letter, as a sentence begins."""
    return words[:1].upper() + words[1:]
