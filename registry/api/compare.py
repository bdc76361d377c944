"""Endpoints that compare an upload with one registered asset."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Response, UploadFile

from registry.api.deps import NO_STORE, ContextDep, Matcher, ServicesDep, read_upload
from registry.match.comparison import as_picture, as_wire, compare_with
from registry.match.showing import PictureFormat
from registry.records.access import Action, Asker, may, require_sight, sight_of
from registry.records.reading import get_record
from registry.storage.models import Record
from sdk.models import Comparison

router = APIRouter(prefix="/v1/compare", tags=["compare"])


@dataclass(frozen=True)
class Pair:
    """What is to be compared: an upload, and a record."""

    content: bytes
    record: Record


def pair_of(
    media: Annotated[UploadFile, File(description="the picture or video")],
    record: Annotated[str, Form(description="id of the registered asset")],
    services: ServicesDep,
    context: ContextDep,
    _: Matcher,
) -> Pair:
    """Reads what both forms of the answer are made from."""
    return Pair(read_upload(media, services), get_record(context.session, record))


PairDep = Annotated[Pair, Depends(pair_of)]


@router.post("", operation_id="compare")
def compare(pair: PairDep, context: ContextDep, api_key: Matcher, response: Response) -> Comparison:
    """Says what was changed between a registered asset and this picture or video, and where.

    The change map of an intimate record is given to those only who may see its picture.
    """
    response.headers["Cache-Control"] = NO_STORE
    sight = sight_of(pair.record, api_key)
    compared = compare_with(replace(context, asked_by=Asker(api_key)), pair.content, pair.record)
    return as_wire(context, compared, sight, with_evidence=may(api_key, Action.SEE_EVIDENCE))


@router.post("/picture", operation_id="comparePicture", response_class=Response)
def compare_picture(
    pair: PairDep,
    context: ContextDep,
    api_key: Matcher,
    form: Annotated[
        PictureFormat,
        Form(description="png: side by side; gif: in turn; pdf: with the words; of a video mp4 or gif"),
    ] = PictureFormat.SHEET,
) -> Response:
    """Shows the same as a picture or animation with the difference; a video as a side-by-side video.

    Of an intimate record only keys with the scope `review` get one, and its publisher's with the scope
    `register`.
    """
    sight = require_sight(pair.record, api_key)  # before anything is compared
    compared = compare_with(replace(context, asked_by=Asker(api_key)), pair.content, pair.record)
    headers = {"Cache-Control": NO_STORE, "X-Content-Type-Options": "nosniff"}
    return Response(as_picture(context, compared, form, sight), media_type=form.media_type, headers=headers)
