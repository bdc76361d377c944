"""Matching: by picture or by fingerprints only."""

from typing import Annotated

from fastapi import APIRouter, File, Response, UploadFile

from registry.api.deps import CacheDep, Matcher, ServicesDep, SessionDep, read_upload
from registry.api.jobs import PreferHeader, WebhookForm, accepted, answer_of
from registry.jobs import lifecycle as jobs
from registry.match import matching
from registry.media.uploads import is_video
from registry.records.access import Action, may
from sdk.models import FingerprintQuery, Job, MatchAnswer

router = APIRouter(prefix="/v1/match", tags=["match"])


@router.post("", operation_id="matchMedia", responses={202: {"model": Job}})
def match_media(
    media: Annotated[UploadFile, File(description="the picture or video")],
    services: ServicesDep,
    cache: CacheDep,
    session: SessionDep,
    api_key: Matcher,
    response: Response,
    webhook: WebhookForm = None,
    prefer: PreferHeader = None,
) -> MatchAnswer | Job:
    """Which registered assets does it come from? Numbers only with the scope `evidence`.

    A video that is not done in time is answered with 202 and a job.
    """
    content = read_upload(media, services)
    if is_video(services, content):
        new = jobs.NewJob(jobs.MATCH, webhook=webhook)
        return answer_of(accepted(services, api_key, content, new, prefer), response, MatchAnswer)
    with_evidence = may(api_key, Action.SEE_EVIDENCE)
    return matching.match_media(services, cache, session, content, with_evidence=with_evidence)


@router.post("/fingerprints", operation_id="matchFingerprints")
def match_fingerprints(
    query: FingerprintQuery, services: ServicesDep, cache: CacheDep, session: SessionDep, api_key: Matcher
) -> MatchAnswer:
    """The same question without the picture."""
    with_evidence = may(api_key, Action.SEE_EVIDENCE)
    return matching.match_fingerprints(services, cache, session, query, with_evidence=with_evidence)
