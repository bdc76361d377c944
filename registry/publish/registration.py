"""Use case: register an asset under a publisher's signed statement.

Order, so that a crash at any point loses nothing that was acknowledged and keeps nothing that was not:
1. check statement, key and signature; 2. decode and fingerprint, outside any lock; 3. look for near
copies; 4. store the preview under a random name (an orphan is swept later); 5. in one transaction under
the log's writer lock: idempotency, duplicates, rows, log entry, head; 6. after the commit: publish the
checkpoint, let the index follow, answer.
"""

import hashlib

from sqlmodel import Session, and_, col, select

from indexer.fingerprints.compute import has_insufficient_detail, upright
from indexer.fingerprints.kinds import AUDIO, KINDS, PDQ, Family
from indexer.fingerprints.kinds import Fingerprint as Computed
from registry.errors import (
    BadStatement,
    DigestMismatch,
    DuplicateStatement,
    FingerprintMismatch,
    IdempotencyConflict,
    InsufficientDetail,
    InvalidFingerprint,
)
from registry.index.changes import ADD, append_to_outbox
from registry.media.previews import PreviewCache, store_preview
from registry.media.uploads import Progress, Upload, analyse, digest_of, upload_of_fingerprints
from registry.publish.declared_sources import compare_declared_sources
from registry.publish.disputes import near_copies_of_others
from registry.records.reading import get_record, receipt_of, summary_of
from registry.records.statements import VerifiedStatement, verify_statement
from registry.services import Services
from registry.storage.db import after_commit, transaction
from registry.storage.models import (
    ApiKey,
    Dispute,
    Fingerprint,
    IdempotencyKey,
    Record,
)
from registry.storage.models.records import ACTIVE
from sdk import records as signed
from sdk.models import FingerprintRegistration, Registration


def register_media(
    services: Services,
    cache: PreviewCache,
    session: Session,
    api_key: ApiKey,
    jws: str,
    content: bytes,
    idempotency_key: str | None,
    progress: Progress | None = None,
) -> Registration:
    """Register a file. Raises a StatementRefused, MediaRefused or Conflict error."""
    verified = check_before(session, api_key, jws, content)
    known = _known_answer(services, session, api_key, verified, idempotency_key)
    if known is not None:
        return known
    upload = analyse(services, content, with_previews=verified.statement.preview_allowed, progress=progress)
    if upload.insufficient_detail:
        raise InsufficientDetail(upload.insufficient_detail)
    return _store(services, cache, session, api_key, verified, upload, idempotency_key)


def check_before(session: Session, api_key: ApiKey, jws: str, content: bytes) -> VerifiedStatement:
    """What is known before anything is decoded. Raises a StatementRefused error."""
    verified = verify_statement(session, api_key, jws)
    if digest_of(content) != verified.statement.digest_sha256:
        raise DigestMismatch("the digest in the statement is not that of the file")
    return verified


def register_fingerprints(
    services: Services,
    cache: PreviewCache,
    session: Session,
    api_key: ApiKey,
    request: FingerprintRegistration,
    idempotency_key: str | None,
) -> Registration:
    """Register without the picture; the signed statement must bind the fingerprints."""
    verified = verify_statement(session, api_key, request.statement)
    plain = [one.model_dump(mode="json") for one in request.fingerprints]
    if verified.statement.fingerprints_sha256 != signed.fingerprints_digest(request.nonce, plain):
        raise FingerprintMismatch("`fingerprintsSHA256` in the statement is not that of nonce and list")
    if verified.statement.preview_allowed:
        raise BadStatement("a preview is allowed, but no picture was sent")
    known = _known_answer(services, session, api_key, verified, idempotency_key)
    if known is not None:
        return known
    upload = upload_of_fingerprints(
        [(one.value, one.quality, one.orientation) for one in request.fingerprints],
        verified.statement.digest_sha256,
    )
    if upright(upload.fingerprints, PDQ.name) is None:
        raise InvalidFingerprint(f"an upright {PDQ.name} is needed")
    if has_insufficient_detail(upload.fingerprints):
        raise InsufficientDetail("the PDQ quality is missing or below 50")
    return _store(services, cache, session, api_key, verified, upload, idempotency_key)


def _known_answer(
    services: Services,
    session: Session,
    api_key: ApiKey,
    verified: VerifiedStatement,
    idempotency_key: str | None,
) -> Registration | None:
    """The answer to a repeated request or to content that this publisher registered before."""
    record = _replayed(session, api_key, verified, idempotency_key) or _same(session, verified)
    return _answer(services, session, record, already_registered=True) if record else None


def _same(session: Session, verified: VerifiedStatement) -> Record | None:
    """One publisher, one content, one record: whatever else the second statement says."""
    publisher, digest = verified.publisher_id, verified.statement.digest_sha256
    same_content = and_(
        col(Record.publisher_id) == publisher,
        col(Record.digest_sha256) == digest,
        col(Record.status) == ACTIVE,
    )
    found = session.exec(select(Record).where(same_content | (col(Record.id) == verified.record_id))).all()
    for record in found:
        if (record.publisher_id, record.digest_sha256, record.status) == (publisher, digest, ACTIVE):
            return record
    if found:
        raise DuplicateStatement("use a new id for every statement")
    return None


def _replayed(
    session: Session, api_key: ApiKey, verified: VerifiedStatement, idempotency_key: str | None
) -> Record | None:
    if idempotency_key is None:
        return None
    row = session.get(IdempotencyKey, (api_key.id, idempotency_key))
    if row is None:
        return None
    if row.request_sha256 != _request_digest(verified):
        raise IdempotencyConflict("the key was used for a statement about something else")
    return get_record(session, row.record_id)


def _request_digest(verified: VerifiedStatement) -> str:
    """Signatures are randomised, so a repeated request is known by what it says, not by its bytes."""
    statement = verified.statement
    said = (verified.publisher_id, statement.digest_sha256, statement.asset_class, statement.label)
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _store(
    services: Services,
    cache: PreviewCache,
    session: Session,
    api_key: ApiKey,
    verified: VerifiedStatement,
    upload: Upload,
    idempotency_key: str | None,
) -> Registration:
    services.index.catch_up(session)
    declared_sources = compare_declared_sources(services, cache, session, verified, upload)
    disputed = near_copies_of_others(services, cache, session, verified, upload)
    preview_key = store_preview(services, upload) if verified.statement.preview_allowed else None
    services.log.lock(session)
    known = _known_answer(services, session, api_key, verified, idempotency_key)
    if known is not None:  # registered by another request meanwhile
        if preview_key:
            services.blobs.delete(preview_key)
        return known
    index, salt = services.log.append(session, "record", verified.jws.encode(), active=+1)
    record = _record_row(verified, upload, preview_key, index, salt)
    session.add(record)
    session.flush()
    rows = [
        Fingerprint(
            record_id=record.id,
            kind=one.kind,
            orientation=one.orientation,
            time_ms=one.time_ms,
            quality=one.quality,
            value=one.value,
        )
        for one in _kept_fingerprints(services, upload)
    ]
    session.add_all(rows)
    session.flush()
    ids = [row.id for row in rows if row.id is not None]
    append_to_outbox(session, ADD, ids)
    session.add_all(Dispute(record_id=record.id, other_id=other) for other in disputed)
    session.add_all(declared_sources)
    if idempotency_key is not None:
        session.add(
            IdempotencyKey(
                api_key_id=api_key.id,
                key=idempotency_key,
                request_sha256=_request_digest(verified),
                record_id=record.id,
            )
        )
    session.flush()
    after_commit(session, lambda: publish_and_follow(services))
    return _answer(services, session, record, already_registered=False)


def _kept_fingerprints(services: Services, upload: Upload) -> list[Computed]:
    """Of a picture the wanted descriptor only: older ones were computed to search with.

    Of a video's frames what is searched by: they are many, and asked about in all orientations anyway.
    """
    wanted = services.embedders.wanted.kind
    if upload.video is not None:
        return [
            one for one in upload.fingerprints if one.kind in (wanted, AUDIO.name) or _is_upright_pdq(one)
        ]
    return [
        one
        for one in upload.fingerprints
        if upload.image is None or one.kind == wanted or KINDS[one.kind].family is Family.BINARY
    ]


def _is_upright_pdq(fingerprint: Computed) -> bool:
    return fingerprint.kind == PDQ.name and fingerprint.orientation == 0


def publish_and_follow(services: Services) -> None:
    """After a commit: publish the checkpoint, then let this node's index see the change."""
    with transaction(services.engine) as session:
        services.log.publish(session)
        services.index.catch_up(session)


def _record_row(
    verified: VerifiedStatement, upload: Upload, preview_key: str | None, index: int, salt: bytes
) -> Record:
    statement, (width, height) = verified.statement, upload.size
    return Record(
        id=verified.record_id,
        publisher_id=verified.publisher_id,
        kid=verified.kid,
        jws=verified.jws,
        salt=salt,
        log_index=index,
        digest_sha256=statement.digest_sha256,
        asset_class=statement.asset_class.value,
        label=statement.label,
        media_type=upload.media_type or statement.media_type,
        width=width,
        height=height,
        duration_ms=upload.duration_ms,
        preview_key=preview_key,
        intimate=statement.intimate,
    )


def _answer(
    services: Services, session: Session, record: Record, *, already_registered: bool
) -> Registration:
    return Registration(
        record=summary_of(session, record),
        already_registered=already_registered,
        receipt=receipt_of(session, services.log, record),
    )
