"""Endpoints of records: register, read, withdraw, erase."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Header, Query, Response, UploadFile
from fastapi.concurrency import run_in_threadpool

from indexer.media.frames import VideoInfo
from registry.api.deps import (
    NO_STORE,
    AnyKey,
    BearerDep,
    Registrar,
    ServicesDep,
    SessionDep,
    TurnDep,
    read_upload,
    sight_for,
)
from registry.api.following import FollowersDep, finished_in_time
from registry.api.jobs import PreferHeader, WebhookForm, accepted, answer_of, wait_s
from registry.errors import UnknownRecord
from registry.jobs import lifecycle as jobs
from registry.match.showing import frame_of, preview_of
from registry.publish import registration, reviewing, withdrawal
from registry.records.reading import get_record, newest_records, receipt_of, summaries_of, summary_of
from registry.services import Services
from registry.storage.db import transaction
from registry.storage.models import ApiKey, Record
from sdk.models import FingerprintRegistration, Job, NewReview, Receipt, RecordSummary, Registration

router = APIRouter(prefix="/v1/records", tags=["records"])

IdempotencyHeader = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=8, max_length=200, description="safe to send again"),
]


@router.post("", status_code=201, operation_id="registerMedia", responses={202: {"model": Job}})
async def register_media(
    media: Annotated[UploadFile, File(description="the picture or video")],
    statement: Annotated[str, Form(max_length=32 * 1024, description="the signed statement, compact JWS")],
    services: ServicesDep,
    followers: FollowersDep,
    turn: TurnDep,
    api_key: Registrar,
    response: Response,
    idempotency_key: IdempotencyHeader = None,
    webhook: WebhookForm = None,
    prefer: PreferHeader = None,
) -> Registration | Job:
    """Registers a picture or video under a signed statement; status 200 when it was registered before.

    A video that is not done in time is answered with 202 and a job.
    """
    new = jobs.NewJob(jobs.REGISTER, statement, idempotency_key, webhook)
    begun = await run_in_threadpool(_register_or_accept, services, api_key, media, new)
    if isinstance(begun, Registration):
        response.status_code = 200 if begun.already_registered else 201
        return begun
    seconds = wait_s(services, prefer)
    job = await finished_in_time(services, followers, turn, begun, api_key.id, seconds)
    return answer_of(job, response, Registration)


def _register_or_accept(
    services: Services, api_key: ApiKey, media: UploadFile, new: jobs.NewJob
) -> Registration | str:
    """The answer about a picture or about what is known already, or the id of a video's job."""
    assert new.statement is not None
    content = read_upload(media, services)
    # Before anything is decoded: whoever signed nothing good gets no work done, and is told at once.
    with transaction(services.engine) as session:
        request = registration.verify_request(session, api_key, new.statement, content, new.idempotency_key)
        known = registration.known_answer(services, session, request)
    if known is not None:
        return known
    identified = services.uploads.decoders.identify(content)  # holding no connection to the database
    if isinstance(identified, VideoInfo):
        return accepted(services, api_key, content, new)
    upload = registration.describe(services, request, content, image=identified)
    with transaction(services.engine) as session:
        return registration.register_upload(services, session, request, upload)


@router.post("/fingerprints", status_code=201, operation_id="registerFingerprints")
def register_fingerprints(
    request: FingerprintRegistration,
    services: ServicesDep,
    session: SessionDep,
    api_key: Registrar,
    response: Response,
    idempotency_key: IdempotencyHeader = None,
) -> Registration:
    """Registers a picture by its fingerprints alone; it is not sent."""
    answer = registration.register_fingerprints(services, session, api_key, request, idempotency_key)
    response.status_code = 200 if answer.already_registered else 201
    return answer


@router.get("", operation_id="listRecords")
def list_records(
    session: SessionDep,
    before: Annotated[int | None, Query(ge=0, description="log index to continue below")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[RecordSummary]:
    """Lists records, newest first."""
    records = newest_records(session, before, limit)
    summaries = summaries_of(session, records)
    return [summaries[record.id] for record in records]


@router.get("/{record_id}", operation_id="getRecord")
def read_record(record_id: str, session: SessionDep) -> RecordSummary:
    """Returns one record, without fingerprints."""
    return summary_of(session, get_record(session, record_id))


@router.get("/{record_id}/receipt", operation_id="getReceipt")
def get_receipt(record_id: str, services: ServicesDep, session: SessionDep) -> Receipt:
    """Returns everything that is needed to verify the record offline."""
    return receipt_of(session, services.log, get_record(session, record_id))


@router.get("/{record_id}/preview", operation_id="getPreview", response_class=Response)
def get_preview(
    record_id: str, services: ServicesDep, session: SessionDep, credentials: BearerDep
) -> Response:
    """Returns the preview that the publisher allowed, as WebP.

    That of an intimate record is returned only to keys with the scope `review`, and to its publisher's with
    the scope `register`.
    """
    record = get_record(session, record_id)
    content = preview_of(services, record, sight_for(services, session, credentials, record))
    if content is None:
        raise UnknownRecord("no preview of this record is kept")
    headers = {"Content-Disposition": "inline; filename=preview.webp"}
    return _shown(content, record, headers)


@router.get("/{record_id}/frames/{time_ms}", operation_id="getFrame", response_class=Response)
def get_frame(
    record_id: str,
    time_ms: int,
    services: ServicesDep,
    session: SessionDep,
    credentials: BearerDep,
) -> Response:
    """Returns the kept frame of a video that is nearest to a time, as WebP.

    Whoever may see the preview may see the frames.
    """
    record = get_record(session, record_id)
    content = frame_of(services, record, time_ms, sight_for(services, session, credentials, record))
    if content is None:
        raise UnknownRecord("no frames of this record are kept")
    return _shown(content, record, {"Cache-Control": "private, max-age=600"})


def _shown(content: bytes, record: Record, headers: dict[str, str]) -> Response:
    kept_nowhere = {"Cache-Control": NO_STORE} if record.intimate else {}
    headers = {"X-Content-Type-Options": "nosniff", **headers, **kept_nowhere}
    return Response(content, media_type="image/webp", headers=headers)


@router.post("/{record_id}/withdraw", operation_id="withdrawRecord")
def withdraw(
    record_id: str, services: ServicesDep, session: SessionDep, api_key: Registrar
) -> RecordSummary:
    """Withdraws a record: it matches no more from the next request on, and stays readable."""
    return summary_of(session, withdrawal.withdraw(services, session, api_key, record_id))


@router.post("/{record_id}/review", operation_id="reviewFake")
def review(record_id: str, asked: NewReview, session: SessionDep, api_key: AnyKey) -> RecordSummary:
    """Confirms that a known fake is one, or says that it is not known to be; the last review counts.

    For keys with the scope `review` of another organisation than registered it. Until somebody confirms
    it, a fake of one publisher alone is `reported`.
    """
    return summary_of(session, reviewing.review_fake(session, api_key, record_id, asked))


@router.delete("/{record_id}", status_code=204, operation_id="eraseRecord")
def erase(record_id: str, services: ServicesDep, session: SessionDep, api_key: Registrar) -> None:
    """Erases signed bytes, salt, fingerprints and preview; the entry in the log stays and says nothing."""
    withdrawal.erase(services, session, api_key, record_id)
