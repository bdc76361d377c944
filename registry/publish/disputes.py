"""Rival claims: several publishers say of one picture or video that it is their original. All stay visible.

Only claims of authenticity rival each other. Who registers a near copy of a known fake disputes nothing:
the verdict names the fake, whatever others say of it.
"""

from collections.abc import Collection, Iterable

from registry.match.matched import MatchedRecord
from registry.records.statements import VerifiedStatement
from sdk.models import Strength
from sdk.records import AssetClass

NEARLY_ALL = 0.8  # share of both pictures, or of the seconds of both: a definition, not a measurement


def near_copies_of_others(
    verified: VerifiedStatement,
    declared: Collection[str],
    matches: Iterable[MatchedRecord],
    *,
    is_media_seen: bool,
) -> list[str]:
    """Ids of authentic records of others that show the same picture and are not declared as its source.

    Two that show different things, such as an original and an edit of it, do not dispute each other. Nor
    does anybody who showed no file: 32 bytes are no claim to a picture, and whether they are near to those
    of a record that is kept from others is nothing to be told.
    """
    if verified.statement.asset_class is not AssetClass.AUTHENTIC or not is_media_seen:
        return []
    return [
        match.record.id
        for match in matches
        if match.record.asset_class == AssetClass.AUTHENTIC
        and match.record.is_media_seen
        and match.record.publisher_id != verified.publisher_id
        and match.record.id not in declared
        and match.assessment.strength is not Strength.WEAK
        and is_near_copy(match)
    ]


def is_near_copy(match: MatchedRecord, least_shown: float = NEARLY_ALL) -> bool:
    """Whether both show the same, and of either at least that share.

    Who registers a crop or an edit of another's picture, or another moment, does not put that in doubt. Who
    processes it until nobody can tell its faces does.
    """
    if match.changes_content or match.may_be_other_moment:
        return False
    if match.shared is not None:
        return min(match.shared.query_share, match.shared.reference_share) >= least_shown
    alignment = match.candidate.alignment
    return alignment is None or min(alignment.query_coverage, alignment.reference_coverage) >= least_shown
