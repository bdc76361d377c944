"""Endpoints of matching: by picture or video, or by fingerprints alone."""

from typing import Annotated

from fastapi import APIRouter, File, Response, UploadFile

from indexer.media.frames import VideoInfo
from registry.api.deps import ContextDep, Matcher, ServicesDep, read_upload
from registry.api.jobs import PreferHeader, WebhookForm, accepted, answer_of
from registry.jobs import lifecycle as jobs
from registry.match.answers import answer_about
from registry.records.access import Action, may
from sdk.models import FingerprintQuery, Job, MatchAnswer

router = APIRouter(prefix="/v1/match", tags=["match"])


@router.post("", operation_id="matchMedia", responses={202: {"model": Job}})
def match_media(
    media: Annotated[UploadFile, File(description="the picture or video")],
    services: ServicesDep,
    context: ContextDep,
    api_key: Matcher,
    response: Response,
    webhook: WebhookForm = None,
    prefer: PreferHeader = None,
) -> MatchAnswer | Job:
    """Answers which registered assets a picture or video comes from.

    Numbers are given to keys with the scope `evidence` only. A video that is not done in time is answered
    with 202 and a job.
    """
    content = read_upload(media, services)
    identified = context.uploads.decoders.identify(content)
    if isinstance(identified, VideoInfo):
        new = jobs.NewJob(jobs.MATCH, webhook=webhook)
        return answer_of(accepted(services, api_key, content, new, prefer), response, MatchAnswer)
    upload = context.uploads.describe_image(content, identified)
    return answer_about(context, upload, with_evidence=may(api_key, Action.SEE_EVIDENCE)).answer


@router.post("/fingerprints", operation_id="matchFingerprints")
def match_fingerprints(query: FingerprintQuery, context: ContextDep, api_key: Matcher) -> MatchAnswer:
    """Answers the same without the picture, by its fingerprints alone."""
    values = [(value.value, value.quality, value.orientation) for value in query.fingerprints]
    upload = context.uploads.read_fingerprints(values, query.digest_sha256)
    return answer_about(context, upload, with_evidence=may(api_key, Action.SEE_EVIDENCE)).answer
