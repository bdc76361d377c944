"""Use case: compare an upload with one registered asset, and say and show what was changed.

For whoever has a match and wants to see it, or suspects a pair that no index would find. Nothing is kept.
"""

from dataclasses import dataclass

from indexer.compare.derivation import Derivation
from registry.errors import NothingToCompare
from registry.match.answers import NOT_RELATED, wire_comparison
from registry.match.matched import MatchedRecord
from registry.match.matching import find_matches
from registry.match.pages import page_to_answer
from registry.match.report import comparison_report
from registry.match.showing import (
    ComparedStill,
    PictureFormat,
    change_map_of,
    comparison_picture,
    comparison_video,
    drawn,
)
from registry.media.uploads import Upload
from registry.records.access import Sight
from registry.records.reading import summary_of
from registry.services import RequestContext
from registry.storage.db import release
from registry.storage.models import Record
from registry.storage.models.columns import now
from registry.storage.models.records import ACTIVE
from sdk.models import Comparison, RecordSummary

NO_PICTURE = "the two cannot be shown together"


@dataclass(frozen=True)
class ComparedUpload:
    """An upload beside one record."""

    upload: Upload
    record: RecordSummary
    match: MatchedRecord | None  # None: nothing that the two have in common was found
    is_picture_kept: bool  # of the record; else only fingerprints were compared

    @property
    def derivation(self) -> Derivation | None:
        """How a still upload was made from the registered picture, where that can be said."""
        return self.match.derivation if self.match else None


def compare_with(context: RequestContext, content: bytes, record: Record) -> ComparedUpload:
    """Says what a match of that record says. Raises NothingToCompare or MediaRefused."""
    if record.status != ACTIVE:
        raise NothingToCompare("the record was withdrawn, and is compared with nothing any more")
    release(context.session)
    upload = page_to_answer(context, context.uploads.read(content), record)
    match = next(iter(find_matches(context, upload, only=record)), None)
    return ComparedUpload(
        upload, summary_of(context.session, record), match, is_picture_kept=record.preview_key is not None
    )


def as_wire(
    context: RequestContext, compared: ComparedUpload, sight: Sight | None, *, with_evidence: bool
) -> Comparison:
    """In words, with the change map where there is leave; numbers only for those who may see them."""
    match, derivation = compared.match, compared.derivation
    change_map = change_map_of(match.record, derivation, sight) if match and derivation and sight else None
    return wire_comparison(
        context,
        compared.upload,
        compared.record,
        match,
        change_map,
        is_picture_kept=compared.is_picture_kept,
        with_evidence=with_evidence,
    )


def as_picture(
    context: RequestContext, compared: ComparedUpload, wanted: PictureFormat, sight: Sight
) -> bytes:
    """Both sides and where they differ, for a report. Raises NothingToCompare."""
    match, label = compared.match, compared.record.label
    if not compared.is_picture_kept:
        raise NothingToCompare(f"{NO_PICTURE}: no picture of the record is kept here")
    if match is None:
        raise NothingToCompare(NOT_RELATED)
    if match.segments and compared.upload.video is not None:
        return comparison_video(context, compared.upload.video, match, label, wanted, sight)
    if compared.derivation is None:
        raise NothingToCompare(f"{NO_PICTURE}: nothing confirms at which places the two agree")
    still = ComparedStill(compared.upload, match.record, compared.derivation)
    if wanted is PictureFormat.REPORT:
        said = as_wire(context, compared, None, with_evidence=False)
        return comparison_report(said, drawn(context, still, sight), now())
    return comparison_picture(context, still, label, wanted, sight)
