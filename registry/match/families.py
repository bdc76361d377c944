"""Families: matched records that show one thing, and which of them speaks for the others. Pure functions.

A publisher registers an original and its crops, others register near copies, researchers the fakes that
were made from it: an upload of one of them matches them all. They are one answer, not ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.match.facts import SAME_PLACE, Box, MatchFacts
from sdk.models import MatchRelation
from sdk.records import AssetClass

EQUALLY_WELL = (
    0.02  # share of the upload: records whose explanations differ by less explain it equally well
)
# What a verdict is about first, of records that explain an upload equally well.
CLASS_ORDER = (AssetClass.KNOWN_FAKE, AssetClass.AI_GENERATED, AssetClass.AUTHENTIC, AssetClass.DERIVATIVE)


@dataclass(frozen=True)
class MatchFamily:
    """Matches of one thing."""

    lead: MatchFacts
    others: tuple[MatchFacts, ...]

    @property
    def members(self) -> tuple[MatchFacts, ...]:
        """All of them, the lead first."""
        return (self.lead, *self.others)

    @property
    def registered_first(self) -> MatchFacts:
        """The earliest registration; of fakes, only of those that the upload shows."""
        told = [match for match in self.members if not match.is_fake_not_shown or match is self.lead]
        return min(told, key=registration)


def families_of(matches: Sequence[MatchFacts]) -> list[MatchFamily]:
    """Returns the matches by what they show; the family that a verdict is about first."""
    groups: list[list[MatchFacts]] = []
    for match in matches:
        related = [group for group in groups if any(_are_related(match, other) for other in group)]
        groups = [group for group in groups if group not in related]
        groups.append([other for group in related for other in group] + [match])
    return sorted((_family(group) for group in groups), key=_family_order)


def _are_related(one: MatchFacts, other: MatchFacts) -> bool:
    if other.record.id in one.source_ids or one.record.id in other.source_ids:
        return True
    if other.record.id in one.record.disputed_with or one.source_ids & other.source_ids:
        return True
    return any(_overlap(box, box_of_other) for box in one.boxes for box_of_other in other.boxes)


def _overlap(one: Box, other: Box) -> bool:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width > 0 and height > 0 and width * height >= SAME_PLACE * smaller


def _family(group: list[MatchFacts]) -> MatchFamily:
    lead = _lead(group)
    others = sorted((match for match in group if match is not lead), key=_explanation)
    return MatchFamily(lead, tuple(others))


def _lead(group: list[MatchFacts]) -> MatchFacts:
    """Chooses the match that explains the upload best.

    1. The same bytes outrank everything, but for 2. Of several registrations of them the first speaks.
    2. A fake that the upload shows is not silenced by what others register of it later.
    3. Then counts how much of the upload a record leaves unexplained: what it does not show, what differs.
    4. Of claims that contradict each other and explain it as well, the one that was registered first.
    """
    exact = [match for match in group if match.is_same_file]
    shown = [match for match in group if match.is_shown_fake]
    if exact:
        earlier = [fake for fake in shown if all(_is_earlier(fake, match) for match in exact)]
        best = _best(earlier) if earlier else min(exact, key=registration)
    else:
        best = _best(shown or _least_unexplained(group))
    rivals = contradicting(best, group) if best.is_shown_fake else rivals_of(best, group)
    equal = [rival for rival in rivals if _explains_as_well(rival, best)]
    return min((best, *equal), key=registration)


def _explains_as_well(rival: MatchFacts, best: MatchFacts) -> bool:
    """Whether a rival claim may speak first: a crop or an altered copy makes no original a derivative."""
    if not rival.compared_or_same_file or rival.explained < best.explained - EQUALLY_WELL:
        return False
    return rival.is_same_picture or not best.is_same_picture


def _best(matches: Sequence[MatchFacts]) -> MatchFacts:
    """What somebody merely reports speaks where nothing else does."""

    def rank(match: MatchFacts) -> tuple[object, ...]:
        by_class = CLASS_ORDER.index(match.record.asset_class)
        return match.is_reported, by_class, not match.is_same_picture, registration(match)

    return min(matches, key=rank)


def contradicting(fake: MatchFacts, others: Sequence[MatchFacts]) -> list[MatchFacts]:
    """Returns those that were said to be authentic of the same picture before another called it a fake."""
    return [other for other in others if other.is_earlier_claim and _is_earlier(other, fake)]


def rivals_of(match: MatchFacts, others: Sequence[MatchFacts]) -> list[MatchFacts]:
    """Returns those that other publishers say is their original, too."""
    return [
        other
        for other in others
        if other.is_authentic and match.is_authentic and other.record.id in match.record.disputed_with
    ]


def _least_unexplained(group: list[MatchFacts]) -> list[MatchFacts]:
    """Those that explain the upload equally well; fakes that it does not show only if nothing else."""
    if not any(match.compared_or_same_file for match in group):
        return [min(group, key=registration)]
    trusted = [match for match in group if not match.is_copy_of_fake] or group
    compared = [match for match in trusted if match.compared_or_same_file] or trusted
    most = max(match.explained for match in compared)
    near = [match for match in compared if match.explained >= most - EQUALLY_WELL]
    return [match for match in near if not match.is_fake_not_shown] or near


def _is_earlier(one: MatchFacts, other: MatchFacts) -> bool:
    return registration(one) < registration(other)


def registration(match: MatchFacts) -> tuple[object, ...]:
    """Orders matches by when their records were registered."""
    # Two registrations of one second are in the order of the log.
    return match.record.registered_at, match.record.log_index or 0


def _explanation(match: MatchFacts) -> tuple[object, ...]:
    possible = match.relation is MatchRelation.POSSIBLY_RELATED
    return possible, not match.is_same_file, round(-match.explained, 2), registration(match)


def _family_order(family: MatchFamily) -> tuple[object, ...]:
    lead = family.lead
    shows_fake = lead.is_shown_fake and not lead.is_reported
    return (
        not lead.is_same_file,
        not shows_fake,
        not lead.is_shown_fake,
        round(-lead.explained, 2),
        registration(lead),
    )
