"""What speaks for a fake that is being registered: another publisher's record of it, or the comparison."""

from collections.abc import Collection, Iterable, Sequence

from indexer.operations import OPERATIONS, Direction, Severity, most_severe
from registry.match.matched import MatchedRecord, are_pictures_compared
from registry.publish.disputes import is_near_copy
from registry.records.statements import VerifiedStatement
from registry.thresholds import Thresholds
from sdk.models import MatchRelation, Strength
from sdk.records import AssetClass

WHOLE = 0.97  # share of either that both must show: what misleads may be what was cut off


def same_fakes_of_others(
    verified: VerifiedStatement,
    declared: Collection[str],
    matches: Iterable[MatchedRecord],
    limits: Thresholds,
    *,
    is_media_seen: bool,
) -> list[str]:
    """Ids of known fakes of other publishers that show the same, as far as the comparison can tell.

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
        and _show_the_same(match, limits)
    ]


def _show_the_same(match: MatchedRecord, limits: Thresholds) -> bool:
    """Whether it is the same file, or was compared and differs in nothing, however slight."""
    if match.assessment.relation is MatchRelation.SAME_FILE:
        return True
    if match.assessment.strength is Strength.WEAK or not match.is_described or match.leaves_a_change_open:
        return False
    differs = any(OPERATIONS[operation.type].changes_content for operation in match.operations)
    return are_pictures_compared(match, limits) and not differs and is_near_copy(match, WHOLE)


def speaks_for_fake(
    match: MatchedRecord, verified: VerifiedStatement, matches: Sequence[MatchedRecord]
) -> bool:
    """Whether a known fake shows another face than the original of another publisher that it is made from.

    Not where the original may have been made from it, nor where the original's publisher registered this
    version as well, as whatever: then it is theirs.
    """
    original = match.record
    return (
        verified.statement.asset_class is AssetClass.KNOWN_FAKE
        and original.asset_class == AssetClass.AUTHENTIC
        and original.is_media_seen
        and original.publisher_id != verified.publisher_id
        and match.direction is not Direction.TO_REFERENCE
        and most_severe(operation.type for operation in match.operations) is Severity.PERSON_ALTERED
        and not any(
            other.record.publisher_id == original.publisher_id
            and other.record.id != original.id
            and is_near_copy(other)
            for other in matches
        )
    )
