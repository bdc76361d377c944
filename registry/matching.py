"""Use case: which registered assets does an upload come from, and what does that mean?"""

from sqlmodel import Session

from indexer.compare.operations import Frame, operations_found, re_encoded
from indexer.compare.operations import Operation as DetectedOperation
from indexer.fingerprints.pdq import ORIENTATIONS
from registry import records
from registry.candidates import find_candidates
from registry.errors import RecordErased
from registry.log import head_of
from registry.models.columns import now
from registry.nomination import Candidate
from registry.previews import FeatureCache
from registry.registration import upload_of_fingerprints
from registry.rules import STRENGTH_ORDER, Judged, Judgement, conclude, is_other_shot, is_verified, judge
from registry.services import Services, Upload, analyse
from sdk.models import (
    Computed,
    Evidence,
    FingerprintQuery,
    Freshness,
    Match,
    MatchAnswer,
    MatchRelation,
    Operation,
    RecordSummary,
    Region,
)

MAXIMUM_MATCHES = 20
# Pictures are read again for colours and sizes only for the matches that somebody will look at.
DESCRIBED_MATCHES = 3


def match_media(
    services: Services, cache: FeatureCache, session: Session, content: bytes, *, with_evidence: bool
) -> MatchAnswer:
    """Match a file. Raises a MediaRefused error."""
    return _match(services, cache, session, analyse(services, content), with_evidence)


def match_fingerprints(
    services: Services,
    cache: FeatureCache,
    session: Session,
    query: FingerprintQuery,
    *,
    with_evidence: bool,
) -> MatchAnswer:
    """Match without the picture. Raises InvalidFingerprint."""
    values = [(one.value, one.quality, one.orientation) for one in query.fingerprints]
    upload = upload_of_fingerprints(values, query.digest_sha256)
    return _match(services, cache, session, upload, with_evidence)


def _match(
    services: Services, cache: FeatureCache, session: Session, upload: Upload, with_evidence: bool
) -> MatchAnswer:
    services.indexing.catch_up(session)
    judged = [
        (candidate, judgement)
        for candidate in find_candidates(services, cache, session, upload)
        if (judgement := judge(candidate.measured, services.thresholds)) is not None
    ]
    judged.sort(key=lambda one: (STRENGTH_ORDER.index(one[1].strength), -one[1].confidence))
    judged = judged[:MAXIMUM_MATCHES]
    facts = records.summaries(session, [candidate.record for candidate, _ in judged])
    matches = tuple(
        _match_of(services, session, upload, candidate, judgement, facts, with_evidence, place)
        for place, (candidate, judgement) in enumerate(judged)
    )
    verdict = conclude([_judged(match) for match in matches], upload.too_plain)
    answer = MatchAnswer(
        answered_at=now(),
        computed=_computed(upload),
        verdict=verdict,
        matches=matches,
        index=freshness(services, session),
    )
    return services.signer.signed(answer)


def _match_of(
    services: Services,
    session: Session,
    upload: Upload,
    candidate: Candidate,
    judgement: Judgement,
    facts: dict[str, RecordSummary],
    with_evidence: bool,
    place: int,
) -> Match:
    described = place < DESCRIBED_MATCHES
    found = _operations(services, upload, candidate, judgement) if described else []
    record = facts[candidate.record.id]
    measured = candidate.measured
    try:
        receipt = records.receipt(session, services.log, candidate.record)
    except RecordErased:
        receipt = None
    return Match(
        record=record,
        relation=judgement.relation,
        strength=judgement.strength,
        operations=tuple(_wire(operation, with_evidence) for operation in found),
        verified=is_verified(measured, services.thresholds),
        explanation=_explain(services, record, judgement, found, candidate),
        receipt=receipt,
        evidence=_evidence(candidate, judgement) if with_evidence else None,
    )


def _operations(
    services: Services, upload: Upload, candidate: Candidate, judgement: Judgement
) -> list[DetectedOperation]:
    if judgement.relation in (MatchRelation.SAME_FILE, MatchRelation.POSSIBLY_RELATED):
        return []
    alignment, reference = candidate.alignment, candidate.reference
    if alignment is None or upload.image is None or reference is None:
        return []
    if not is_verified(candidate.measured, services.thresholds):
        return []
    image, record = upload.image, candidate.record
    reference_frame = Frame(record.width or reference.shape[1], record.height or reference.shape[0])
    query_frame = Frame(image.width, image.height)
    found = operations_found(alignment, image.pixels, reference, query_frame, reference_frame)
    near = (candidate.measured.pdq_distance or 0) <= services.thresholds.pdq_same_bits
    return found or ([re_encoded()] if near else [])


def _wire(operation: DetectedOperation, with_evidence: bool) -> Operation:
    return Operation(
        type=operation.type.value,
        strength=operation.strength,
        sentence=operation.sentence,
        region=Region(corners=operation.region) if operation.region else None,
        reference_region=(
            Region(corners=operation.reference_region) if operation.reference_region else None
        ),
        measured=dict(operation.measured) if with_evidence else {},
    )


def _explain(
    services: Services,
    record: RecordSummary,
    judgement: Judgement,
    found: list[DetectedOperation],
    candidate: Candidate,
) -> str:
    who = f"{record.label!r}, registered by {record.publisher_name} on {record.registered_at:%Y-%m-%d}"
    match judgement.relation:
        case MatchRelation.SAME_FILE:
            return f"Byte for byte the registered file {who}."
        case MatchRelation.POSSIBLY_RELATED if is_other_shot(candidate.measured, services.thresholds):
            return (
                f"Shows the same scene as {who}, but not the same moment: what is in it differs or is in "
                "other places. Another shot of it, or a re-enactment."
            )
        case MatchRelation.POSSIBLY_RELATED:
            return f"Resembles {who}, but no more than that could be confirmed."
    compared = candidate.measured.compared
    start = "Shows the same picture as" if judgement.relation is MatchRelation.SAME_PICTURE else "Made from"
    sentences = [f"{start} {who}.", *(operation.sentence for operation in found)]
    if judgement.relation is MatchRelation.DERIVATIVE and not found and compared:
        sentences.append("It was altered in a way that is not named here yet.")
    if not compared:
        sentences.append("Only fingerprints were compared: no picture of it is kept here.")
    return " ".join(sentences)


def _evidence(candidate: Candidate, judgement: Judgement) -> Evidence:
    measured = candidate.measured
    similarity = measured.descriptor_similarity
    return Evidence(
        found_by=candidate.found_by,
        pdq_distance=measured.pdq_distance,
        pdq_orientation=None if measured.pdq_distance is None else ORIENTATIONS[measured.pdq_orientation],
        phash_distance=measured.phash_distance,
        descriptor_similarity=None if similarity is None else round(similarity, 4),
        descriptor_rate=measured.descriptor_rate,
        inliers=measured.inliers if measured.compared else None,
        pairs=measured.pairs if measured.compared else None,
        spread=round(measured.spread, 4) if measured.compared else None,
        confidence=round(judgement.confidence, 5),
        **{name: round(value, 4) for name, value in vars(measured.dense).items()} if measured.dense else {},
    )


def _judged(match: Match) -> Judged:
    record = match.record
    return Judged(
        asset_class=record.asset_class,
        contested=bool(record.contested_with),
        strength=match.strength,
        relation=match.relation,
        label=record.label,
        publisher_name=record.publisher_name,
    )


def _computed(upload: Upload) -> Computed:
    image = upload.image
    return Computed(
        digest_sha256=upload.digest_sha256,
        kinds=tuple(dict.fromkeys(one.kind for one in upload.fingerprints)),
        quality=upload.quality,
        media_type=image.media_type if image else None,
        width=image.width if image else None,
        height=image.height if image else None,
        note=upload.too_plain,
    )


def freshness(services: Services, session: Session) -> Freshness:
    """How current the index is against what this request sees."""
    state = services.indexing.state(session)
    return Freshness(
        records_searched=max(state.rows.values(), default=0),
        through_change=state.through_change,
        behind=state.behind,
        checkpoint_size=head_of(session).size,
    )
