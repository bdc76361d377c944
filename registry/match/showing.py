"""Registered pictures as they are shown: the one way out for them, and for what is drawn from them.

Everything here wants a `Sight` (registry.records.access): leave to show the picture of one record. A
difference, a change map and a side-by-side video are drawn from the registered picture and tell of it, so
they want it too. Nothing above this module draws a comparison or reads what is kept of registered media:
`make check` and tests/web/test_privacy.py hold that. Matching reads the same pictures to compare them,
shows none and asks for no leave.
"""

from dataclasses import dataclass
from enum import StrEnum

from PIL import Image

from indexer.compare.close_ups import CloseUp, close_up, has_close_up
from indexer.compare.derivation import Derivation
from indexer.compare.fine_alignment import homography_in_detail
from indexer.compare.rendering import as_png, blinking, change_overlay, comparison_sheet, difference
from indexer.compare.vocabulary import Frame, Operation, Quad, size_in_words
from indexer.media.images import Pixels
from registry.errors import NothingToCompare
from registry.match.matched import MatchedRecord
from registry.match.side_by_side import side_by_side_animation, side_by_side_video
from registry.media.previews import DETAIL_LONG_SIDE
from registry.media.storyboards import Storyboard
from registry.media.uploads import Upload, VideoContent
from registry.records.access import Sight
from registry.services import RequestContext, Services
from registry.storage.db import release
from registry.storage.models import Record
from registry.storage.models.records import ACTIVE
from sdk.models import in_words


class PictureFormat(StrEnum):
    """How a comparison is exported."""

    SHEET = "png"
    BLINKING = "gif"
    REPORT = "pdf"
    VIDEO = "mp4"  # of videos

    @property
    def media_type(self) -> str:
        """The media type of the answer."""
        return MEDIA_TYPES.get(self, f"image/{self.value}")


MEDIA_TYPES = {PictureFormat.VIDEO: "video/mp4", PictureFormat.REPORT: "application/pdf"}


@dataclass(frozen=True)
class DrawnComparison:
    """A still upload beside the registered picture: drawings of one size, in the frame of that one."""

    reference: Image.Image
    upload: Image.Image  # laid on the reference
    change_map: bytes  # PNG, transparent where nothing was changed
    difference: Image.Image
    close_ups: tuple["ShownPlace", ...]


@dataclass(frozen=True)
class ShownPlace:
    """One changed place, enlarged."""

    operation: Operation
    words: str  # what was done there, how far, and its size
    close_up: CloseUp


@dataclass(frozen=True)
class ComparedStill:
    """A still upload and how it was made from a record's picture."""

    upload: Upload
    record: Record
    derivation: Derivation


def preview_of(services: Services, record: Record, sight: Sight) -> bytes | None:
    """The kept preview as WebP; None where none is kept."""
    _require(sight, record)
    if record.preview_key is None or record.status != ACTIVE:
        return None
    return services.blobs.get(record.preview_key)


def frame_of(services: Services, record: Record, time_ms: int, sight: Sight) -> bytes | None:
    """The kept frame of a video that is nearest to a time, as WebP; None where none is kept."""
    _require(sight, record)
    board = _storyboard(services, record)
    return board.frames[board.nearest(time_ms)] if board and board.times_ms else None


def frame_times_of(services: Services, record: Record, sight: Sight) -> tuple[int, ...]:
    """Milliseconds of the frames that `frame_of` returns."""
    _require(sight, record)
    board = _storyboard(services, record)
    return board.times_ms if board else ()


def drawn(context: RequestContext, compared: ComparedStill, sight: Sight) -> DrawnComparison:
    """Draws everything that a page shows of a comparison."""
    comparison = compared.derivation.comparison
    return DrawnComparison(
        Image.fromarray(comparison.warped.reference),
        Image.fromarray(comparison.warped.query),
        change_map_of(compared.record, compared.derivation, sight),
        difference(comparison.changes),
        close_ups_of(context, compared, sight),
    )


def close_ups_of(context: RequestContext, compared: ComparedStill, sight: Sight) -> tuple[ShownPlace, ...]:
    """Every changed place of both pictures enlarged, with words."""
    _require(sight, compared.record)
    derivation = compared.derivation
    places = [operation for operation in derivation.operations if has_close_up(operation)]
    if not places:
        return ()
    release(context.session)  # the upload may be decoded once more
    query, reference = _in_detail(context, compared)
    homography = homography_in_detail(derivation.pair, derivation.comparison.warped, query, reference)
    height, width = reference.shape[:2]
    frame = Frame(compared.record.width or width, compared.record.height or height)
    return tuple(
        ShownPlace(
            operation, _said_of(operation, quad, frame), close_up(query, reference, homography, quad)
        )
        for operation in places
        if (quad := operation.reference_region) is not None
    )


def _said_of(operation: Operation, quad: Quad, frame: Frame) -> str:
    kind = in_words(operation.type)
    said = f"{kind[0].upper()}{kind[1:]}, {operation.degree}, {in_words(operation.certainty)}"
    if "width_px" not in operation.measured:  # else the sentence tells
        said += f", {size_in_words(quad, frame)}"
    return f"{said}: {operation.sentence}"


def _in_detail(context: RequestContext, compared: ComparedStill) -> tuple[Pixels, Pixels]:
    """Both pictures of the pair, the upload larger where it was sent so.

    Of the registered one the preview: the larger copy beside it is compared only, and shown to nobody.
    """
    pair, upload = compared.derivation.pair, compared.upload
    if upload.image is None or pair.query is not upload.image.pixels:
        return pair.query, pair.reference  # bent or inverted for the comparison
    larger = context.uploads.in_detail(upload, DETAIL_LONG_SIDE)
    return (pair.query if larger is None else larger), pair.reference


def change_map_of(record: Record, derivation: Derivation, sight: Sight) -> bytes:
    """A PNG in the frame of the registered picture, transparent where nothing was changed."""
    _require(sight, record)
    return as_png(change_overlay(derivation.comparison.changes))


def comparison_picture(
    context: RequestContext, compared: ComparedStill, label: str, wanted: PictureFormat, sight: Sight
) -> bytes:
    """Both sides and where they differ, for a report. Raises NothingToCompare."""
    _require(sight, compared.record)
    if wanted is PictureFormat.VIDEO:
        raise NothingToCompare("a still image is shown as png, gif or pdf")
    derivation = compared.derivation
    warped, changes = derivation.comparison.warped, derivation.comparison.changes
    if wanted is PictureFormat.BLINKING:
        return blinking(warped, derivation.operations)
    captions = f"Registered: {label}", "The upload, laid on it", "Where they differ"
    close_ups = [(place.words, place.close_up) for place in close_ups_of(context, compared, sight)]
    return as_png(comparison_sheet(warped, changes, derivation.operations, captions, close_ups))


def comparison_video(
    context: RequestContext,
    video: VideoContent,
    match: MatchedRecord,
    label: str,
    wanted: PictureFormat,
    sight: Sight,
) -> bytes:
    """The registered frames beside the upload's. Raises NothingToCompare."""
    _require(sight, match.record)
    if wanted not in (PictureFormat.VIDEO, PictureFormat.BLINKING):
        raise NothingToCompare("a video is shown as mp4 or gif")
    make = side_by_side_video if wanted is PictureFormat.VIDEO else side_by_side_animation
    return make(context, video, match, label)


def _require(sight: Sight, record: Record) -> None:
    # A mistake of ours, not of a caller: nothing is shown in place of the wrong picture.
    if sight.record_id != record.id:
        raise ValueError("this is leave to show another record")


def _storyboard(services: Services, record: Record) -> Storyboard | None:
    if record.status != ACTIVE or record.preview_key is None or record.duration_ms is None:
        return None
    return services.previews.storyboard(record.preview_key)
