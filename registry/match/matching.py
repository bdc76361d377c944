"""Use case: which registered assets does an upload come from, and what does that mean?"""

from dataclasses import dataclass, replace

from sqlmodel import Session

from indexer.compare.derivation import Derivation
from indexer.fingerprints.pdq import ORIENTATIONS
from registry.errors import RecordErased
from registry.log.transparency_log import head_of
from registry.match.evidence_rules import STRENGTH_ORDER, Judgement, is_verified, judge
from registry.match.explanation import (
    changes_content,
    derivation_of,
    described,
    explain,
    operations_of,
    uncertain_of,
    wire_operation,
)
from registry.match.matched import Found
from registry.match.retrieval import Candidate
from registry.match.verdicts import Judged, conclude
from registry.match.verification import find_candidates
from registry.match.video.matching import find_in_video
from registry.match.video.segments import moment_in_words, segments_of
from registry.media.previews import PreviewCache
from registry.media.uploads import Progress, Upload, analyse, halves, upload_of_fingerprints
from registry.records.reading import receipt_of, sources_of, summaries_of
from registry.services import Services
from registry.storage.models.columns import now
from sdk.models import (
    Computed,
    Evidence,
    FingerprintQuery,
    Freshness,
    Match,
    MatchAnswer,
    MatchRelation,
    RecordSummary,
)
from sdk.records import AssetClass

MAXIMUM_MATCHES = 20
DECODING_SHARE = 0.5  # of the work on a video, about
# Pictures are compared in detail only for the matches that somebody will look at, and for known fakes.
DESCRIBED_MATCHES = 4


@dataclass(frozen=True)
class Explored:
    """An answer, and the comparisons behind it, which are shown and then forgotten."""

    answer: MatchAnswer
    derivations: dict[str, Derivation]  # by record


def match_media(
    services: Services,
    cache: PreviewCache,
    session: Session,
    content: bytes,
    *,
    with_evidence: bool,
    progress: Progress | None = None,
) -> MatchAnswer:
    """Match a file. Raises a MediaRefused error."""
    first, second = halves(progress, DECODING_SHARE)
    upload = analyse(services, content, progress=first)
    return _match(services, cache, session, upload, with_evidence, second).answer


def explore_media(services: Services, cache: PreviewCache, session: Session, content: bytes) -> Explored:
    """Match a file to look at the comparisons. Raises a MediaRefused error."""
    return _match(services, cache, session, analyse(services, content), False)


def match_fingerprints(
    services: Services,
    cache: PreviewCache,
    session: Session,
    query: FingerprintQuery,
    *,
    with_evidence: bool,
) -> MatchAnswer:
    """Match without the picture. Raises InvalidFingerprint."""
    values = [(one.value, one.quality, one.orientation) for one in query.fingerprints]
    upload = upload_of_fingerprints(values, query.digest_sha256)
    return _match(services, cache, session, upload, with_evidence).answer


def _match(
    services: Services,
    cache: PreviewCache,
    session: Session,
    upload: Upload,
    with_evidence: bool,
    progress: Progress | None = None,
) -> Explored:
    services.index.catch_up(session)
    if upload.video is not None:
        found = sorted(find_in_video(services, cache, session, upload, progress), key=_order)
    else:
        found = [
            Found(candidate, judgement)
            for candidate in find_candidates(services, cache, session, upload)
            if (judgement := judge(candidate.measured, services.thresholds)) is not None
        ]
        found = _described(services, upload, sorted(found, key=_order)[:MAXIMUM_MATCHES])
    facts = _facts(session, found)
    matches = tuple(_match_of(services, session, one, facts, with_evidence) for one in found)
    searched = freshness(services, session)
    answer = MatchAnswer(
        answered_at=now(),
        computed=_computed(upload),
        verdict=conclude(
            [_judged(match) for match in matches],
            upload.insufficient_detail,
            is_empty=not searched.records_searched,
        ),
        matches=matches,
        index=searched,
    )
    derivations = {one.candidate.record.id: one.derivation for one in found if one.derivation}
    return Explored(services.signer.signed(answer), derivations)


def _order(found: Found) -> tuple[int, bool, float]:
    """The stronger first; of two as strong, the one that differs in size and colours only."""
    strength = STRENGTH_ORDER.index(found.judgement.strength)
    return strength, found.changes_content, -found.judgement.confidence


def _described(services: Services, upload: Upload, found: list[Found]) -> list[Found]:
    """The first, and known fakes among the rest, with what was changed; in their new order.

    Whoever posts an original posts a near copy of every fake that was made from it: only the comparison
    tells them apart.
    """
    fakes = [one for one in found if one.candidate.record.asset_class == AssetClass.KNOWN_FAKE]
    looked_at = {id(one) for one in (*found[:DESCRIBED_MATCHES], *fakes[:DESCRIBED_MATCHES])}
    described = [_describe(services, upload, one) if id(one) in looked_at else one for one in found]
    return sorted(described, key=_order)


def _describe(services: Services, upload: Upload, found: Found) -> Found:
    judgement = found.judgement
    if judgement.relation in (MatchRelation.SAME_FILE, MatchRelation.POSSIBLY_RELATED):
        return found
    derivation = derivation_of(services, upload, found.candidate)
    operations = operations_of(services, upload, found.candidate, derivation)
    return replace(
        found,
        judgement=described(judgement, operations),
        operations=tuple(operations),
        uncertain=uncertain_of(services, derivation),
        changes_content=changes_content(operations),
        derivation=derivation,
        where=moment_in_words(found.candidate),
    )


def _facts(session: Session, found: list[Found]) -> dict[str, RecordSummary]:
    """Summaries of the matched records and of the records that they were declared to come from."""
    facts = summaries_of(session, [one.candidate.record for one in found])
    sources = sources_of(session, facts.values())
    return facts | summaries_of(session, sources)


def _match_of(
    services: Services,
    session: Session,
    found: Found,
    facts: dict[str, RecordSummary],
    with_evidence: bool,
) -> Match:
    candidate, judgement = found.candidate, found.judgement
    record, measured = facts[candidate.record.id], candidate.measured
    operations = list(found.operations)
    try:
        receipt = receipt_of(session, services.log, candidate.record)
    except RecordErased:
        receipt = None
    return Match(
        record=record,
        made_from=tuple(
            facts[source.target] for source in record.declared_sources if source.target in facts
        ),
        relation=judgement.relation,
        strength=judgement.strength,
        operations=tuple(wire_operation(one, with_evidence=with_evidence) for one in operations),
        segments=segments_of(found, with_evidence=with_evidence),
        uncertain=found.uncertain,
        verified=is_verified(measured, services.thresholds),
        explanation=explain(
            services, record, judgement, operations, found.uncertain, candidate, found.where
        ),
        receipt=receipt,
        evidence=_evidence(candidate, judgement) if with_evidence else None,
    )


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
        disputed=bool(record.disputed_with),
        strength=match.strength,
        relation=match.relation,
        label=record.label,
        publisher_name=record.publisher_name,
        operations=tuple(one.type for one in match.operations),
        made_from=match.made_from[0].label if match.made_from else None,
        is_video=record.duration_s is not None,
    )


def _computed(upload: Upload) -> Computed:
    width, height = upload.size
    return Computed(
        digest_sha256=upload.digest_sha256,
        kinds=tuple(dict.fromkeys(one.kind for one in upload.fingerprints)),
        quality=upload.quality,
        media_type=upload.media_type,
        width=width,
        height=height,
        duration_s=None if upload.duration_ms is None else upload.duration_ms / 1000,
        note=_note(upload),
    )


def _note(upload: Upload) -> str | None:
    damage = upload.video.notes if upload.video else ()
    reasons = [upload.insufficient_detail] if upload.insufficient_detail else []
    return "; ".join((*reasons, *damage)) or None


def freshness(services: Services, session: Session) -> Freshness:
    """How current the index is against what this request sees."""
    state, head = services.index.state(session), head_of(session)
    return Freshness(
        records_searched=head.active_records,
        position=state.position,
        lag=state.lag,
        checkpoint_size=head.size,
    )
