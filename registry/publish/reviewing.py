"""Reviews known fakes: a reviewer confirms what another organisation reported, or does not."""

from sqlmodel import Session

from registry.errors import NotAllowed, NotReviewable
from registry.log.transparency_log import lock_writer
from registry.records.access import Action, require
from registry.records.acts import actor_of, append_act
from registry.records.reading import get_record
from registry.storage.models import ApiKey, FakeReview, Record
from registry.storage.models.columns import now
from registry.storage.models.records import ACTIVE
from sdk.models import ActType, NewReview
from sdk.records import AssetClass


def review_fake(session: Session, api_key: ApiKey, record_id: str, review: NewReview) -> Record:
    """Keeps the review in place of an earlier one, and notes it as an act; the same again is no act.

    Raises UnknownRecord, NotAllowed (also of the reviewer's own record), NotReviewable.
    """
    require(api_key, Action.REVIEW_FAKE)
    record = get_record(session, record_id)
    lock_writer(session)  # one review at a time, and none of what is being withdrawn
    session.refresh(record)
    if record.asset_class != AssetClass.KNOWN_FAKE or record.status != ACTIVE:
        raise NotReviewable("only a known fake that is not withdrawn is reviewed")
    if record.publisher_id == api_key.publisher_id:
        raise NotAllowed("a known fake is reviewed by another organisation than registered it")
    row = session.get(FakeReview, record.id)
    said = (review.confirmed, review.reason, api_key.publisher_id)
    if row is not None and (row.confirmed, row.reason, row.reviewer_id) == said:
        return record
    row = row or FakeReview(record_id=record.id, reviewer_id="", confirmed=False, reason="")
    row.confirmed, row.reason, row.reviewer_id = said
    row.reviewed_at = now()
    session.add(row)
    append_act(session, actor_of(api_key), ActType.REVIEW_FAKE, record.id, confirmed=review.confirmed)
    return record
