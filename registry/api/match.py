"""Endpoints of matching: by picture or video, or by fingerprints alone."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi.concurrency import run_in_threadpool

from indexer.media.frames import VideoInfo
from registry.api.deps import Matcher, ServicesDep, TurnDep, read_upload
from registry.api.following import FollowersDep, finished_in_time
from registry.api.jobs import PreferHeader, WebhookForm, accepted, answer_of, wait_s
from registry.jobs import lifecycle as jobs
from registry.match.answers import answer_about
from registry.records.access import Action, Asker, may
from registry.services import Services
from registry.storage.db import reading
from registry.storage.models import ApiKey
from sdk.models import Effort, FingerprintQuery, Job, MatchAnswer

EffortForm = Annotated[
    Effort | None,
    Form(
        description="how closely a still is looked at; `thorough` finds copies that the quick check of "
        "`standard` may miss, and takes several times as long. Without it, as the registry is set"
    ),
]
router = APIRouter(prefix="/v1/match", tags=["match"])


@router.post("", operation_id="matchMedia", responses={202: {"model": Job}})
async def match_media(
    media: Annotated[UploadFile, File(description="the picture or video")],
    services: ServicesDep,
    followers: FollowersDep,
    turn: TurnDep,
    api_key: Matcher,
    response: Response,
    webhook: WebhookForm = None,
    effort: EffortForm = None,
    prefer: PreferHeader = None,
) -> MatchAnswer | Job:
    """Answers which registered assets a picture or video comes from.

    Numbers are given to keys with the scope `evidence` only. A video that is not done in time is answered
    with 202 and a job.
    """
    begun = await run_in_threadpool(_match_or_accept, services, api_key, media, webhook, effort)
    if isinstance(begun, MatchAnswer):
        return begun
    seconds = wait_s(services, prefer)
    job = await finished_in_time(services, followers, turn, begun, api_key.id, seconds)
    return answer_of(job, response, MatchAnswer)


def _match_or_accept(
    services: Services, api_key: ApiKey, media: UploadFile, webhook: str | None, effort: Effort | None
) -> MatchAnswer | str:
    """The answer about a picture, or the id of a video's job."""
    content = read_upload(media, services)
    identified = services.uploads.decoders.identify(content)
    if isinstance(identified, VideoInfo):
        return accepted(services, api_key, content, jobs.NewJob(jobs.MATCH, webhook=webhook))
    upload = services.uploads.describe_image(content, identified)
    with reading(services.engine) as session:
        context = services.in_request(session, Asker(api_key), effort)
        return answer_about(context, upload, with_evidence=may(api_key, Action.SEE_EVIDENCE)).answer


@router.post("/fingerprints", operation_id="matchFingerprints")
async def match_fingerprints(
    query: FingerprintQuery, services: ServicesDep, api_key: Matcher
) -> MatchAnswer:
    """Answers the same without the picture, by its fingerprints alone."""
    return await run_in_threadpool(_match_fingerprints, services, api_key, query)


def _match_fingerprints(services: Services, api_key: ApiKey, query: FingerprintQuery) -> MatchAnswer:
    values = [(value.value, value.quality, value.orientation) for value in query.fingerprints]
    upload = services.uploads.read_fingerprints(values, query.digest_sha256)
    with reading(services.engine) as session:
        context = services.in_request(session, Asker(api_key))
        return answer_about(context, upload, with_evidence=may(api_key, Action.SEE_EVIDENCE)).answer
