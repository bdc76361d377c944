"""Withdraws a record (it stays readable and matches no more), or erases one (its data goes)."""

from sqlmodel import Session, delete, select

from registry.errors import RecordErased
from registry.index.changes import REMOVE, append_to_outbox
from registry.publish.registration import publish_and_cosign
from registry.records.access import Action, require
from registry.records.acts import actor_of, append_act
from registry.records.reading import get_record
from registry.services import Services
from registry.storage.db import after_commit
from registry.storage.models import (
    ApiKey,
    Corroboration,
    DeclaredSource,
    Dispute,
    FakeReview,
    Fingerprint,
    Record,
)
from registry.storage.models.columns import now
from registry.storage.models.records import ACTIVE, ERASED, WITHDRAWN
from sdk.models import ActType

ERASED_LABEL = "(erased)"


def withdraw(services: Services, session: Session, api_key: ApiKey, record_id: str) -> Record:
    """Withdraws a record: it matches no more from the next request on. The withdrawal is logged."""
    record = _own_record(session, api_key, record_id)
    services.log.lock(session)
    session.refresh(record)
    if record.status == ERASED:
        raise RecordErased("record and salt were erased")
    if record.status == ACTIVE:
        _remove_from_index(session, record)
        record.status = WITHDRAWN
        session.add(record)
        services.log.append(session, "withdraw", f"{record.id} {now().isoformat()}".encode(), active=-1)
        _note(session, api_key, ActType.WITHDRAW_RECORD, record)
    # Also where it was withdrawn before: by a request that failed before its checkpoint was published.
    after_commit(session, lambda: publish_and_cosign(services))
    return record


def erase(services: Services, session: Session, api_key: ApiKey, record_id: str) -> None:
    """Erases signed bytes, salt, fingerprints, declared sources and preview of a record.

    The log entry stays, and says nothing without the salt.
    """
    record = _own_record(session, api_key, record_id)
    services.log.lock(session)
    session.refresh(record)
    if record.status == ERASED:
        after_commit(session, lambda: publish_and_cosign(services))
        return
    was_active = record.status == ACTIVE
    if was_active:
        _remove_from_index(session, record)
    session.execute(delete(Fingerprint).where(Fingerprint.record_id == record.id))  # type: ignore[arg-type]
    session.execute(delete(DeclaredSource).where(DeclaredSource.record_id == record.id))  # type: ignore[arg-type]
    session.execute(
        delete(Dispute).where((Dispute.record_id == record.id) | (Dispute.other_id == record.id))  # type: ignore[arg-type]
    )
    pair = (Corroboration.record_id == record.id) | (Corroboration.other_id == record.id)
    session.execute(delete(Corroboration).where(pair))  # type: ignore[arg-type]
    session.execute(delete(FakeReview).where(FakeReview.record_id == record.id))  # type: ignore[arg-type]
    preview_key = record.preview_key
    record.status, record.label, record.jws, record.salt = ERASED, ERASED_LABEL, None, None
    record.digest_sha256 = record.preview_key = record.media_type = None
    record.width = record.height = None
    session.add(record)
    content = f"{record.id} {now().isoformat()}".encode()
    services.log.append(session, "erase", content, active=-1 if was_active else 0)
    _note(session, api_key, ActType.ERASE_RECORD, record)
    after_commit(session, lambda: _finish_erasure(services, preview_key))


def _note(session: Session, api_key: ApiKey, act: ActType, record: Record) -> None:
    append_act(
        session,
        actor_of(api_key),
        act,
        record.id,
        publisher=record.publisher_id,
        log_index=record.log_index,
    )


def _finish_erasure(services: Services, preview_key: str | None) -> None:
    try:
        publish_and_cosign(services)
    finally:
        if preview_key:  # a crash before this line leaves an orphan, which the next start sweeps
            services.blobs.delete(preview_key)


def _own_record(session: Session, api_key: ApiKey, record_id: str) -> Record:
    record = get_record(session, record_id)
    require(api_key, Action.CHANGE_RECORD, record.publisher_id)
    return record


def _remove_from_index(session: Session, record: Record) -> None:
    ids = session.exec(select(Fingerprint.id).where(Fingerprint.record_id == record.id)).all()
    append_to_outbox(session, REMOVE, [row_id for row_id in ids if row_id is not None])
