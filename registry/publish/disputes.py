"""Rival claims: several publishers say of one picture or video that it is their original. All stay visible.

Only claims of authenticity rival each other. Who registers a near copy of a known fake disputes nothing:
the verdict names the fake, whatever others say of it.
"""

from collections.abc import Collection, Iterable

from registry.match.matched import MatchedRecord
from registry.records.statements import VerifiedStatement
from sdk.models import Strength
from sdk.records import AssetClass


def near_copies_of_others(
    verified: VerifiedStatement, declared: Collection[str], matches: Iterable[MatchedRecord]
) -> list[str]:
    """Ids of authentic records of others that show the same picture and are not declared as its source.

    An original and a fake that was made from it show different things: neither disputes the other.
    """
    if verified.statement.asset_class is not AssetClass.AUTHENTIC:
        return []
    return [
        match.record.id
        for match in matches
        if match.record.asset_class == AssetClass.AUTHENTIC
        and match.record.publisher_id != verified.publisher_id
        and match.record.id not in declared
        and match.assessment.strength is not Strength.WEAK
        and not match.shows_another_face
    ]
