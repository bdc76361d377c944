"""Works on videos in the background. Nothing that was accepted is lost, nothing is done twice.

A job's row, its payload and its place in the queue (procrastinate, in the same database) are committed
before the caller hears of it. Its result is written in the transaction of its effects, under a lock on its
row: a worker that dies leaves either a finished job or one that is begun again, by this process or another.
"""

import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import procrastinate
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, delete, func, select

from registry.errors import (
    BadPack,
    BlobsUnavailable,
    DecoderGaveUp,
    DecoderLost,
    JobFailed,
    JobPending,
    MissingKey,
    NotAllowed,
    NotCosigned,
    Overloaded,
    RegistryError,
    SignerUnavailable,
    SigningStopped,
    TooManyRequests,
    UnknownJob,
    UnknownPack,
    problem_of,
)
from registry.gate import deciding
from registry.gate.asking import Question, as_text, from_text
from registry.gate.chain import next_place
from registry.match.answers import answer_about
from registry.media.uploads import in_two_parts
from registry.publish.registration import (
    describe,
    known_answer,
    publish_and_follow,
    register_upload,
    verify_request,
)
from registry.records.access import Action, may
from registry.services import Services
from registry.storage.db import after_commit, release, transaction
from registry.storage.direct import driver_of
from registry.storage.faults import fault_of
from registry.storage.models import ApiKey, Job
from registry.storage.models.columns import now
from registry.storage.models.jobs import DONE, FAILED, GATE, MATCH, QUEUED, REGISTER, RUNNING
from sdk.models import Decision, JobStatus, MatchAnswer, Problem, Registration
from sdk.models import Job as WireJob

PAYLOAD_SUFFIX = ".upload"
MOST_ATTEMPTS = 3  # then a file that ends its worker is given up
# Witnesses, keys, a log that was stopped: no fault of the file; the queue tries again until it is mended.
FOR_THE_OPERATOR = (NotCosigned, SigningStopped, SignerUnavailable, MissingKey)
LONGEST_S = 3600.0  # by the clock, for reading and comparing one video
PROGRESS_EVERY_S = 0.4
READING_SHARE = 0.5  # of the work of matching a video, about
KEPT = timedelta(days=7)  # answers of finished jobs
KEPT_FOR_THE_PAGE = timedelta(minutes=15)  # where nobody came for the answer
VIDEOS, VIDEOS_OF_THE_PAGE, WEBHOOKS = "video", "page", "webhook"  # queues, none of which holds up another
RUN_JOB, DELIVER_WEBHOOK = "run_job", "deliver_webhook"
# Only puts jobs into the queue, on connections of the caller; `worker` takes them out.
_queue = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


RESULTS: dict[str, type[MatchAnswer] | type[Registration] | type[Decision]] = {
    MATCH: MatchAnswer,
    REGISTER: Registration,
    GATE: Decision,
}
__all__ = ["GATE", "MATCH", "REGISTER"]


@dataclass(frozen=True)
class NewJob:
    """What is asked about one video."""

    kind: str  # match, register or gate
    statement: str | None = None
    idempotency_key: str | None = None
    webhook: str | None = None
    question: Question | None = None  # to the gate


def accept(services: Services, api_key: ApiKey | None, content: bytes, new: NewJob) -> str:
    """Stores and enqueues a job; returns its id. The job is committed when this returns, and with it what
    the gate says meanwhile.

    Raises TooManyRequests or Overloaded where too many wait already; AskedBefore: the gate was asked the
    same meanwhile, and no job is made.
    """
    with transaction(services.engine) as session:
        _require_room(services, session, api_key)
    payload_key = services.blobs.put(PAYLOAD_SUFFIX, content)
    job_id = str(uuid.uuid4())
    question = new.question and new.question.as_job(job_id)
    job = Job(
        id=job_id,
        kind=new.kind,
        api_key_id=api_key.id if api_key else None,
        payload_key=payload_key,
        statement=new.statement,
        idempotency_key=new.idempotency_key,
        webhook=new.webhook,
        gate_context=None if question is None else as_text(question),
    )
    with transaction(services.engine) as session:
        if question is not None:
            decision = deciding.wait_for_video(session, services.signer, question)
            if decision.id != question.asked.id:
                services.blobs.delete(payload_key)
                raise AskedBefore(decision)
        session.add(job)
        session.flush()
        enqueue(session, RUN_JOB, job.id, VIDEOS if api_key else VIDEOS_OF_THE_PAGE)
    return job.id


class AskedBefore(Exception):
    """The same video came in with the same Idempotency-Key, and is decided about already."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.id)
        self.decision = decision


def _require_room(services: Services, session: Session, api_key: ApiKey | None) -> None:
    unfinished = select(func.count()).select_from(Job).where(col(Job.finished_at).is_(None))
    mine = unfinished.where(col(Job.api_key_id) == (api_key.id if api_key else None))
    settings = services.settings
    most = settings.jobs_per_key if api_key else settings.jobs_of_the_page
    if session.exec(mine).one() >= most:
        raise TooManyRequests(f"{most} videos wait or are worked on already")
    if session.exec(unfinished).one() >= settings.jobs:
        raise Overloaded("too many videos wait to be worked on")


def enqueue(session: Session, task: str, job_id: str, queue: str) -> None:
    """Puts a task into the queue in the transaction of `session`; a worker sees it after the commit."""
    _queue.configure_task(task, queue=queue, connection=driver_of(session)).defer(job_id=job_id)


def get_job(session: Session, api_key: ApiKey, job_id: str) -> Job:
    """Returns a job of the caller's own organisation. Raises UnknownJob."""
    job = session.get(Job, job_id)
    owner = session.get(ApiKey, job.api_key_id) if job and job.api_key_id else None
    if job is None or not may(api_key, Action.READ_JOB, owner.publisher_id if owner else None):
        raise UnknownJob(f"no job of yours has the id {job_id[:60]!r}")
    return job


def take_page_job(session: Session, job_id: str) -> Job:
    """Returns a job of the page, and forgets it once it is finished. Raises UnknownJob."""
    job = session.get(Job, job_id)
    if job is None or job.api_key_id is not None:
        raise UnknownJob("this lookup is not known, or its answer was shown already")
    if job.status in (DONE, FAILED):
        session.delete(job)
    return job


def as_wire(job: Job) -> WireJob:
    """Returns what the owner of a job reads of it; the result has a path of its own."""
    return WireJob(
        id=job.id,
        kind=job.kind,
        status=JobStatus(job.status),
        progress=round(job.progress, 3),
        created_at=job.created_at,
        finished_at=job.finished_at,
        result=f"/v1/jobs/{job.id}/result" if job.status == DONE else None,
        events=f"/v1/jobs/{job.id}/events",
        problem=Problem.model_validate_json(job.problem) if job.problem else None,
        decision=_decision_of(job),
    )


def _decision_of(job: Job) -> Decision | None:
    """What the gate decided, for whoever follows the job or is told of its end."""
    if job.kind != GATE or job.status != DONE or job.result is None:
        return None
    return Decision.model_validate_json(job.result).model_copy(update={"match": None})


def result_of(job: Job) -> MatchAnswer | Registration | Decision:
    """Returns the answer of a job. Raises JobFailed with its problem, or JobPending."""
    if job.status == FAILED and job.problem:
        raise JobFailed(Problem.model_validate_json(job.problem))
    if job.result is None:
        raise JobPending("ask again, or follow its events")
    return RESULTS[job.kind].model_validate_json(job.result)


def read_job(services: Services, job_id: str) -> Job:
    """Returns a job as it is now, whoever owns it."""
    with transaction(services.engine) as session:
        job = session.get(Job, job_id)
    assert job is not None, "jobs are never removed while somebody waits for them"
    return job


def run(services: Services, job_id: str, stopping: threading.Event | None = None) -> None:
    """Does the work of one job, unless it is done already. Workers call this.

    Raises Interrupted when `stopping` is set meanwhile; the job is then begun again by another.
    """
    with transaction(services.engine) as session:
        job = _locked(session, job_id)
        if job is None or job.status in (DONE, FAILED):
            # Whoever finished it may have failed, or died, before its checkpoint was published.
            after_commit(session, lambda: publish_and_follow(services))
            return
        job.attempts, job.status, job.progress = job.attempts + 1, RUNNING, 0.0
        session.add(job)
        given_up, payload_key = job.attempts > MOST_ATTEMPTS, job.payload_key
    try:
        content = services.blobs.read(payload_key) if payload_key else None
    except BlobsUnavailable:
        give_back(services, job_id)
        raise
    if given_up or content is None:
        reason = f"its worker stopped {MOST_ATTEMPTS} times" if given_up else "its upload was lost"
        _fail(services, job_id, RegistryError(reason))
        return
    try:
        _work(services, job_id, content, stopping or threading.Event())
    except FOR_THE_OPERATOR:
        give_back(services, job_id)  # until that is mended; what it stored it then finds
        raise
    except DecoderLost:  # begun again, but not for ever: it may be this video that takes all memory
        give_back(services, job_id, counted=True)
        raise
    except RegistryError as error:
        if stopping is not None and stopping.is_set():  # what it needs may be closed already
            give_back(services, job_id)
            raise Interrupted from error
        _fail(services, job_id, error)
    except Interrupted:
        give_back(services, job_id)
        raise
    except Exception as error:
        if fault_of(error) is not None:  # database or disk: it goes on when they are back
            with suppress(SQLAlchemyError):
                give_back(services, job_id)
        raise


def give_back(services: Services, job_id: str, *, counted: bool = False) -> None:
    """Lets another process begin a job again, or this one later: it was not the file's fault.

    `counted`: as one of the attempts after which it is given up.
    """
    with transaction(services.engine) as session:
        job = _locked(session, job_id)
        if job is not None and job.status == RUNNING:
            job.attempts, job.status = job.attempts - (not counted), QUEUED
            session.add(job)


def _work(services: Services, job_id: str, content: bytes, stopping: threading.Event) -> None:
    progress = _Reporter(services, job_id, stopping).report
    with transaction(services.engine) as session:
        job = session.get(Job, job_id)
        assert job is not None
        api_key = session.get(ApiKey, job.api_key_id) if job.api_key_id else None
        if api_key is not None and api_key.revoked_at is not None:
            raise NotAllowed("the API key of this job was revoked")
        answer: MatchAnswer | Registration | Decision
        if job.kind in (MATCH, GATE):
            # The page draws the similarity of the frames over time, and shows no numbers.
            evidence = api_key is None or may(api_key, Action.SEE_EVIDENCE)
            reading, comparing = in_two_parts(progress, READING_SHARE)
            question = _question_of(services, session, job)
            release(session)
            longest_s = None if api_key else services.settings.page_video_s
            upload = services.uploads.read(content, progress=reading, longest_s=longest_s)
            context = services.in_request(session)
            if question is None:
                answer = answer_about(context, upload, with_evidence=evidence, progress=comparing).answer
            else:
                answer = deciding.decide(
                    context, question, upload, with_evidence=evidence, progress=comparing
                )
        else:
            assert api_key is not None
            assert job.statement is not None
            request = verify_request(session, api_key, job.statement, content, job.idempotency_key)
            known = known_answer(services, session, request)
            release(session)
            if known is None:
                upload = describe(services, request, content, progress=progress)
                known = register_upload(services, session, request, upload)
            answer = known
        job = _locked(session, job_id)
        assert job is not None
        if job.status in (DONE, FAILED):
            raise AlreadyDone
        _finish(services, session, job, DONE)
        job.result = answer.model_dump_json(by_alias=True)


class Interrupted(Exception):
    """The process is being stopped."""


class AlreadyDone(Exception):
    """A worker that was thought dead finished first: what this one did is rolled back."""


def _question_of(services: Services, session: Session, job: Job) -> Question | None:
    """What was asked of the gate about this video."""
    return from_text(session, services.webhook_key, job.gate_context) if job.gate_context else None


def _question_that_can_be_read(services: Services, session: Session, job: Job) -> Question | None:
    try:
        return _question_of(services, session, job)
    except (
        UnknownPack,
        BadPack,
        ValueError,
        LookupError,
    ):  # fails as other jobs do, and stays held
        return None


def _fail(services: Services, job_id: str, error: RegistryError) -> None:
    with transaction(services.engine) as session:
        job = session.get(Job, job_id)
        question = None if job is None else _question_that_can_be_read(services, session, job)
        if question is not None:  # in the order in which `_work` locks: the platform's chain, then the job
            next_place(session, question.asked.platform)
        job = _locked(session, job_id)
        if job is None or job.status in (DONE, FAILED):
            return
        if question is not None:  # what breaks ends in a decision, too
            failure = deciding.failure_of(error)
            decision = deciding.fail(session, services.signer, question, failure)
            _finish(services, session, job, DONE)
            job.result = decision.model_dump_json()
            return
        _finish(services, session, job, FAILED)
        job.problem = problem_of(error).model_dump_json()


def _finish(services: Services, session: Session, job: Job, status: str) -> None:
    """Sets the state and enqueues the webhook in the transaction; deletes the payload after it."""
    job.status, job.progress, job.finished_at = status, 1.0, now()
    payload_key, job.payload_key = job.payload_key, None
    job.gate_context = None
    session.add(job)
    if job.webhook:
        enqueue(session, DELIVER_WEBHOOK, job.id, WEBHOOKS)
    if payload_key:
        after_commit(session, lambda: services.blobs.delete(payload_key))


def _locked(session: Session, job_id: str) -> Job | None:
    return session.exec(
        select(Job).where(Job.id == job_id).with_for_update().execution_options(populate_existing=True)
    ).first()


def sweep_finished(services: Services) -> None:
    """Forgets jobs that were finished long ago."""
    with transaction(services.engine) as session:
        session.execute(delete(Job).where(col(Job.finished_at) < now() - KEPT))
        of_the_page = col(Job.api_key_id).is_(None)
        session.execute(delete(Job).where(of_the_page, col(Job.finished_at) < now() - KEPT_FOR_THE_PAGE))


class _Reporter:
    """Writes the progress of a job, in transactions of its own and not too often."""

    def __init__(self, services: Services, job_id: str, stopping: threading.Event) -> None:
        self._services, self._job_id, self._stopping = services, job_id, stopping
        self._written_at = 0.0
        self._ends_at = time.monotonic() + LONGEST_S

    def report(self, share: float) -> None:
        if self._stopping.is_set():
            raise Interrupted
        if time.monotonic() > self._ends_at:
            raise DecoderGaveUp(f"working on this video takes longer than {LONGEST_S:g} seconds")
        if time.monotonic() - self._written_at < PROGRESS_EVERY_S:
            return
        self._written_at = time.monotonic()
        with transaction(self._services.engine) as session:
            job = session.get(Job, self._job_id)
            if job is not None and job.status == RUNNING:
                job.progress = max(job.progress, min(0.99, share))
                session.add(job)
