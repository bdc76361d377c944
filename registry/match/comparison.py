"""Use case: lay an upload on one registered asset, and say and show what was changed.

For whoever has a match and wants to see it, or suspects a pair that no index would find. Nothing is kept.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session

from indexer.compare.derivation import Derivation
from indexer.compare.rendering import as_png, blinking, change_overlay, comparison_sheet
from registry.errors import NothingToCompare
from registry.match.evidence_rules import Judgement, Measured, is_verified, judge
from registry.match.explanation import (
    derivation_of,
    described,
    explain,
    operations_of,
    uncertain_of,
    wire_operation,
)
from registry.match.matched import Found
from registry.match.retrieval import Candidate
from registry.match.side_by_side import animation, film
from registry.match.verification import compare_candidate
from registry.match.video.matching import find_in_video
from registry.match.video.segments import moment_in_words, segments_of
from registry.media.previews import PreviewCache
from registry.media.uploads import Upload, VideoContent, analyse
from registry.records.reading import get_record, summary_of
from registry.services import Services
from registry.storage.models import Record
from registry.storage.models.records import ACTIVE
from sdk.models import Comparison, RecordSummary

NOT_RELATED = "No common picture was found: features and windows of the two do not agree."


class PictureFormat(StrEnum):
    """How a comparison is exported."""

    SHEET = "png"
    BLINKING = "gif"
    FILM = "mp4"  # of videos

    @property
    def media_type(self) -> str:
        """As it is answered."""
        return "video/mp4" if self is PictureFormat.FILM else f"image/{self.value}"


@dataclass(frozen=True)
class Compared:
    """One pair, judged and described."""

    upload: Upload
    record: RecordSummary
    candidate: Candidate
    judgement: Judgement | None
    derivation: Derivation | None
    found: Found | None = None  # of a video


def compare_with(
    services: Services, cache: PreviewCache, session: Session, content: bytes, record_id: str
) -> Compared:
    """Raises UnknownRecord, NothingToCompare or a MediaRefused error."""
    record = get_record(session, record_id)
    if record.status != ACTIVE or record.preview_key is None:
        raise NothingToCompare("the record was withdrawn, or its publisher keeps no preview here")
    upload = analyse(services, content)
    if upload.video is not None:
        return _compare_video(services, cache, session, upload, record)
    asked = Candidate(
        record, Measured(same_digest=upload.digest_sha256 == record.digest_sha256), ("asked",)
    )
    candidate = compare_candidate(services, cache, upload, asked, upload.features)
    judgement = judge(candidate.measured, services.thresholds)
    # The very file is compared all the same: to see that nothing was changed is an answer.
    derivation = derivation_of(services, upload, candidate)
    if judgement is not None and derivation is not None:
        judgement = described(judgement, derivation.operations)
    return Compared(upload, summary_of(session, record), candidate, judgement, derivation)


def _compare_video(
    services: Services, cache: PreviewCache, session: Session, upload: Upload, record: Record
) -> Compared:
    found = next(iter(find_in_video(services, cache, session, upload, only=record)), None)
    candidate = found.candidate if found else Candidate(record, Measured(compared=True), ("asked",))
    judgement = found.judgement if found else None
    return Compared(upload, summary_of(session, record), candidate, judgement, None, found)


def as_wire(services: Services, compared: Compared, *, with_evidence: bool) -> Comparison:
    """In words, with the change map; numbers only for those who may see them."""
    judgement, derivation, found = compared.judgement, compared.derivation, compared.found
    operations = operations_of(services, compared.upload, compared.candidate, derivation)
    uncertain = uncertain_of(services, derivation)
    if found is not None:
        operations, uncertain = list(found.operations), found.uncertain
    where = found.where if found else moment_in_words(compared.candidate)
    explanation = NOT_RELATED
    if judgement is not None:
        explanation = explain(
            services, compared.record, judgement, operations, uncertain, compared.candidate, where
        )
    return Comparison(
        record=compared.record,
        digest_sha256=compared.upload.digest_sha256 or "",
        relation=judgement.relation if judgement else None,
        strength=judgement.strength if judgement else None,
        verified=is_verified(compared.candidate.measured, services.thresholds),
        operations=tuple(wire_operation(one, with_evidence=with_evidence) for one in operations),
        segments=segments_of(found, with_evidence=with_evidence) if found else (),
        uncertain=uncertain,
        explanation=explanation,
        change_map=change_map_of(derivation),
    )


def change_map_of(derivation: Derivation | None) -> bytes | None:
    """A PNG in the frame of the registered picture, transparent where nothing was changed."""
    return as_png(change_overlay(derivation.comparison.changes)) if derivation else None


def as_picture(services: Services, cache: PreviewCache, compared: Compared, wanted: PictureFormat) -> bytes:
    """Both sides and where they differ, for a report. Raises NothingToCompare."""
    if compared.upload.video is not None:
        return _as_film(services, cache, compared, compared.upload.video, wanted)
    if wanted is PictureFormat.FILM:
        raise NothingToCompare("a still image is shown as png or gif")
    derivation = compared.derivation
    if derivation is None:
        raise NothingToCompare(NOT_RELATED)
    warped, changes = derivation.comparison.warped, derivation.comparison.changes
    if wanted is PictureFormat.BLINKING:
        return blinking(warped, derivation.operations)
    captions = f"Registered: {compared.record.label}", "The upload, laid on it", "Where they differ"
    return as_png(comparison_sheet(warped, changes, derivation.operations, captions))


def _as_film(
    services: Services,
    cache: PreviewCache,
    compared: Compared,
    video: VideoContent,
    wanted: PictureFormat,
) -> bytes:
    if compared.found is None or not compared.found.stretches:
        raise NothingToCompare(NOT_RELATED)
    if wanted is PictureFormat.SHEET:
        raise NothingToCompare("a video is shown as mp4 or gif")
    make = film if wanted is PictureFormat.FILM else animation
    return make(services, cache, video, compared.found, compared.record.label)
