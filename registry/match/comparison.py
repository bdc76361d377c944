"""Use case: compare an upload with one registered asset, and say and show what was changed.

For whoever has a match and wants to see it, or suspects a pair that no index would find. Nothing is kept.
"""

from dataclasses import dataclass
from enum import StrEnum

from indexer.compare.derivation import Derivation
from indexer.compare.rendering import as_png, blinking, change_overlay, comparison_sheet
from registry.errors import NothingToCompare
from registry.match.answers import NOT_RELATED, wire_comparison
from registry.match.matched import MatchedRecord
from registry.match.matching import find_matches
from registry.match.side_by_side import side_by_side_animation, side_by_side_video
from registry.media.uploads import Upload, VideoContent
from registry.records.reading import get_record, summary_of
from registry.services import RequestContext
from registry.storage.models.records import ACTIVE
from sdk.models import Comparison, RecordSummary


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
class ComparedUpload:
    """An upload beside one record."""

    upload: Upload
    record: RecordSummary
    match: MatchedRecord | None  # None: nothing that the two have in common was found

    @property
    def derivation(self) -> Derivation | None:
        """How a still upload was made from the registered picture, where that can be said."""
        return self.match.derivation if self.match else None


def compare_with(context: RequestContext, content: bytes, record_id: str) -> ComparedUpload:
    """Raises UnknownRecord, NothingToCompare or MediaRefused."""
    record = get_record(context.session, record_id)
    if record.status != ACTIVE or record.preview_key is None:
        raise NothingToCompare("the record was withdrawn, or its publisher keeps no preview here")
    upload = context.uploads.read(content)
    match = next(iter(find_matches(context, upload, only=record)), None)
    return ComparedUpload(upload, summary_of(context.session, record), match)


def as_wire(context: RequestContext, compared: ComparedUpload, *, with_evidence: bool) -> Comparison:
    """In words, with the change map; numbers only for those who may see them."""
    return wire_comparison(
        context,
        compared.upload,
        compared.record,
        compared.match,
        change_map_of(compared.derivation),
        with_evidence=with_evidence,
    )


def change_map_of(derivation: Derivation | None) -> bytes | None:
    """A PNG in the frame of the registered picture, transparent where nothing was changed."""
    return as_png(change_overlay(derivation.comparison.changes)) if derivation else None


def as_picture(context: RequestContext, compared: ComparedUpload, wanted: PictureFormat) -> bytes:
    """Both sides and where they differ, for a report. Raises NothingToCompare."""
    if compared.upload.video is not None:
        return _of_videos(context, compared, compared.upload.video, wanted)
    if wanted is PictureFormat.VIDEO:
        raise NothingToCompare("a still image is shown as png or gif")
    derivation = compared.derivation
    if derivation is None:
        raise NothingToCompare(NOT_RELATED)
    warped, changes = derivation.comparison.warped, derivation.comparison.changes
    if wanted is PictureFormat.BLINKING:
        return blinking(warped, derivation.operations)
    captions = f"Registered: {compared.record.label}", "The upload, laid on it", "Where they differ"
    return as_png(comparison_sheet(warped, changes, derivation.operations, captions))


def _of_videos(
    context: RequestContext, compared: ComparedUpload, video: VideoContent, wanted: PictureFormat
) -> bytes:
    if compared.match is None or not compared.match.segments:
        raise NothingToCompare(NOT_RELATED)
    if wanted is PictureFormat.SHEET:
        raise NothingToCompare("a video is shown as mp4 or gif")
    make = side_by_side_video if wanted is PictureFormat.VIDEO else side_by_side_animation
    return make(context, video, compared.match, compared.record.label)
