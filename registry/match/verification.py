"""Geometric verification: candidates are compared with the upload, picture by picture.

It measures; what the measurements amount to is said by `evidence_rules`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.coarse import coarse_agreement
from indexer.compare.dense import dense_agreement, is_inverted
from indexer.compare.features import LocalFeatures
from indexer.compare.framing import restrict_to_frame, restrict_to_region
from indexer.compare.geometry import align
from indexer.compare.layout import content_agreement
from indexer.compare.pair import agreement_outside_faces
from indexer.fingerprints.kinds import Fingerprint
from indexer.fingerprints.regions import Region, inner_rectangles, tiles
from indexer.media.images import Pixels
from registry.match.candidates import BY_NAME, RECTANGLE, TILE, Candidate, RetrievedRecord, candidate_of
from registry.match.counter_evidence import shows_other_content
from registry.match.evidence_rules import (
    agreement,
    is_verified,
    may_be_different_capture,
    may_be_verified,
    may_show_other_content,
    rests_on_pdq,
)
from registry.match.fingerprint_evidence import with_fingerprints
from registry.match.quick_check import QueryFeatures, may_be_aligned
from registry.match.retrieval import QueryPart, retrieve_by_parts
from registry.match.second_look import (
    CANDIDATES,
    joined_by,
    look_again,
    may_be_joined_otherwise,
    straightened,
)
from registry.media.previews import Picture, picture_of
from registry.media.uploads import Upload
from registry.services import RequestContext
from registry.storage.db import release
from registry.storage.direct import execute
from registry.storage.models import Record
from sdk.models import Effort

# Screenshots have other rectangles that are clearer; an ordinary photograph seldom has more than three.
RECTANGLES = 6
# What is registered of frames, upright.
_OF_FRAMES = """
    SELECT stored.record_id, stored.time_ms, stored.kind, stored.value
    FROM unnest(%(records)s::text[], %(times)s::bigint[]) AS frame (record_id, time_ms)
    JOIN fingerprint stored USING (record_id, time_ms)
    WHERE stored.orientation = 0
    ORDER BY stored.id
"""
NEGATIVE = "negative"  # how a record was found: by the upload with light and dark exchanged


def verify_candidates(
    context: RequestContext, upload: Upload, retrieved: list[RetrievedRecord], *, only: Record | None = None
) -> list[Candidate]:
    """Compares a still upload with the records that were retrieved for it.

    The full frame comes first. Only while it confirms nothing, parts of it are asked about too: pictures
    inside the picture (a screenshot, a meme, a collage), then tiles. Cost and gain: docs/quality.md.
    `fast` asks about the full frame only. `only`: what parts find of other records is left out.
    """
    candidates = measure_candidates(context, upload, retrieved)
    whole = QueryFeatures.of(upload)
    found = {
        candidate.record.id: _verify_bent_too(context, upload, candidate, whole) for candidate in candidates
    }
    if upload.image is None or upload.insufficient_detail:
        return list(found.values())
    again = partial(look_again, context, upload, whole, compare=partial(compare_in_place, context, upload))
    is_settled = partial(_any_confirmed, context, found.values(), or_named=only is not None)
    if not is_settled():
        _keep_better(context, found, again(list(found.values())))
    if not is_settled():
        _keep_better(context, found, _as_negative(context, upload, whole, found, only))
    if context.effort is Effort.FAST:
        return list(found.values())
    if is_settled():
        return list(found.values())
    of_parts: dict[Region, QueryFeatures] = {}
    proposed = _propose(context, upload, only)
    for candidate in sorted(proposed, key=lambda one: RECTANGLE not in one.found_by):
        part = candidate.region if RECTANGLE in candidate.found_by else None
        if part is None and is_settled():
            break
        known = found.get(candidate.record.id)
        if known is not None and part is None:
            continue  # it would be compared as before
        if known is not None and shows_other_content(known.evidence, context.thresholds):
            continue  # the head of a form is the same on all of them
        features = whole if part is None else of_parts.setdefault(part, whole.in_region(upload, part))
        _keep_better(context, found, [_verify(context, upload, candidate, features, part)])
    if not is_settled():
        _keep_better(context, found, again(_not_settled(context, found, proposed)))
    return list(found.values())


def _not_settled(
    context: RequestContext, found: dict[str, Candidate], proposed: list[Candidate]
) -> list[Candidate]:
    """Those of which many features have not yet said that they are another shot or show other content."""
    return [
        candidate
        for candidate in proposed
        if (known := found.get(candidate.record.id)) is None
        or may_be_joined_otherwise(known.evidence, context.thresholds)
    ]


def _keep_better(
    context: RequestContext, found: dict[str, Candidate], compared: Iterable[Candidate]
) -> None:
    """Takes over each comparison that says more than the one that is known of its record."""
    for candidate in compared:
        known = found.get(candidate.record.id)
        if known is None or _evidence_weight(context, candidate) > _evidence_weight(context, known):
            found[candidate.record.id] = candidate


def _as_negative(
    context: RequestContext,
    upload: Upload,
    whole: QueryFeatures,
    found: dict[str, Candidate],
    only: Record | None,
) -> Iterator[Candidate]:
    """Asks about the upload with light and dark exchanged: a negative is near to nothing else."""
    assert upload.image is not None
    parts = [QueryPart(0, 255 - upload.image.pixels, NEGATIVE)]
    features = whole.of_either_polarity()
    proposed = _found_by_parts(context, upload, parts, only)
    for candidate in _not_settled(context, found, proposed)[:CANDIDATES]:
        yield _verify(context, upload, candidate, features)


def _propose(context: RequestContext, upload: Upload, only: Record | None) -> list[Candidate]:
    """What pictures inside the picture and tiles of it find, by one search.

    Rectangles are cut out: pooled from one look at the whole, as tiles are, they find less.
    """
    assert upload.image is not None
    pixels = upload.image.pixels
    rectangles = inner_rectangles(pixels, RECTANGLES)
    parts = [QueryPart(0, region.cut(pixels), RECTANGLE, region) for region in rectangles]
    parts += [QueryPart(0, pixels, TILE, region, is_window=True) for region in tiles(pixels)]
    return _found_by_parts(context, upload, parts, only)


def _found_by_parts(
    context: RequestContext, upload: Upload, parts: Sequence[QueryPart], only: Record | None
) -> list[Candidate]:
    found = retrieve_by_parts(context, upload, parts)
    wanted = [one for one in found if only is None or one.record.id == only.id]
    return measure_candidates(context, upload, wanted)


def _any_confirmed(
    context: RequestContext, candidates: Iterable[Candidate], *, or_named: bool = False
) -> bool:
    limits = context.thresholds
    return any(
        candidate.evidence.same_digest
        or (
            (
                candidate.evidence.by_windows
                or agreement(candidate.evidence, limits) >= limits.inliers_strong
            )
            and is_verified(candidate.evidence, limits)
        )
        for candidate in candidates
        # What was named must not hide what a search would find.
        if or_named or candidate.found_by != (BY_NAME,)
    )


def _evidence_weight(context: RequestContext, candidate: Candidate) -> tuple[bool, float]:
    """Orders two comparisons of one record."""
    limits = context.thresholds
    return is_verified(candidate.evidence, limits), agreement(candidate.evidence, limits)


def measure_candidates(
    context: RequestContext, upload: Upload, retrieved: list[RetrievedRecord]
) -> list[Candidate]:
    """The nearest frame of each record, measured by every kind; all their rows come by one query."""
    candidates = [candidate_of(record) for record in retrieved]
    if not candidates:
        return []
    frames = [(candidate.record.id, candidate.time_ms) for candidate in candidates]
    records, times = zip(*frames, strict=True)
    stored = execute(context.session, _OF_FRAMES, {"records": list(records), "times": list(times)})
    by_frame: dict[tuple[str, int], list[Fingerprint]] = {}
    for record_id, time_ms, kind, value in stored:
        by_frame.setdefault((record_id, time_ms), []).append(Fingerprint(kind, value))
    release(context.session)  # what follows decodes and compares pictures
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
    if alignment is None:
        candidate = replace(candidate, evidence=replace(candidate.evidence, compared=True))
    else:
        alignment = alignment if part is None else restrict_to_region(part, alignment, reference)
        candidate = compare_in_place(context, upload, joined_by(candidate, alignment))
    if not rests_on_pdq(candidate.evidence, context.thresholds):
        return candidate
    return _with_coarse_agreement(context, upload, candidate, picture)


def _with_coarse_agreement(
    context: RequestContext, upload: Upload, candidate: Candidate, picture: Picture
) -> Candidate:
    """Compares both whole pictures at PDQ's own size: whether they look as alike as their values say."""
    if upload.image is None:
        return candidate
    reference = context.previews.pixels(picture)
    if reference is None:
        return candidate
    evidence = candidate.evidence
    coarse = coarse_agreement(upload.image.pixels, reference, evidence.pdq_orientation)
    return replace(candidate, evidence=replace(evidence, coarse=coarse))


def _verify(
    context: RequestContext,
    upload: Upload,
    candidate: Candidate,
    features: QueryFeatures,
    part: Region | None = None,
) -> Candidate:
    """Aligns and compares a candidate, if a quick check leaves it a chance."""
    if not may_be_aligned(context, features, candidate):
        return replace(candidate, evidence=replace(candidate.evidence, compared=True))
    return verify_candidate(context, upload, candidate, features.full, part)


def _verify_bent_too(
    context: RequestContext, upload: Upload, candidate: Candidate, whole: QueryFeatures
) -> Candidate:
    """Compares the whole upload as it is; where that does not confirm it, made straight, if it was bent."""
    verified = _verify(context, upload, candidate, whole)
    return straightened(context, upload, verified, partial(compare_in_place, context, upload))


def compare_in_place(
    context: RequestContext, upload: Upload, candidate: Candidate, straight: Pixels | None = None
) -> Candidate:
    """Warps the upload onto a reference that some geometry joins it with: a copy or a different capture?

    `straight`: (h, w, 3) uint8 of the upload without its bend, if the alignment is that of it.
    """
    alignment = candidate.alignment
    picture = picture_of(candidate.record, candidate.time_ms)
    if alignment is None or picture is None or upload.image is None:
        return candidate
    if not may_be_verified(candidate.evidence, context.thresholds):
        return candidate
    reference = context.previews.pixels(picture)
    if reference is None:
        return candidate
    pair = AlignedPair(upload.image.pixels if straight is None else straight, reference, alignment)
    pair = restrict_to_frame(pair.inverted() if is_inverted(pair) else pair)
    evidence = replace(candidate.evidence, dense=dense_agreement(pair))
    if context.faces_not_compared is None and may_be_different_capture(evidence, context.thresholds):
        evidence = replace(evidence, outside_faces=agreement_outside_faces(pair))
    if may_show_other_content(evidence, context.thresholds):
        evidence = replace(evidence, content=content_agreement(pair))
    if not is_verified(evidence, context.thresholds):
        pair.release()  # nobody will look closer
    return replace(candidate, evidence=evidence, alignment=pair.alignment, pair=pair)
