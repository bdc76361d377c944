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

from indexer.compare.derivation import Derivation
from indexer.compare.rendering import as_png, blinking, change_overlay, comparison_sheet, difference
from registry.errors import NothingToCompare
from registry.match.matched import MatchedRecord
from registry.match.side_by_side import side_by_side_animation, side_by_side_video
from registry.media.storyboards import Storyboard
from registry.media.uploads import VideoContent
from registry.records.access import Sight
from registry.services import RequestContext, Services
from registry.storage.models import Record
from registry.storage.models.records import ACTIVE


class PictureFormat(StrEnum):
    """How a comparison is exported."""

    SHEET = "png"
    BLINKING = "gif"
    VIDEO = "mp4"  # of videos

    @property
    def media_type(self) -> str:
        """The media type of the answer."""
        return "video/mp4" if self is PictureFormat.VIDEO else f"image/{self.value}"


@dataclass(frozen=True)
class DrawnComparison:
    """A still upload beside the registered picture: drawings of one size, in the frame of that one."""

    reference: Image.Image
    upload: Image.Image  # laid on the reference
    change_map: bytes  # PNG, transparent where nothing was changed
    difference: Image.Image


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


def drawn(record: Record, derivation: Derivation, sight: Sight) -> DrawnComparison:
    """Draws everything that a page shows of a comparison."""
    warped, changes = derivation.comparison.warped, derivation.comparison.changes
    return DrawnComparison(
        Image.fromarray(warped.reference),
        Image.fromarray(warped.query),
        change_map_of(record, derivation, sight),
        difference(changes),
    )


def change_map_of(record: Record, derivation: Derivation, sight: Sight) -> bytes:
    """A PNG in the frame of the registered picture, transparent where nothing was changed."""
    _require(sight, record)
    return as_png(change_overlay(derivation.comparison.changes))


def comparison_picture(
    record: Record, label: str, derivation: Derivation, wanted: PictureFormat, sight: Sight
) -> bytes:
    """Both sides and where they differ, for a report. Raises NothingToCompare."""
    _require(sight, record)
    if wanted is PictureFormat.VIDEO:
        raise NothingToCompare("a still image is shown as png or gif")
    warped, changes = derivation.comparison.warped, derivation.comparison.changes
    if wanted is PictureFormat.BLINKING:
        return blinking(warped, derivation.operations)
    captions = f"Registered: {label}", "The upload, laid on it", "Where they differ"
    return as_png(comparison_sheet(warped, changes, derivation.operations, captions))


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
    if wanted is PictureFormat.SHEET:
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
