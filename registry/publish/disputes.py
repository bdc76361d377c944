"""Which registered pictures and videos of others a new registration shows: both claims stay visible."""

from collections.abc import Collection, Iterable

from registry.match.matched import MatchedRecord
from registry.records.statements import VerifiedStatement
from sdk.models import Strength


def near_copies_of_others(
    verified: VerifiedStatement, declared: Collection[str], matches: Iterable[MatchedRecord]
) -> list[str]:
    """Ids of records of other publishers that show the same picture and are not declared as its source.

    An original and a fake that was made from it show different things: neither disputes the other.
    """
    return [
        match.record.id
        for match in matches
        if match.record.publisher_id != verified.publisher_id
        and match.record.id not in declared
        and match.assessment.strength is not Strength.WEAK
        and not match.shows_another_face
    ]
