"""Geometric verification: candidates are compared with the upload, picture by picture.

It measures; what the measurements amount to is said by `evidence_rules`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sqlalchemy import tuple_
from sqlmodel import col, select

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.dense import dense_agreement
from indexer.compare.features import LocalFeatures, extract_features_in
from indexer.compare.framing import restrict_to_frame, restrict_to_region
from indexer.compare.geometry import align
from indexer.compare.layout import content_agreement
from indexer.compare.pair import agreement_outside_faces
from indexer.fingerprints.regions import Region, inner_rectangles, tiles
from indexer.media.images import Pixels
from registry.match.candidates import BY_NAME, Candidate, RetrievedRecord, candidate_of
from registry.match.evidence_rules import (
    agreement,
    is_verified,
    may_be_different_capture,
    may_be_verified,
    may_show_other_content,
    shows_other_content,
)
from registry.match.fingerprint_evidence import with_fingerprints
from registry.match.retrieval import QueryPart, retrieve_by_parts
from registry.media.previews import picture_of
from registry.media.uploads import Upload
from registry.services import RequestContext
from registry.storage.models import Fingerprint


@dataclass(frozen=True)
class RegionProposals:
    """Parts of an upload to ask about in a second pass, when the whole of it confirms nothing."""

    name: str
    propose: Callable[[Pixels], list[Region]]
    own_features: bool  # local features read within each part, or those of the whole


# A small picture inside the picture has too few features of its own at the size of the whole. Tiles only
# retrieve: features of their own found nothing more on the development set.
SECOND_PASSES = (
    RegionProposals("inner_rectangle", inner_rectangles, own_features=True),
    RegionProposals("tile", tiles, own_features=False),
)


def verify_candidates(
    context: RequestContext, upload: Upload, retrieved: list[RetrievedRecord], *, second_pass: bool = True
) -> list[Candidate]:
    """Compares a still upload with the records that were retrieved for it.

    The full frame comes first. Only while it confirms nothing, parts of it are asked about too: pictures
    inside the picture (a screenshot, a meme, a collage), then tiles. Cost and gain: docs/quality.md.
    """
    candidates = measure_candidates(context, upload, retrieved)
    found = {
        candidate.record.id: verify_candidate(context, upload, candidate, upload.features)
        for candidate in candidates
    }
    features = _FeaturesOfParts(upload)
    for proposals in SECOND_PASSES if second_pass else ():
        if upload.image is None or upload.insufficient_detail or _any_confirmed(context, found.values()):
            break
        for candidate in _propose(context, upload, proposals):
            known = found.get(candidate.record.id)
            if known is not None and not proposals.own_features:
                continue  # it would be compared as before
            if known is not None and shows_other_content(known.evidence, context.thresholds):
                continue  # the head of a form is the same on all of them
            part = candidate.region if proposals.own_features else None
            verified = verify_candidate(context, upload, candidate, features.of(part), part)
            if known is None or _evidence_weight(context, verified) > _evidence_weight(context, known):
                found[candidate.record.id] = verified
    return list(found.values())


def _propose(context: RequestContext, upload: Upload, proposals: RegionProposals) -> list[Candidate]:
    assert upload.image is not None
    pixels = upload.image.pixels
    parts = [
        QueryPart(0, region.cut(pixels), proposals.name, region) for region in proposals.propose(pixels)
    ]
    return measure_candidates(context, upload, retrieve_by_parts(context, upload, parts))


def _any_confirmed(context: RequestContext, candidates: Iterable[Candidate]) -> bool:
    limits = context.thresholds
    return any(
        candidate.evidence.same_digest
        or (
            agreement(candidate.evidence, limits) >= limits.inliers_strong
            and is_verified(candidate.evidence, limits)
        )
        for candidate in candidates
        if candidate.found_by != (BY_NAME,)  # what was named must not hide what a search would find
    )


def _evidence_weight(context: RequestContext, candidate: Candidate) -> tuple[bool, float]:
    """Orders two comparisons of one record."""
    limits = context.thresholds
    return is_verified(candidate.evidence, limits), agreement(candidate.evidence, limits)


class _FeaturesOfParts:
    """Local features of parts of one upload, each looked at once, in the upload's own coordinates."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._known: dict[Region, LocalFeatures] = {}

    def of(self, region: Region | None) -> LocalFeatures | None:
        if region is None or self._upload.image is None:
            return self._upload.features
        if region not in self._known:
            self._known[region] = extract_features_in(self._upload.image.pixels, region)
        return self._known[region]


def measure_candidates(
    context: RequestContext, upload: Upload, retrieved: list[RetrievedRecord]
) -> list[Candidate]:
    """The nearest frame of each record, measured by every kind; all their rows come by one query."""
    candidates = [candidate_of(record) for record in retrieved]
    if not candidates:
        return []
    frames = [(candidate.record.id, candidate.time_ms) for candidate in candidates]
    stored = context.session.exec(
        select(Fingerprint).where(
            tuple_(col(Fingerprint.record_id), col(Fingerprint.time_ms)).in_(frames),
            col(Fingerprint.orientation) == 0,
        )
    )
    by_frame: dict[tuple[str, int], list[Fingerprint]] = {}
    for row in stored:
        by_frame.setdefault((row.record_id, row.time_ms), []).append(row)
    return [
        replace(
            candidate,
            evidence=with_fingerprints(candidate.evidence, upload.fingerprints, by_frame.get(frame, [])),
        )
        for candidate, frame in zip(candidates, frames, strict=True)
    ]


def verify_candidate(
    context: RequestContext,
    upload: Upload,
    candidate: Candidate,
    features: LocalFeatures | None,
    part: Region | None = None,
) -> Candidate:
    """Aligns the upload with the candidate's preview, where one is kept, and compares them in place.

    `features`: those of the upload, or of the `part` of it that is compared.
    """
    picture = picture_of(candidate.record, candidate.time_ms)
    if features is None or picture is None:
        return candidate
    reference = context.previews.features(picture)
    if reference is None:
        return candidate
    alignment = align(features, reference)
    evidence = replace(candidate.evidence, compared=True)
    if alignment is not None:
        evidence = replace(
            evidence,
            inliers=alignment.inliers,
            pairs=alignment.pairs,
            query_coverage=alignment.query_coverage,
            reference_coverage=alignment.reference_coverage,
            spread=alignment.spread,
            is_mirrored=alignment.is_mirrored,
        )
        alignment = alignment if part is None else restrict_to_region(part, alignment, reference)
    return compare_in_place(context, upload, replace(candidate, evidence=evidence, alignment=alignment))


def compare_in_place(context: RequestContext, upload: Upload, candidate: Candidate) -> Candidate:
    """Warps the upload onto a reference that some geometry joins it with: a copy or a different capture?"""
    alignment = candidate.alignment
    picture = picture_of(candidate.record, candidate.time_ms)
    if alignment is None or picture is None or upload.image is None:
        return candidate
    if not may_be_verified(candidate.evidence, context.thresholds):
        return candidate
    reference = context.previews.pixels(picture)
    if reference is None:
        return candidate
    pair = restrict_to_frame(AlignedPair(upload.image.pixels, reference, alignment))
    evidence = replace(candidate.evidence, dense=dense_agreement(pair))
    if context.faces_not_compared is None and may_be_different_capture(evidence, context.thresholds):
        evidence = replace(evidence, outside_faces=agreement_outside_faces(pair))
    if may_show_other_content(evidence, context.thresholds):
        evidence = replace(evidence, content=content_agreement(pair))
    if not is_verified(evidence, context.thresholds):
        pair.release()  # nobody will look closer
    return replace(candidate, evidence=evidence, alignment=pair.alignment, pair=pair)
