"""The page that explains the registry, takes a picture and shows the verdict; and one page per record."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from markupsafe import Markup, escape
from PIL import Image
from sqlmodel import Session

from indexer.compare.vocabulary import is_part
from indexer.media.frames import VideoInfo
from indexer.media.images import Pixels
from registry.api.deps import NO_STORE, ContextDep, ServicesDep, SessionDep, read_upload
from registry.errors import NotCosigned, RecordErased, RegistryError
from registry.jobs import lifecycle as jobs
from registry.log.published import published_size
from registry.log.transparency_log import Log
from registry.match import comparison
from registry.match.answers import answer_about
from registry.match.showing import ComparedStill, PictureFormat, drawn
from registry.media.uploads import require_stated_length
from registry.records.access import Asker, require_sight, sight_of
from registry.records.publishers import did_status, get_publisher
from registry.records.reading import get_record, newest_records, receipt_of, summaries_of, summary_of
from registry.services import Services
from registry.storage.models.records import ERASED
from registry.web.comparing import view_of
from registry.web.families import (
    direction_in_words,
    families_shown,
    originals_shown,
    possible_matches,
)
from registry.web.video_segments import VideoView, video_view_of
from sdk.errors import VerificationError
from sdk.models import Match, MatchAnswer, OperationType, Receipt, Region, VerdictKind, in_words
from sdk.verify import verify_receipt

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(Path(__file__).parent / "templates")

SHOWN_SIDE = 640
PLACED = (OperationType.EMBEDDED, OperationType.BORDERED)
TONES = {
    VerdictKind.REGISTERED_ORIGINAL: "good",
    VerdictKind.DERIVATIVE_OF_ORIGINAL: "warn",
    VerdictKind.KNOWN_FAKE: "bad",
    VerdictKind.REPORTED: "warn",
    VerdictKind.AI_GENERATED: "warn",
    VerdictKind.REGISTERED_DERIVATIVE: "warn",
    VerdictKind.DISPUTED: "warn",
    VerdictKind.SHARES_PICTURE: "warn",
    VerdictKind.ONE_OF_THESE: "plain",
    VerdictKind.POSSIBLE_MATCH: "plain",
    VerdictKind.NOT_IN_REGISTRY: "plain",
    VerdictKind.NOT_FINGERPRINTABLE: "plain",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
NOT_KEPT = {"Cache-Control": NO_STORE}
# Whoever opens a page is anybody: a page never shows what only some may see.
PAGES_HAVE_NO_KEY = None
ANYBODY = Asker(PAGES_HAVE_NO_KEY)


def polygon(region: Region | None) -> str:
    """Formats a region as SVG points in a box of 100 by 100."""
    if region is None:
        return ""
    return " ".join(f"{100 * x:.2f},{100 * y:.2f}" for x, y in region.corners)


def linked(text: str, addresses: Sequence[str]) -> Markup:
    """Writes a text as HTML; if it ends in one of the addresses, that is a link."""
    for address in addresses:
        if text.endswith(f" {address}"):
            link = Markup('<a href="{}" rel="noreferrer">{}</a>').format(address, address)
            return escape(text.removesuffix(address)) + link
    return escape(text)


templates.env.filters["linked"] = linked
templates.env.filters["polygon"] = polygon
templates.env.filters["in_words"] = in_words
templates.env.filters["direction_in_words"] = direction_in_words
templates.env.filters["originals_shown"] = originals_shown


def page(
    request: Request,
    name: str,
    context: dict[str, Any],
    status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> HTMLResponse:
    """Renders a template, with the headers that every page has and those of this one."""
    return templates.TemplateResponse(
        request, name, context, status_code=status, headers={**HEADERS, **headers}
    )


def _problem_page(request: Request, template: str, error: RegistryError) -> HTMLResponse:
    """Says what went wrong. htmx swaps successful answers only, so a problem is sent to it as one."""
    fragment = "HX-Request" in request.headers
    again = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return page(request, template, {"problem": error}, 200 if fragment else error.status, again)


@router.get("/", response_class=HTMLResponse)
def front(request: Request, services: ServicesDep, session: SessionDep) -> HTMLResponse:
    """Shows what this is, a place to drop a picture, and the newest records."""
    newest = newest_records(session, None, 8)
    facts = summaries_of(session, newest)
    context = {
        # A label may be a name: nobody's intimate picture is advertised.
        "newest": [
            facts[record.id] for record in newest if record.status != ERASED and not record.intimate
        ],
        "log_size": published_size(session, services.log),
        "log_key": services.log.current_key(session).text(),
    }
    return page(request, "index.html", context)


@router.post("/lookup", response_class=HTMLResponse)
def look_up(
    request: Request,
    media: Annotated[UploadFile, File()],
    services: ServicesDep,
    context: ContextDep,
) -> HTMLResponse:
    """Shows the verdict on a dropped picture in words; to htmx only the fragment."""
    fragment = "HX-Request" in request.headers
    template = "_answer.html" if fragment else "answer.html"
    try:
        content = read_upload(media, services)
        identified = context.uploads.decoders.identify(content)
        if isinstance(identified, VideoInfo):
            require_stated_length(identified, services.settings.page_video_s)
            job = jobs.accept(services, None, content, jobs.NewJob(jobs.MATCH))
            return lookup_state(request, job, services, context.session, fragment=fragment)
        upload = context.uploads.describe_image(content, identified)
        answered = answer_about(replace(context, asked_by=ANYBODY), upload, with_evidence=False)
        answer = answered.answer
    except RegistryError as error:
        return _problem_page(request, template, error)
    views = {
        record_id: view_of(drawn(context, ComparedStill(upload, record, one), sight), one.operations)
        for record_id, one in answered.derivations.items()
        if (sight := sight_of(record := get_record(context.session, record_id), PAGES_HAVE_NO_KEY))
    }
    shown = {
        "answer": answer,
        "tone": TONES[answer.verdict.kind],
        "upload": shown_upload(identified.pixels),
        "upload_name": Path(media.filename or "your picture").name,
        "matched": {
            match.record.id: (
                match,
                upload_region(match),
                reference_region(match),
                views.get(match.record.id),
            )
            for match in answer.matches
        },
        "families": families_shown(answer),
        "possible": possible_matches(answer),
        "changed_in_upload": {match.record.id: changed_regions(match) for match in answer.matches},
        "checks": receipt_checks(answer, services.log),
    }
    return page(request, template, shown, headers=NOT_KEPT)


@router.get("/lookup/{job_id}", response_class=HTMLResponse)
def look_up_again(
    request: Request, job_id: str, services: ServicesDep, session: SessionDep
) -> HTMLResponse:
    """Shows how far the look-up of a video is, and its answer, once."""
    fragment = "HX-Request" in request.headers
    try:
        return lookup_state(request, job_id, services, session, fragment=fragment)
    except RegistryError as error:
        template = "_answer.html" if fragment else "answer.html"
        return _problem_page(request, template, error)


def lookup_state(
    request: Request,
    job_id: str,
    services: Services,
    session: Session,
    *,
    fragment: bool,
) -> HTMLResponse:
    """Shows a progress bar that asks again, or the answer about a video."""
    job = jobs.take_page_job(session, job_id)
    if job.finished_at is None:
        context: dict[str, Any] = {"job": job}
        return page(request, "_working.html" if fragment else "working.html", context)
    answer = jobs.result_of(job)
    assert isinstance(answer, MatchAnswer)
    context = {
        "answer": answer,
        "tone": TONES[answer.verdict.kind],
        "upload": None,
        "upload_name": "your video",
        "matched": {match.record.id: (match, None, None, None) for match in answer.matches},
        "families": families_shown(answer),
        "possible": possible_matches(answer),
        "video_views": {
            match.record.id: _video_view_of(services, session, match, answer) for match in answer.matches
        },
        "checks": receipt_checks(answer, services.log),
    }
    return page(request, "_answer.html" if fragment else "answer.html", context, headers=NOT_KEPT)


def _video_view_of(services: Services, session: Session, match: Match, answer: MatchAnswer) -> VideoView:
    record = get_record(session, match.record.id)
    return video_view_of(services, record, match, answer, sight_of(record, PAGES_HAVE_NO_KEY))


@router.post("/lookup/picture")
def look_up_picture(
    media: Annotated[UploadFile, File()],
    record: Annotated[str, Form()],
    services: ServicesDep,
    context: ContextDep,
    form: Annotated[PictureFormat, Form()] = PictureFormat.SHEET,
) -> Response:
    """Makes the comparison with one record as a file to keep."""
    row = get_record(context.session, record)
    sight = require_sight(row, PAGES_HAVE_NO_KEY)
    asked = replace(context, asked_by=ANYBODY)
    compared = comparison.compare_with(asked, read_upload(media, services), row)
    name = {"Content-Disposition": f'attachment; filename="comparison.{form.value}"'}
    headers = {**HEADERS, **NOT_KEPT, **name}
    picture = comparison.as_picture(context, compared, form, sight)
    return Response(picture, media_type=form.media_type, headers=headers)


@router.get("/records/{record_id}", response_class=HTMLResponse)
def show_record(
    request: Request, record_id: str, services: ServicesDep, session: SessionDep
) -> HTMLResponse:
    """Shows one record, its receipt, and every step of its verification."""
    try:
        return _show_record(request, record_id, services, session)
    except RegistryError as error:
        return page(request, "answer.html", {"problem": error}, error.status)


def _show_record(request: Request, record_id: str, services: Services, session: Session) -> HTMLResponse:
    record = get_record(session, record_id)
    context: dict[str, Any] = {"record": summary_of(session, record)}
    context["publisher"] = publisher = get_publisher(session, record.publisher_id)
    context["did_status"] = did_status(session, publisher)
    try:
        receipt = receipt_of(session, services.log, record)
        context["steps"] = _checked(receipt, services.log)
    except (RecordErased, NotCosigned) as error:
        context["no_receipt"] = str(error)
    return page(request, "record.html", context)


def shown_upload(pixels: Pixels) -> str:
    """An upload, re-encoded small, as a data address: nothing of it is kept."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def upload_region(match: Match) -> Region | None:
    """Returns where the reference lies in the upload, if it does not fill it."""
    placed = (operation.region for operation in match.operations if operation.type in PLACED)
    return next(placed, None)


def reference_region(match: Match) -> Region | None:
    """Returns which part of the reference the upload shows, if it is cropped."""
    crops = (operation for operation in match.operations if operation.type is OperationType.CROPPED)
    return next((crop.reference_region for crop in crops), None)


def changed_regions(match: Match) -> list[Region]:
    """Returns the parts of the upload that were changed, to be outlined in it."""
    regions = [operation.region for operation in match.operations if operation.type not in PLACED]
    return [region for region in regions if region is not None and is_part(region.corners)]


def _checked(receipt: Receipt, log: Log) -> tuple[str, ...]:
    try:
        # An answer that was kept for a while may have receipts from before the log's key was rotated.
        return verify_receipt(receipt, log_key=log.key.text(), log_key_notes=log.keys.notes).steps
    except VerificationError as error:
        return (f"0. does not hold: {error}",)


def receipt_checks(answer: MatchAnswer, log: Log) -> dict[str, tuple[str, ...]]:
    """Verifies the receipt of each match; returns the steps by record."""
    return {match.record.id: _checked(match.receipt, log) for match in answer.matches if match.receipt}
