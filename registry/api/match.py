"""Matching: by picture or by fingerprints only."""

from typing import Annotated

from fastapi import APIRouter, File, UploadFile

from registry import matching
from registry.api.deps import CacheDep, Matcher, ServicesDep, SessionDep, read_upload
from sdk.models import FingerprintQuery, MatchAnswer, Scope

router = APIRouter(prefix="/v1/match", tags=["match"])


@router.post("", operation_id="matchMedia")
def match_media(
    media: Annotated[UploadFile, File(description="the picture")],
    services: ServicesDep,
    cache: CacheDep,
    session: SessionDep,
    api_key: Matcher,
) -> MatchAnswer:
    """Which registered assets does this picture come from? Numbers only with the scope `evidence`."""
    content = read_upload(media, services)
    with_evidence = Scope.EVIDENCE in api_key.scopes
    return matching.match_media(services, cache, session, content, with_evidence=with_evidence)


@router.post("/fingerprints", operation_id="matchFingerprints")
def match_fingerprints(
    query: FingerprintQuery, services: ServicesDep, cache: CacheDep, session: SessionDep, api_key: Matcher
) -> MatchAnswer:
    """The same question without the picture."""
    with_evidence = Scope.EVIDENCE in api_key.scopes
    return matching.match_fingerprints(services, cache, session, query, with_evidence=with_evidence)
