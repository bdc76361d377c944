"""What speaks for a record of a known fake, beside the publisher that registered it.

One report is a claim: whoever wants a true picture taken down would only have to make it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, or_, select

from registry.storage.models import Corroboration, DeclaredSource, FakeReview, Record
from registry.storage.models.records import ACTIVE
from sdk.models import FakeStanding, Review, Standing
from sdk.records import AssetClass

FAKE, AUTHENTIC = AssetClass.KNOWN_FAKE.value, AssetClass.AUTHENTIC.value


def standings_of(
    session: Session, records: Iterable[Record], declared: Sequence[DeclaredSource]
) -> dict[str, FakeStanding]:
    """The standing of each known fake among the records, by id. `declared`: the sources of all of them."""
    fakes = {record.id: record for record in records if record.asset_class == FAKE}
    if not fakes:
        return {}
    corroborated = _corroborations(session, fakes)
    altered = _altered_originals(session, fakes, declared)
    rows = session.exec(select(FakeReview).where(col(FakeReview.record_id).in_(fakes)))
    reviews = {row.record_id: _wire(row) for row in rows}
    return {
        record_id: FakeStanding(
            standing=_standing(reviews.get(record_id), bool(corroborated[record_id] or altered[record_id])),
            corroborated_by=tuple(sorted(corroborated[record_id])),
            altered_from=tuple(sorted(altered[record_id])),
            review=reviews.get(record_id),
        )
        for record_id in fakes
    }


def _standing(review: Review | None, is_supported: bool) -> Standing:
    is_confirmed = is_supported if review is None else review.confirmed
    return Standing.CONFIRMED if is_confirmed else Standing.REPORTED


def _corroborations(session: Session, fakes: Mapping[str, Record]) -> Mapping[str, set[str]]:
    """By record, those of other publishers that stand, and that no reviewer doubts."""
    one, other = aliased(Record), aliased(Record)
    pairs = session.exec(
        select(Corroboration)
        .join(one, col(one.id) == col(Corroboration.record_id))
        .join(other, col(other.id) == col(Corroboration.other_id))
        .where(
            or_(col(Corroboration.record_id).in_(fakes), col(Corroboration.other_id).in_(fakes)),
            one.status == ACTIVE,
            other.status == ACTIVE,
        )
    )
    voices = [
        voice
        for pair in pairs
        for voice in ((pair.record_id, pair.other_id), (pair.other_id, pair.record_id))
    ]
    others = {said_by for _, said_by in voices}
    doubts = select(FakeReview.record_id).where(
        col(FakeReview.record_id).in_(others), ~col(FakeReview.confirmed)
    )
    doubted = set(session.exec(doubts).all()) if others else set()
    found: dict[str, set[str]] = defaultdict(set)
    for record_id, said_by in voices:
        if said_by not in doubted:
            found[record_id].add(said_by)
    return found


def _altered_originals(
    session: Session, fakes: Mapping[str, Record], declared: Sequence[DeclaredSource]
) -> Mapping[str, set[str]]:
    """By record, the originals of other publishers that the comparison found another face in.

    Its publisher's own originals do not count: it could register the true picture as the fake.
    """
    altered = [source for source in declared if source.record_id in fakes and source.speaks_for_fake]
    found: dict[str, set[str]] = defaultdict(set)
    if not altered:
        return found
    originals = select(Record.id, Record.publisher_id).where(
        col(Record.id).in_({source.target for source in altered}),
        Record.asset_class == AUTHENTIC,
        Record.status == ACTIVE,
    )
    publishers = dict(session.exec(originals).all())
    for source in altered:
        publisher = publishers.get(source.target)
        if publisher not in (None, fakes[source.record_id].publisher_id):
            found[source.record_id].add(source.target)
    return found


def _wire(row: FakeReview) -> Review:
    return Review(confirmed=row.confirmed, reason=row.reason, reviewer=row.reviewer_id, at=row.reviewed_at)
