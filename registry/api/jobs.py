"""Endpoints of jobs: their state, their events, their results."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, TypeVar

from fastapi import APIRouter, Form, Header, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from registry.api.deps import AnyKey, ServicesDep, SessionDep
from registry.api.following import FOLLOWED_S, FollowedJob, FollowersDep
from registry.errors import UnknownJob
from registry.jobs import lifecycle as jobs
from registry.jobs.webhooks import check_address, secret_of
from registry.records.access import Action, may, require_scope
from registry.services import Services
from registry.storage.models import ApiKey
from registry.storage.models import Job as JobRow
from registry.storage.models.jobs import DONE, FAILED
from sdk.models import Decision, Job, MatchAnswer, Registration, WebhookSecret

T = TypeVar("T", MatchAnswer, Registration)
router = APIRouter(prefix="/v1", tags=["jobs"])

WebhookForm = Annotated[
    str | None,
    Form(max_length=2000, description="https address that is told when a video's job is finished"),
]
PreferHeader = Annotated[
    str | None,
    Header(max_length=200, description="RFC 7240: `wait=N` seconds for a video; `wait=0` never waits"),
]


def accepted(services: Services, api_key: ApiKey, content: bytes, new: jobs.NewJob) -> str:
    """Accepts a video as a job; returns its id. Raises BadWebhook."""
    if new.webhook:
        check_address(services, new.webhook)
    return jobs.accept(services, api_key, content, new)


def answer_of(job: JobRow, response: Response, kind: type[T]) -> T | Job:
    """Returns the answer with the status it has without a job, or 202 and the job. Raises JobFailed."""
    if job.status in (DONE, FAILED):
        answer = jobs.result_of(job)
        assert isinstance(answer, kind)
        new = isinstance(answer, Registration) and not answer.already_registered
        response.status_code = 201 if new else 200
        return answer
    response.status_code = 202
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return jobs.as_wire(job)


def wait_s(services: Services, prefer: str | None) -> float:
    """How long the caller likes to wait for a video, in seconds."""
    longest = services.settings.video_wait_s
    for preference in (prefer or "").split(","):
        name, _, value = preference.strip().partition("=")
        if name == "wait" and value.isdecimal():
            return min(float(value), longest)
        if name == "respond-async":
            return 0.0
    return longest


@router.get("/jobs/{job_id}", operation_id="getJob")
def get_job(job_id: str, session: SessionDep, api_key: AnyKey) -> Job:
    """Returns how far a job is; what the gate decided only to keys of the gate."""
    job = jobs.as_wire(jobs.get_job(session, api_key, job_id))
    return _as_seen_by(api_key, job)


def _as_seen_by(api_key: ApiKey, job: Job) -> Job:
    """Without the decision, where the key is no key of the gate, or another organisation's."""
    if job.decision is None or _may_read(api_key, job.decision):
        return job
    return job.model_copy(update={"decision": None})


def _may_read(api_key: ApiKey, decision: Decision) -> bool:
    """A platform's decisions are its own: the registry's operator sees its jobs, and not these."""
    is_own = decision.platform == api_key.publisher_id
    return is_own and (may(api_key, Action.DECIDE) or may(api_key, Action.READ_DECISIONS))


@router.get("/jobs/{job_id}/result", operation_id="getJobResult")
def get_result(job_id: str, session: SessionDep, api_key: AnyKey) -> MatchAnswer | Registration | Decision:
    """Returns the answer, as it would have been without a job, or the problem of a job that failed."""
    answer = jobs.result_of(jobs.get_job(session, api_key, job_id))
    if isinstance(answer, Decision) and not _may_read(api_key, answer):
        require_scope(api_key, Action.READ_DECISIONS)
        raise UnknownJob("no job of yours has this id")
    match = answer.match if isinstance(answer, Decision) else answer
    if isinstance(match, MatchAnswer) and any(one.evidence for one in match.matches):
        # Another key of the organisation asked for it. The signature is over all of it.
        require_scope(api_key, Action.SEE_EVIDENCE)
    return answer


@router.get("/jobs/{job_id}/events", operation_id="followJob", response_class=EventSourceResponse)
async def follow(
    followers: FollowersDep, job_id: FollowedJob, api_key: AnyKey
) -> AsyncIterator[ServerSentEvent]:
    """Sends events as the job goes on: `progress` while it runs, `done` or `failed` at the end."""
    async with aclosing(followers.follow(job_id, FOLLOWED_S)) as states:
        async for job in states:
            name = job.status.value if job.finished_at else "progress"
            seen = _as_seen_by(api_key, job)
            yield ServerSentEvent(event=name, data=seen.model_dump(mode="json"))


@router.get("/webhook-secret", operation_id="getWebhookSecret")
def webhook_secret(services: ServicesDep, api_key: AnyKey) -> WebhookSecret:
    """Returns the secret that deliveries for jobs of this API key are signed with."""
    return WebhookSecret(secret=secret_of(services, api_key.id))
