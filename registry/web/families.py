"""Arranges the matches of an answer for a reader: families, then what is only possible."""

from registry.storage.models.records import ACTIVE
from sdk.models import AlterationShown, Direction, Match, MatchAnswer, RecordSummary, Strength


def families_shown(answer: MatchAnswer) -> list[tuple[Match, list[Match]]]:
    """The match that speaks for each family, with the others of it.

    Where nothing is confirmed, the first possible match stands alone: a person has to look at it. The
    answer of a job from before there were families has each confirmed match for itself.
    """
    if not answer.families:
        confirmed = [match for match in answer.matches if match.strength is not Strength.WEAK]
        return [(match, []) for match in confirmed or answer.matches[:1]]
    by_id = {match.record.id: match for match in answer.matches}
    families = [[by_id[name] for name in family.records] for family in answer.families]
    return [(lead, others) for lead, *others in families]


def possible_matches(answer: MatchAnswer) -> list[Match]:
    """The matches that are shown with none of these: none of them is confirmed."""
    shown = {match.record.id for lead, others in families_shown(answer) for match in (lead, *others)}
    return [match for match in answer.matches if match.record.id not in shown]


def originals_shown(match: Match) -> tuple[RecordSummary, ...]:
    """What a fake was made from, as far as anybody may see it, to be shown beside it.

    Nothing beside an intimate record: whose picture was misused is nobody's to see there.
    """
    if match.record.intimate:
        return ()
    return tuple(
        source
        for source in match.made_from
        if source.preview is not None and source.status == ACTIVE and not source.intimate
    )


def direction_in_words(match: Match) -> str | None:
    """Which was made from which, in a few words.

    None where it is not known, and of a fake that the upload is not known to show: a crop of its original
    lacks what a crop of the fake lacks.
    """
    match match.direction:
        case Direction.FROM_REFERENCE if match.alteration in (None, AlterationShown.SHOWN):
            return "upload made from it"
        case Direction.TO_REFERENCE:
            return "made from what the upload shows"
    return None
