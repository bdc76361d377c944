"""Use case: lay an upload on one registered asset, and say and show what was changed.

For whoever has a match and wants to see it, or suspects a pair that no index would find. Nothing is kept.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session

from indexer.compare.derivation import Derivation
from indexer.compare.rendering import as_png, blinking, change_overlay, comparison_sheet
from registry import records
from registry.candidates import compare_candidate
from registry.errors import NothingToCompare
from registry.explanation import (
    derivation_of,
    described,
    explain,
    operations_of,
    uncertain_of,
    wire_operation,
)
from registry.models.records import ACTIVE
from registry.nomination import Candidate
from registry.previews import PreviewCache
from registry.rules import Judgement, Measured, is_verified, judge
from registry.services import Services
from registry.uploads import Upload, analyse
from sdk.models import Comparison, RecordSummary

NOT_RELATED = "No common picture was found: features and windows of the two do not agree."


class PictureFormat(StrEnum):
    """How a comparison is exported."""

    SHEET = "png"
    BLINKING = "gif"


@dataclass(frozen=True)
class Compared:
    """One pair, judged and described."""

    upload: Upload
    record: RecordSummary
    candidate: Candidate
    judgement: Judgement | None
    derivation: Derivation | None


def compare_with(
    services: Services, cache: PreviewCache, session: Session, content: bytes, record_id: str
) -> Compared:
    """Raises UnknownRecord, NothingToCompare or a MediaRefused error."""
    record = records.get_record(session, record_id)
    if record.status != ACTIVE or record.preview_key is None:
        raise NothingToCompare("the record was withdrawn, or its publisher keeps no preview here")
    upload = analyse(services, content)
    asked = Candidate(
        record, Measured(same_digest=upload.digest_sha256 == record.digest_sha256), ("asked",)
    )
    candidate = compare_candidate(services, cache, upload, asked, upload.features)
    judgement = judge(candidate.measured, services.thresholds)
    # The very file is compared all the same: to see that nothing was changed is an answer.
    derivation = derivation_of(services, upload, candidate)
    if judgement is not None and derivation is not None:
        judgement = described(judgement, derivation.operations)
    return Compared(upload, records.summary(session, record), candidate, judgement, derivation)


def as_wire(services: Services, compared: Compared, *, with_evidence: bool) -> Comparison:
    """In words, with the change map; numbers only for those who may see them."""
    judgement, derivation = compared.judgement, compared.derivation
    operations = operations_of(services, compared.upload, compared.candidate, derivation)
    uncertain = uncertain_of(services, derivation)
    explanation = NOT_RELATED
    if judgement is not None:
        explanation = explain(
            services, compared.record, judgement, operations, uncertain, compared.candidate
        )
    return Comparison(
        record=compared.record,
        digest_sha256=compared.upload.digest_sha256 or "",
        relation=judgement.relation if judgement else None,
        strength=judgement.strength if judgement else None,
        verified=is_verified(compared.candidate.measured, services.thresholds),
        operations=tuple(wire_operation(one, with_evidence=with_evidence) for one in operations),
        uncertain=uncertain,
        explanation=explanation,
        change_map=change_map_of(derivation),
    )


def change_map_of(derivation: Derivation | None) -> bytes | None:
    """A PNG in the frame of the registered picture, transparent where nothing was changed."""
    return as_png(change_overlay(derivation.compared.changes)) if derivation else None


def as_picture(compared: Compared, wanted: PictureFormat) -> bytes:
    """Both sides and where they differ, for a report. Raises NothingToCompare."""
    derivation = compared.derivation
    if derivation is None:
        raise NothingToCompare(NOT_RELATED)
    laid, changes = derivation.compared.laid, derivation.compared.changes
    if wanted is PictureFormat.BLINKING:
        return blinking(laid, derivation.operations)
    captions = f"Registered: {compared.record.label}", "The upload, laid on it", "Where they differ"
    return as_png(comparison_sheet(laid, changes, derivation.operations, captions))
