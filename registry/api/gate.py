"""The gate's endpoint: an upload in, a decision out, before the platform publishes."""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Annotated, TypeVar

from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session
from starlette.background import BackgroundTask

from indexer.media.frames import VideoInfo
from registry.api.deps import NO_STORE, BaseUrlDep, Decider, ServicesDep, TurnDep, read_upload
from registry.api.following import FollowersDep
from registry.api.jobs import PreferHeader, WebhookForm, wait_s
from registry.api.records import IdempotencyHeader
from registry.errors import (
    FingerprintProbing,
    IdempotencyConflict,
    InconsistentFingerprints,
    InvalidFingerprint,
    InvalidRequest,
    MediaTooLarge,
    StorageAway,
)
from registry.gate import deciding
from registry.gate.asking import Question, prepare
from registry.gate.decisions import get_decision
from registry.jobs import lifecycle as jobs
from registry.jobs.followers import JobFollowers
from registry.jobs.webhooks import check_address
from registry.media.uploads import Upload
from registry.records.access import Action, Asker, may
from registry.services import Services
from registry.storage.db import transaction
from registry.storage.faults import fault_of
from registry.storage.models import ApiKey
from sdk.flaws import flaws_in_words
from sdk.models import Decision, DecisionState, Failure, FingerprintQuery, GateContext
from sdk.models.base import Wire

T = TypeVar("T")
W = TypeVar("W", bound=Wire)
router = APIRouter(prefix="/v1/gate", tags=["gate"])
# The caller's own fault: nothing is decided of a request that cannot be understood.
CALLERS_FAULT = (
    InvalidRequest,
    InvalidFingerprint,
    InconsistentFingerprints,
    FingerprintProbing,
    IdempotencyConflict,
)
TIME_IS_OVER = Failure(
    code=deciding.DEADLINE, detail="There was no decision within the time that the caller gave."
)
MOST_CONTEXT = 64 * 1024
_kept: set["asyncio.Task[Decision]"] = set()  # that go on after their caller was answered


@router.post(
    "",
    operation_id="decide",
    responses={202: {"model": Decision}, 451: {"model": Decision}},
    response_model=Decision,
)
async def decide(
    services: ServicesDep,
    followers: FollowersDep,
    turn: TurnDep,
    api_key: Decider,
    base_url: BaseUrlDep,
    media: Annotated[UploadFile | None, File(description="the picture or video")] = None,
    fingerprints: Annotated[
        str | None,
        Form(max_length=512 * 1024, description="in place of it: a FingerprintQuery as JSON"),
    ] = None,
    context: Annotated[
        str,
        Form(max_length=MOST_CONTEXT, description="what the platform says of it: a GateContext as JSON"),
    ] = "{}",
    idempotency_key: IdempotencyHeader = None,
    webhook: WebhookForm = None,
    prefer: PreferHeader = None,
) -> Response:
    """Decides about an upload under the platform's policy: 200 publish, 202 hold, 451 refuse.

    Whatever takes too long or breaks ends in the caller's `on_failure`. A video that is not done in time is
    held: its job ends in the same decision, which goes to the webhook.
    """
    started = monotonic()
    said = _parsed(GateContext, context, "context")
    if (media is None) == (fingerprints is None):
        raise InvalidRequest("send either `media` or `fingerprints`")
    if fingerprints is not None:
        query = _parsed(FingerprintQuery, fingerprints, "fingerprints")
        sent = hashlib.sha256(fingerprints.encode()).hexdigest()
        source = _Source(query.digest_sha256 or sent, sent, query=query)
    else:
        assert media is not None
        source = await run_in_threadpool(_received, media, services)
    if webhook:
        await run_in_threadpool(check_address, services, webhook)
    work = _Work(services, api_key, source, webhook)
    prepare_in = partial(work.prepare, said, idempotency_key, base_url)
    if source.query is not None and said.deadline_ms is None:  # nothing to wait for: in one transaction
        return answer(await run_in_threadpool(work.decide_at_once, prepare_in))
    known = await run_in_threadpool(work.in_transaction, prepare_in)
    if known is not None:
        return answer(known)
    deadline = None if said.deadline_ms is None else started + said.deadline_ms / 1000
    task = asyncio.create_task(run_in_threadpool(work.decide))
    decision = await _in_time(task, deadline)
    if decision is None:
        _kept.add(task)
        task.add_done_callback(_kept.discard)
        try:
            decision = await run_in_threadpool(work.fail, TIME_IS_OVER)
        except Exception:
            await _ended(task)
            raise
        # The turn is kept until the work is done: who sets short deadlines gets no more of them at a time.
        return answer(decision, BackgroundTask(partial(_ended, task)))
    if decision.state is DecisionState.WAITING and decision.job is not None:
        turn.leave()  # who waits for a video keeps nobody out
        decision = await _followed(work, followers, decision, deadline, wait_s(services, prefer))
    return answer(decision)


@dataclass(frozen=True)
class _Source:
    """What was sent: a file, its fingerprints, or a file that is not read."""

    sha256: str  # of the file, as the caller says where it sent fingerprints
    sent_sha256: str
    content: bytes | None = None
    query: FingerprintQuery | None = None
    refused: MediaTooLarge | None = None


def _received(media: UploadFile, services: Services) -> _Source:
    try:
        content = read_upload(media, services)
    except MediaTooLarge as error:
        media.file.seek(0)
        sha256 = hashlib.file_digest(media.file, "sha256").hexdigest()  # type: ignore[arg-type]
        return _Source(sha256, sha256, refused=error)
    sha256 = hashlib.sha256(content).hexdigest()
    return _Source(sha256, sha256, content=content)


class _Work:
    """Decides about one upload; every method waits for the database, and is called in a thread."""

    def __init__(self, services: Services, api_key: ApiKey, source: _Source, webhook: str | None) -> None:
        self._services, self._api_key, self._source = services, api_key, source
        self._webhook = webhook
        self._asked: Question | None = None

    @property
    def _question(self) -> Question:
        assert self._asked is not None, "`prepare` comes first"
        return self._asked

    def in_transaction(self, step: Callable[[Session], T]) -> T:
        """Runs a step in a transaction of its own."""
        with transaction(self._services.engine) as session:
            return step(session)

    def prepare(
        self, said: GateContext, idempotency_key: str | None, base_url: str, session: Session
    ) -> Decision | None:
        """Finds what decides; returns what was decided when the same was sent before."""
        key, sent = self._services.webhook_key, self._source
        digests = sent.sha256, sent.sent_sha256
        found = prepare(session, key, self._api_key, said, *digests, idempotency_key, base_url)
        if isinstance(found, Decision):
            return found
        self._asked = found
        return None

    def decide_at_once(self, prepare_in: Callable[[Session], Decision | None]) -> Decision:
        """The decision about fingerprints, which are asked about and decided in one transaction."""
        try:
            with transaction(self._services.engine) as session:
                known = prepare_in(session)
                if known is not None:
                    return known
                if not self._question.is_first_of_pack:
                    return self._decided(session, self._fingerprinted())
            return self.in_transaction(lambda session: self._decided(session, self._fingerprinted()))
        except Exception as error:
            if self._asked is None:
                raise
            return self._failed(error)

    def decide(self) -> Decision:
        """The decision, or that it waits for a video. Raises RegistryError: it could not be recorded."""
        try:
            return self._decide()
        except Exception as error:
            return self._failed(error)

    def _failed(self, error: Exception) -> Decision:
        """What is answered where something broke; raises it where request or database are at fault."""
        if isinstance(error, CALLERS_FAULT):
            raise error
        storage = fault_of(error) if isinstance(error, SQLAlchemyError | OSError) else error
        if isinstance(storage, StorageAway):
            raise storage from error
        return self.fail(deciding.failure_of(error))

    def _decide(self) -> Decision:
        upload = self._upload()
        if upload is None:
            new = jobs.NewJob(jobs.GATE, webhook=self._webhook, question=self._question)
            assert self._source.content is not None
            try:
                jobs.accept(self._services, self._api_key, self._source.content, new)
            except jobs.AskedBefore as asked:
                return asked.decision
            return self.as_it_is(self._question.asked.id)
        return self.in_transaction(lambda session: self._decided(session, upload))

    def _decided(self, session: Session, upload: Upload) -> Decision:
        context = self._services.in_request(session, Asker(self._api_key), self._question.effort)
        evidence = may(self._api_key, Action.SEE_EVIDENCE)
        return deciding.decide(context, self._question, upload, with_evidence=evidence)

    def _fingerprinted(self) -> Upload:
        query = self._source.query
        assert query is not None
        values = [(value.value, value.quality, value.orientation) for value in query.fingerprints]
        return self._services.uploads.read_fingerprints(values, query.digest_sha256)

    def _upload(self) -> Upload | None:
        """What is computed of a picture or of fingerprints; None: it is a video."""
        uploads = self._services.uploads
        if self._source.query is not None:
            return self._fingerprinted()
        if self._source.refused is not None:
            raise self._source.refused
        assert self._source.content is not None
        identified = uploads.decoders.identify(self._source.content)
        if isinstance(identified, VideoInfo):
            return None
        return uploads.describe_image(self._source.content, identified)

    def fail(self, failure: Failure) -> Decision:
        """Notes that nothing could be decided; returns the decision, if there was one after all."""
        with transaction(self._services.engine) as session:
            return deciding.fail(session, self._services.signer, self._question, failure)

    def as_it_is(self, decision_id: str) -> Decision:
        """A decision as it was noted last."""
        with transaction(self._services.engine) as session:
            return get_decision(session, self._question.asked.platform, decision_id)

    def of_job(self, waiting: Decision) -> Decision:
        """What its job decided, with its match answer; the decision as it is while the job goes on."""
        assert waiting.job is not None
        job = jobs.read_job(self._services, waiting.job)
        if job.finished_at is None:
            return self.as_it_is(waiting.id)
        result = jobs.result_of(job)
        assert isinstance(result, Decision)
        return result


async def _in_time(task: "asyncio.Task[Decision]", deadline: float | None) -> Decision | None:
    """What the task decides; None: the deadline came first."""
    seconds = None if deadline is None else max(0.0, deadline - monotonic())
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return task.result() if done else None


async def _followed(
    work: _Work, followers: JobFollowers, waiting: Decision, deadline: float | None, wait: float
) -> Decision:
    """Waits for a video's job as long as the caller likes, and at most until the deadline.

    A video that is worked on is held meanwhile, and not what `on_failure` says: nothing has failed.
    """
    assert waiting.job is not None
    seconds = wait if deadline is None else min(wait, max(0.0, deadline - monotonic()))
    await followers.wait_for(waiting.job, waiting.api_key or "", seconds)
    return await run_in_threadpool(work.of_job, waiting)


async def _ended(task: "asyncio.Task[Decision]") -> None:
    """Waits for work whose caller was answered; what breaks then was noted before."""
    with suppress(Exception):
        await asyncio.shield(task)


def answer(decision: Decision, then: BackgroundTask | None = None) -> Response:
    """A decision as it is sent: its status says whether to publish, to hold or to refuse."""
    headers = {"Cache-Control": NO_STORE, "Location": decision.links.decision}
    if decision.state is DecisionState.WAITING and decision.job is not None:
        headers["Location"] = f"/v1/jobs/{decision.job}"
    content = decision.model_dump_json(by_alias=True)
    status = decision.outcome.http_status
    return Response(content, status, headers, media_type="application/json", background=then)


def _parsed(kind: type[W], text: str, field: str) -> W:
    """A part of the form that holds JSON. Raises InvalidRequest."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        words = flaws_in_words(error.errors())
        detail = "; ".join(f"{'.'.join(map(str, (field, *place)))}: {what}" for place, what in words)
        raise InvalidRequest(detail) from None
