"""Use case: register an asset under a publisher's signed statement.

Order, so that a crash at any point loses nothing that was acknowledged and keeps nothing that was not:
1. verify statement, key, signature and digest, and look whether the same was registered before; 2. decode
and fingerprint, outside any lock; 3. find what the upload matches, for declared sources and disputes;
4. store the preview under a random name (an orphan is swept later); 5. in one transaction under the log's
writer lock: idempotency, duplicates, rows, log entry, head; 6. after the commit: publish the checkpoint,
let the index follow, have witnesses cosign where there are any, answer.
"""

import hashlib
from dataclasses import dataclass, replace

from sqlmodel import Session, and_, col, select

from indexer.fingerprints.kinds import Fingerprint as Computed
from indexer.media.images import DecodedImage
from registry.errors import (
    BadStatement,
    DigestMismatch,
    DuplicateStatement,
    FingerprintMismatch,
    IdempotencyConflict,
    InsufficientDetail,
)
from registry.index.changes import ADD, append_to_outbox
from registry.match.matched import MatchedRecord
from registry.match.matching import find_matches
from registry.media.previews import store_preview
from registry.media.uploads import Progress, Upload, digest_of
from registry.publish.corroboration import same_fakes_of_others
from registry.publish.declared_sources import (
    comparable_sources,
    declared_ids,
    declared_sources,
    is_made_from_an_intimate_record,
)
from registry.publish.disputes import near_copies_of_others
from registry.publish.fingerprints_alone import (
    record_of_same_values,
    require_findable,
    require_one_picture,
)
from registry.publish.record_rows import fingerprint_rows, record_row
from registry.records.reading import get_record, receipt_of, summary_of
from registry.records.statements import VerifiedStatement, signing_key, verify_statement
from registry.services import Services
from registry.storage.db import after_commit, settle, transaction
from registry.storage.models import (
    ApiKey,
    Corroboration,
    DeclaredSource,
    Dispute,
    IdempotencyKey,
    Record,
)
from registry.storage.models.columns import now
from registry.storage.models.records import ACTIVE
from sdk import records as signed
from sdk.models import Effort, FingerprintRegistration, Registration

USE_A_NEW_ID = "use a new id for every statement"


@dataclass(frozen=True)
class RegistrationRequest:
    """What is registered: a verified statement, by whom it was sent, and under which idempotency key."""

    verified: VerifiedStatement
    api_key: ApiKey
    idempotency_key: str | None
    fingerprints: tuple[Computed, ...] = ()  # where they came without their picture


def verify_request(
    session: Session, api_key: ApiKey, jws: str, content: bytes, idempotency_key: str | None
) -> RegistrationRequest:
    """Everything that can be refused before the file is decoded. Raises StatementRefused."""
    verified = verify_statement(session, api_key, jws)
    if digest_of(content) != verified.statement.digest_sha256:
        raise DigestMismatch("the digest in the statement is not that of the file")
    return RegistrationRequest(verified, api_key, idempotency_key)


def describe(
    services: Services,
    request: RegistrationRequest,
    content: bytes,
    *,
    image: DecodedImage | None = None,
    progress: Progress | None = None,
) -> Upload:
    """Decodes and fingerprints a file; `image` where it was decoded before. Raises MediaRefused.

    Needs no database: nobody holds a connection meanwhile.
    """
    if image is not None:
        upload = services.uploads.describe_image(content, image)
    else:
        with_previews = request.verified.statement.preview_allowed
        upload = services.uploads.read(content, with_previews=with_previews, progress=progress)
    if upload.insufficient_detail:
        raise InsufficientDetail(upload.insufficient_detail)
    return upload


def register_upload(
    services: Services, session: Session, request: RegistrationRequest, upload: Upload
) -> Registration:
    """Registers a described file that had no `known_answer`. Raises Conflict."""
    return _store(services, session, request, upload)


def register_fingerprints(
    services: Services,
    session: Session,
    api_key: ApiKey,
    registration: FingerprintRegistration,
    idempotency_key: str | None,
) -> Registration:
    """Registers without the picture; the signed statement must bind the fingerprints."""
    verified = verify_statement(session, api_key, registration.statement)
    plain = [value.model_dump(mode="json") for value in registration.fingerprints]
    if verified.statement.fingerprints_sha256 != signed.fingerprints_digest(registration.nonce, plain):
        raise FingerprintMismatch("`fingerprintsSHA256` in the statement is not that of nonce and list")
    if verified.statement.preview_allowed:
        raise BadStatement("a preview is allowed, but no picture was sent")
    upload = services.uploads.read_fingerprints(
        [(value.value, value.quality, value.orientation) for value in registration.fingerprints],
        verified.statement.digest_sha256,
    )
    require_findable(upload.fingerprints)
    require_one_picture(upload.fingerprints)
    request = RegistrationRequest(verified, api_key, idempotency_key, upload.fingerprints)
    known = known_answer(services, session, request)
    if known is not None:
        return known
    return _store(services, session, request, upload)


def known_answer(services: Services, session: Session, request: RegistrationRequest) -> Registration | None:
    """The answer to a repeated request or to content that this publisher registered before.

    None: it is new. Raises SigningStopped or NotCosigned where nothing new is taken now.
    """
    known = _known(services, session, request)
    if known is None:
        services.log.require_signing(session)
    return known


def _known(services: Services, session: Session, request: RegistrationRequest) -> Registration | None:
    record = _replayed(session, request) or _registered_before(services, session, request)
    if record is None:
        return None
    # Whoever stored it may have failed, or died, before its checkpoint was published.
    after_commit(session, lambda: publish_and_follow(services))
    return _answer(services, session, record, already_registered=True)


def _registered_before(services: Services, session: Session, request: RegistrationRequest) -> Record | None:
    """One publisher, one content, one record: whatever else the second statement says.

    The content is named by its digest, and where the statement names none, by the fingerprints.
    """
    verified = request.verified
    publisher, digest = verified.publisher_id, verified.statement.digest_sha256
    if digest is None:
        services.index.catch_up(session)
        same = record_of_same_values(services, session, publisher, request.fingerprints)
        if same is None and session.get(Record, verified.record_id) is not None:
            raise DuplicateStatement(USE_A_NEW_ID)
        return same
    same_content = and_(
        col(Record.publisher_id) == publisher,
        col(Record.digest_sha256) == digest,
        col(Record.status) == ACTIVE,
    )
    same_id = col(Record.id) == verified.record_id
    found = session.exec(select(Record).where(same_content | same_id)).all()
    for record in found:
        if (record.publisher_id, record.digest_sha256, record.status) == (publisher, digest, ACTIVE):
            return record
    if found:
        raise DuplicateStatement(USE_A_NEW_ID)
    return None


def _replayed(session: Session, request: RegistrationRequest) -> Record | None:
    if request.idempotency_key is None:
        return None
    row = session.get(IdempotencyKey, (request.api_key.id, request.idempotency_key))
    if row is None:
        return None
    if row.request_sha256 != _request_digest(request.verified):
        raise IdempotencyConflict("the key was used for a statement about something else")
    return get_record(session, row.record_id)


def _request_digest(verified: VerifiedStatement) -> str:
    """Signatures are randomised, so a repeated request is known by what it says, not by its bytes."""
    statement = verified.statement
    content = statement.digest_sha256 or statement.fingerprints_sha256
    said = (verified.publisher_id, content, statement.asset_class, statement.label)
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _store(
    services: Services, session: Session, request: RegistrationRequest, upload: Upload
) -> Registration:
    verified = request.verified
    sources, disputed, corroborated = _relations(services, session, verified, upload)
    preview_key = None
    if verified.statement.preview_allowed:
        preview_key = _keep_preview(services, upload)
    services.log.lock(session)
    known = _known(services, session, request)  # what is new is refused by `append`, where it must be
    if known is not None:  # registered by another request meanwhile
        if preview_key:
            services.blobs.delete(preview_key)
        return known
    key = signing_key(session, verified.kid, anew=True)  # reading the file may have taken an hour
    index, salt = services.log.append(session, "record", verified.jws.encode(), active=+1)
    record = record_row(verified, upload, preview_key, index, salt)
    record.registered_at = max(now(), key.valid_from)  # the clock may have been set back since
    # A fake is for the most part the picture that it was made from.
    record.intimate = record.intimate or is_made_from_an_intimate_record(session, sources)
    session.add(record)
    session.flush()
    rows = fingerprint_rows(record, upload, services.uploads.embedders.wanted.kind)
    session.add_all(rows)
    session.flush()
    append_to_outbox(session, ADD, [row.id for row in rows if row.id is not None])
    session.add_all(Dispute(record_id=record.id, other_id=other) for other in disputed)
    session.add_all(Corroboration(record_id=record.id, other_id=other) for other in corroborated)
    session.add_all(sources)
    if request.idempotency_key is not None:
        session.add(
            IdempotencyKey(
                api_key_id=request.api_key.id,
                key=request.idempotency_key,
                request_sha256=_request_digest(verified),
                record_id=record.id,
            )
        )
    session.flush()
    after_commit(session, lambda: publish_and_follow(services))
    answer = _answer(services, session, record, already_registered=False)
    return answer.model_copy(update={"notes": upload.notes})


def _keep_preview(services: Services, upload: Upload) -> str | None:
    settings = services.settings
    side = settings.detail_long_side
    detail = services.uploads.in_detail(upload, side) if side else None
    return store_preview(services.blobs, upload, settings.preview_long_side, detail, side)


def _relations(
    services: Services, session: Session, verified: VerifiedStatement, upload: Upload
) -> tuple[list[DeclaredSource], list[str], list[str]]:
    """What the statement declares, compared; what it disputes, and what it corroborates: by one search."""
    compared, declared = comparable_sources(session, verified, upload), declared_ids(verified)
    sources = {record.id for record in compared}

    def is_described(match: MatchedRecord) -> bool:
        of_another = match.record.publisher_id != verified.publisher_id and match.record.id not in declared
        return match.record.id in sources or of_another

    context = services.in_request(session)
    if context.effort is Effort.FAST:
        context = replace(context, effort=Effort.STANDARD)  # a source that was declared may be a part
    matches = find_matches(context, upload, including=compared, describe=is_described)
    return (
        declared_sources(verified, compared, matches),
        near_copies_of_others(verified, declared, matches, is_media_seen=upload.is_media_seen),
        same_fakes_of_others(
            verified, declared, matches, context.thresholds, is_media_seen=upload.is_media_seen
        ),
    )


def publish_and_follow(services: Services) -> None:
    """After a commit: publishes the checkpoint, then lets this node's index see the change."""
    with transaction(services.engine) as session:
        services.log.publish(session)
        services.index.catch_up(session)


def publish_and_cosign(services: Services) -> None:
    """The same for what is answered without a receipt: it waits for witnesses, and not in vain."""
    publish_and_follow(services)
    services.witnessing.cosign()


def _answer(
    services: Services, session: Session, record: Record, *, already_registered: bool
) -> Registration:
    log_key = None
    if services.log.witnessed:
        # The receipt is under a checkpoint that is cosigned after the commit. A job whose worker dies from
        # here on is begun again, and finds the record.
        settle(session)
        services.witnessing.require(record.log_index + 1)
    elif not already_registered:
        log_key = services.log.key  # as `append` found it: nobody rotates it before this transaction ends
    return Registration(
        record=summary_of(session, record),
        already_registered=already_registered,
        receipt=receipt_of(session, services.log, record, log_key),
    )
