"""Comparing an upload with one registered asset."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile

from registry import comparison
from registry.api.deps import CacheDep, Matcher, ServicesDep, SessionDep, read_upload
from registry.comparison import PictureFormat
from sdk.models import Comparison, Scope

router = APIRouter(prefix="/v1/compare", tags=["compare"])


@router.post("", operation_id="compare")
def compare(
    media: Annotated[UploadFile, File(description="the picture")],
    record: Annotated[str, Form(description="id of the registered asset")],
    services: ServicesDep,
    cache: CacheDep,
    session: SessionDep,
    api_key: Matcher,
) -> Comparison:
    """What was changed between a registered asset and this picture, and where."""
    content = read_upload(media, services)
    compared = comparison.compare_with(services, cache, session, content, record)
    return comparison.as_wire(services, compared, with_evidence=Scope.EVIDENCE in api_key.scopes)


@router.post("/picture", operation_id="comparePicture", response_class=Response)
def compare_picture(
    media: Annotated[UploadFile, File(description="the picture")],
    record: Annotated[str, Form(description="id of the registered asset")],
    services: ServicesDep,
    cache: CacheDep,
    session: SessionDep,
    _: Matcher,
    form: Annotated[
        PictureFormat, Form(description="png: side by side; gif: in turn")
    ] = PictureFormat.SHEET,
) -> Response:
    """The same as a picture: side by side with the difference, or an animation."""
    content = read_upload(media, services)
    compared = comparison.compare_with(services, cache, session, content, record)
    return Response(comparison.as_picture(compared, form), media_type=f"image/{form.value}")
