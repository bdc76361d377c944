"""Wire types out of matches: the only place that builds what is answered about an upload."""

from collections.abc import Iterable
from dataclasses import dataclass

from indexer.compare.dense import DenseAgreement
from indexer.compare.derivation import Derivation
from indexer.compare.vocabulary import Operation as DetectedOperation
from indexer.fingerprints.pdq import ORIENTATIONS
from indexer.operations import OPERATIONS
from registry.errors import NotCosigned, RecordErased
from registry.match.alterations import alterations_shown, copies_of_fakes, earlier_claims
from registry.match.candidates import Candidate
from registry.match.evidence_rules import MatchAssessment, is_verified
from registry.match.explanation import explain
from registry.match.fact_finding import facts_of
from registry.match.facts import MatchFacts
from registry.match.matched import MatchedRecord, MatchedSegment
from registry.match.matching import find_matches, worth_an_answer
from registry.match.pages import page_to_answer
from registry.match.sentences import summary_of_match
from registry.match.verdicts import conclude
from registry.media.uploads import Progress, Upload
from registry.records.reading import receipt_of, sources_of, summaries_of
from registry.services import RequestContext
from registry.storage.direct import fetch_one
from registry.storage.models import Record
from registry.storage.models.columns import now
from sdk.answers import answer_digest
from sdk.models import (
    Comparison,
    Computed,
    Effort,
    Evidence,
    Freshness,
    Match,
    MatchAnswer,
    Operation,
    Receipt,
    RecordSummary,
    Region,
    Segment,
)

NOT_RELATED = "No common picture was found: features and windows of the two do not agree."
NOT_RELATED_BY_FINGERPRINTS = (
    "Only fingerprints were compared, since no picture of the record is kept here: they do not agree."
)
# The newest index change, the active records, and the size of the published checkpoint.
_SEEN = """
    SELECT (SELECT max(seq) FROM index_change), head.active_records,
        CASE WHEN %(witnessed)s THEN (SELECT size FROM witnessed_checkpoint) ELSE head.size END
    FROM log_head head
"""


@dataclass(frozen=True)
class Answered:
    """An answer, and the comparisons behind it, which are shown and then forgotten."""

    answer: MatchAnswer
    derivations: dict[str, Derivation]  # by record
    facts: dict[str, MatchFacts]  # by record, what the verdict was drawn from
    digest: str  # the answer's `answer_digest`


def answer_about(
    context: RequestContext, upload: Upload, *, with_evidence: bool, progress: Progress | None = None
) -> Answered:
    """Which registered assets an upload comes from, what was done, and what that means; signed.

    `with_evidence`: whether the caller may see the numbers.
    """
    upload = page_to_answer(context, upload)
    matches = worth_an_answer(find_matches(context, upload, progress=progress))
    summaries = summaries_for(context, matches)
    alterations = alterations_shown(context, matches, summaries)
    copies, earlier = copies_of_fakes(context, matches), earlier_claims(context, matches, summaries)
    facts = {
        match.record.id: facts_of(
            context,
            upload,
            match,
            summaries,
            alterations.get(match.record.id),
            is_copy_of_fake=match.record.id in copies,
            is_earlier_claim=match.record.id in earlier,
        )
        for match in matches
    }
    searched = freshness(context)
    concluded = conclude(
        list(facts.values()), upload.insufficient_detail, is_empty=not searched.records_searched
    )
    by_id = {match.record.id: match for match in matches}
    leading = [name for family in concluded.families for name in family.records]
    answer = MatchAnswer(
        answered_at=now(),
        computed=_computed(upload, context.effort),
        verdict=concluded.verdict,
        matches=tuple(
            wire_match(context, by_id[name], facts[name], summaries, with_evidence=with_evidence)
            for name in dict.fromkeys((*leading, *by_id))
        ),
        families=concluded.families,
        index=searched,
    )
    derivations = {match.record.id: match.derivation for match in matches if match.derivation}
    context.signer.refresh(context.session)
    digest = answer_digest(answer)
    return Answered(context.signer.signed(answer, digest), derivations, facts, digest)


def wire_match(
    context: RequestContext,
    match: MatchedRecord,
    facts: MatchFacts,
    summaries: dict[str, RecordSummary],
    *,
    with_evidence: bool,
) -> Match:
    """One match; `summaries` of its record and of the records that it was declared to come from."""
    record = summaries[match.record.id]
    sources = (summaries.get(source) for source in sorted(facts.source_ids))
    return Match(
        record=record,
        made_from=tuple(source for source in sources if source is not None),
        relation=match.assessment.relation,
        direction=match.direction,
        direction_reason=match.direction_reason,
        strength=match.assessment.strength,
        severity=facts.severity,
        alteration=facts.alteration,
        summary=summary_of_match(facts),
        operations=_wire_operations(match.operations, with_evidence=with_evidence),
        segments=wire_segments(match, with_evidence=with_evidence),
        uncertain=match.uncertain,
        verified=is_verified(match.candidate.evidence, context.thresholds),
        explanation=explain(match, facts, context.thresholds),
        receipt=_receipt(context, match.record),
        evidence=_wire_evidence(match.candidate, match.assessment) if with_evidence else None,
    )


def wire_comparison(
    context: RequestContext,
    upload: Upload,
    record: RecordSummary,
    match: MatchedRecord | None,
    change_map: bytes | None,
    *,
    is_picture_kept: bool,
    with_evidence: bool,
) -> Comparison:
    """An upload beside one record; `match` None: nothing that the two have in common was found."""
    if match is None:
        return Comparison(
            record=record,
            digest_sha256=upload.digest_sha256 or "",
            relation=None,
            strength=None,
            operations=(),
            uncertain=(),
            verified=False,
            explanation=NOT_RELATED if is_picture_kept else NOT_RELATED_BY_FINGERPRINTS,
            change_map=change_map,
        )
    summaries = {record.id: record}
    alteration = alterations_shown(context, [match], summaries).get(record.id)
    facts = facts_of(context, upload, match, summaries, alteration)
    return Comparison(
        record=record,
        digest_sha256=upload.digest_sha256 or "",
        relation=match.assessment.relation,
        direction=match.direction,
        direction_reason=match.direction_reason,
        strength=match.assessment.strength,
        severity=facts.severity,
        alteration=alteration,
        verified=is_verified(match.candidate.evidence, context.thresholds),
        operations=_wire_operations(match.operations, with_evidence=with_evidence),
        segments=wire_segments(match, with_evidence=with_evidence),
        uncertain=match.uncertain,
        explanation=explain(match, facts, context.thresholds),
        change_map=change_map,
    )


def _wire_operations(
    operations: Iterable[DetectedOperation], *, with_evidence: bool
) -> tuple[Operation, ...]:
    return tuple(wire_operation(operation, with_evidence=with_evidence) for operation in operations)


def wire_operation(operation: DetectedOperation, *, with_evidence: bool) -> Operation:
    """With its terms in other vocabularies; numbers only for those who may see them."""
    row = OPERATIONS[operation.type]
    return Operation(
        type=operation.type,
        degree=operation.degree,
        certainty=operation.certainty,
        sentence=operation.sentence,
        c2pa_action=row.c2pa_action,
        digital_source_type=row.digital_source_type,
        media_authenticity=row.media_authenticity,
        region=Region(corners=operation.region) if operation.region else None,
        share=None if operation.share is None else round(operation.share, 6),
        reference_region=(
            Region(corners=operation.reference_region) if operation.reference_region else None
        ),
        factor=operation.factor,
        measured=dict(operation.measured) if with_evidence else {},
    )


def wire_segments(match: MatchedRecord, *, with_evidence: bool) -> tuple[Segment, ...]:
    """Which seconds are which; of a still image that was found in a video the moment that it shows."""
    record = match.record
    if not match.segments and record.duration_ms is not None:
        second = round(match.candidate.time_ms / 1000, 3)
        return (Segment(query=(0.0, 0.0), reference=(second, second), factor=None, operations=()),)
    longest = (record.duration_ms or 0) / 1000
    return tuple(_wire_segment(segment, longest, with_evidence=with_evidence) for segment in match.segments)


def _wire_segment(matched: MatchedSegment, longest: float, *, with_evidence: bool) -> Segment:
    segment = matched.segment
    start, end = (round(min(max(0.0, second), longest), 3) for second in segment.reference)
    return Segment(
        query=(round(segment.start, 3), round(segment.end, 3)),
        reference=(start, end),
        factor=None if matched.of_a_still else round(abs(segment.factor), 4),
        operations=_wire_operations(matched.operations, with_evidence=with_evidence),
        similarity=segment.similarity_profile if with_evidence else (),
    )


def _wire_evidence(candidate: Candidate, assessment: MatchAssessment) -> Evidence:
    evidence = candidate.evidence
    similarity, compared = evidence.descriptor_similarity, evidence.compared
    by_pdq = evidence.pdq_distance is not None
    return Evidence(
        found_by=candidate.found_by,
        pdq_distance=evidence.pdq_distance,
        pdq_orientation=ORIENTATIONS[evidence.pdq_orientation] if by_pdq else None,
        phash_distance=evidence.phash_distance,
        hash_list_distances=dict(evidence.hash_list_distances),
        descriptor_similarity=None if similarity is None else round(similarity, 4),
        descriptor_rate=evidence.descriptor_rate,
        inliers=evidence.inliers if compared else None,
        pairs=evidence.pairs if compared else None,
        spread=round(evidence.spread, 4) if compared else None,
        confidence=round(assessment.confidence, 5),
        **_windows_of(evidence.dense),
    )


def _windows_of(dense: DenseAgreement | None) -> dict[str, float]:
    if dense is None:
        return {}
    wanted = ("agreeing", "disagreeing", "moved", "fine")
    return {name: round(getattr(dense, name), 4) for name in wanted}


def summaries_for(context: RequestContext, matches: list[MatchedRecord]) -> dict[str, RecordSummary]:
    """Summaries of the matched records and of the records that they were declared to come from."""
    matched = summaries_of(context.session, [match.record for match in matches])
    sources = sources_of(context.session, matched.values())
    return matched | summaries_of(context.session, sources)


def _receipt(context: RequestContext, record: Record) -> Receipt | None:
    try:
        return receipt_of(context.session, context.log, record)
    except (RecordErased, NotCosigned):
        return None


def _computed(upload: Upload, effort: Effort) -> Computed:
    width, height = upload.size
    return Computed(
        digest_sha256=upload.digest_sha256,
        kinds=tuple(dict.fromkeys(value.kind for value in upload.fingerprints)),
        quality=upload.quality,
        media_type=upload.media_type,
        width=width,
        height=height,
        duration_s=None if upload.duration_ms is None else upload.duration_ms / 1000,
        effort=effort if upload.image else None,
        note=_note(upload),
    )


def _note(upload: Upload) -> str | None:
    detail = [upload.insufficient_detail] if upload.insufficient_detail else []
    return "; ".join((*detail, *upload.notes)) or None


def freshness(context: RequestContext) -> Freshness:
    """How current the index is against what this request sees."""
    values = {"witnessed": context.log.witnessed}
    newest, active_records, checkpoint_size = fetch_one(context.session, _SEEN, values)
    state = context.index.state(newest or 0)
    return Freshness(
        records_searched=active_records,
        position=state.position,
        lag=state.lag,
        checkpoint_size=checkpoint_size or 0,
    )
