"""Endpoints that compare an upload with one registered asset."""

from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Response, UploadFile

from registry.api.deps import ContextDep, Matcher, ServicesDep, read_upload
from registry.match.comparison import ComparedUpload, PictureFormat, as_picture, as_wire, compare_with
from registry.records.access import Action, may
from sdk.models import Comparison

router = APIRouter(prefix="/v1/compare", tags=["compare"])


def compared_of(
    media: Annotated[UploadFile, File(description="the picture or video")],
    record: Annotated[str, Form(description="id of the registered asset")],
    services: ServicesDep,
    context: ContextDep,
    _: Matcher,
) -> ComparedUpload:
    """Compares the upload; both forms of the answer are made from the result."""
    return compare_with(context, read_upload(media, services), record)


ComparedDep = Annotated[ComparedUpload, Depends(compared_of)]


@router.post("", operation_id="compare")
def compare(compared: ComparedDep, context: ContextDep, api_key: Matcher) -> Comparison:
    """Says what was changed between a registered asset and this picture or video, and where."""
    return as_wire(context, compared, with_evidence=may(api_key, Action.SEE_EVIDENCE))


@router.post("/picture", operation_id="comparePicture", response_class=Response)
def compare_picture(
    compared: ComparedDep,
    context: ContextDep,
    form: Annotated[
        PictureFormat, Form(description="png: side by side; gif: in turn; of a video mp4 or gif")
    ] = PictureFormat.SHEET,
) -> Response:
    """Shows the same as a picture or animation with the difference; a video as a side-by-side video."""
    return Response(as_picture(context, compared, form), media_type=form.media_type)
