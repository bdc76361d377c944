"""Who else registered the same fake: two publishers that say so by themselves confirm each other."""

from collections.abc import Collection, Iterable

from registry.match.matched import MatchedRecord
from registry.publish.disputes import is_near_copy
from registry.records.statements import VerifiedStatement
from sdk.models import Strength
from sdk.records import AssetClass


def same_fakes_of_others(
    verified: VerifiedStatement,
    declared: Collection[str],
    matches: Iterable[MatchedRecord],
    *,
    is_media_seen: bool,
) -> list[str]:
    """Ids of known fakes of other publishers that show the same, and nearly all of it.

    Who declares another's record as the source of its own has not found the fake by itself.
    """
    if verified.statement.asset_class is not AssetClass.KNOWN_FAKE or not is_media_seen:
        return []
    return [
        match.record.id
        for match in matches
        if match.record.asset_class == AssetClass.KNOWN_FAKE
        and match.record.is_media_seen
        and match.record.publisher_id != verified.publisher_id
        and match.record.id not in declared
        and match.assessment.strength is not Strength.WEAK
        and is_near_copy(match)
    ]
