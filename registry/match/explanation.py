"""What was changed between a match and its registered asset, in words and as wire types."""

from collections.abc import Iterable
from dataclasses import replace

from indexer.compare.derivation import Derivation, derive
from indexer.compare.operations import COARSE, re_encoded
from indexer.compare.vocabulary import Frame
from indexer.compare.vocabulary import Operation as DetectedOperation
from indexer.operations import OPERATIONS, Degree, OperationType
from registry.match.evidence_rules import Judgement, is_different_capture, is_verified
from registry.match.retrieval import Candidate
from registry.media.uploads import Upload
from registry.services import Services
from sdk.models import MatchRelation, Operation, RecordSummary, Region

FACES_NOT_COMPARED = "Whether a face was replaced was not looked at"


def derivation_of(services: Services, upload: Upload, candidate: Candidate) -> Derivation | None:
    """The upload compared with the preview of a verified candidate; None where that cannot be done."""
    pair, image = candidate.pair, upload.image
    if pair is None or image is None:
        return None
    if not is_verified(candidate.measured, services.thresholds):
        return None
    record = candidate.record
    return derive(
        pair,
        Frame(image.width, image.height),
        Frame(record.width or pair.reference.shape[1], record.height or pair.reference.shape[0]),
        with_faces=services.faces_missing is None,
    )


def operations_of(
    services: Services, upload: Upload, candidate: Candidate, derivation: Derivation | None
) -> list[DetectedOperation]:
    """What the comparison found; where it found nothing, the same picture in other bytes."""
    if derivation is None:
        return []
    found = list(derivation.operations)
    quality = upload.image.jpeg_quality if upload.image else None
    near = (candidate.measured.pdq_distance or 0) <= services.thresholds.pdq_same_bits
    if (quality is not None and quality <= COARSE) or (near and not found):
        found.append(re_encoded(quality))
    return found


def uncertain_of(services: Services, derivation: Derivation | None) -> tuple[str, ...]:
    """Sentences about what could not be told."""
    if derivation is None:
        return ()
    if services.faces_missing is not None:
        # How to mend it is told by the doctor, not to everybody who asks.
        why = "their networks are not installed here" if services.settings.faces else services.faces_missing
        return (f"{FACES_NOT_COMPARED}: {why}.",)
    return derivation.uncertain


def changes_content(operations: Iterable[DetectedOperation]) -> bool:
    """Whether the picture shows something else than its original, not only in other colours or smaller."""
    return any(
        OPERATIONS[operation.type].shows_another_face
        or (OPERATIONS[operation.type].changes_content and operation.degree is not Degree.SLIGHT)
        for operation in operations
    )


def described(judgement: Judgement, operations: Iterable[DetectedOperation]) -> Judgement:
    """The judgement once it is known what was changed: other content is no longer the same picture."""
    if judgement.relation is not MatchRelation.SAME_PICTURE or not changes_content(operations):
        return judgement
    return replace(judgement, relation=MatchRelation.DERIVATIVE)


def has_another_face(operations: Iterable[DetectedOperation]) -> bool:
    """Whether it shows another face, or another moment of one, at some place."""
    return any(OPERATIONS[operation.type].shows_another_face for operation in operations)


def wire_operation(operation: DetectedOperation, *, with_evidence: bool) -> Operation:
    """With its terms in other vocabularies; numbers only for those who may see them."""
    row = OPERATIONS[operation.type]
    return Operation(
        type=operation.type,
        degree=operation.degree,
        sentence=operation.sentence,
        c2pa_action=row.c2pa_action,
        digital_source_type=row.digital_source_type,
        media_authenticity=row.media_authenticity,
        region=Region(corners=operation.region) if operation.region else None,
        reference_region=(
            Region(corners=operation.reference_region) if operation.reference_region else None
        ),
        factor=operation.factor,
        measured=dict(operation.measured) if with_evidence else {},
    )


def explain(
    services: Services,
    record: RecordSummary,
    judgement: Judgement,
    found: list[DetectedOperation],
    uncertain: tuple[str, ...],
    candidate: Candidate,
    where: str | None = None,
) -> str:
    """One paragraph in plain words."""
    who = f"{record.label!r}, registered by {record.publisher_name} on {record.registered_at:%Y-%m-%d}"
    match judgement.relation:
        case MatchRelation.SAME_FILE:
            return f"Byte for byte the registered file {who}."
        case MatchRelation.POSSIBLY_RELATED if is_different_capture(
            candidate.measured, services.thresholds
        ):
            return (
                f"Shows the same scene as {who}, but not the same moment: what is in it differs or is in "
                "other places. Another shot of it, or a re-enactment."
            )
        case MatchRelation.POSSIBLY_RELATED:
            return f"Resembles {who}, but no more than that could be confirmed."
    compared = candidate.measured.compared
    what = "picture" if record.duration_s is None else "footage"
    start = f"Shows the same {what} as" if judgement.relation is MatchRelation.SAME_PICTURE else "Made from"
    sentences = [f"{start} {who}.", *([where] if where else [])]
    sentences += [*(operation.sentence for operation in found), *uncertain]
    if judgement.relation is MatchRelation.DERIVATIVE and not found and compared:
        sentences.append("What was changed could not be named.")
    heard_only = any(one.type is OperationType.PICTURES_REPLACED for one in found)
    if not compared and not heard_only:
        sentences.append("Only fingerprints were compared: no picture of it is kept here.")
    return " ".join(sentences)
