"""A second look at the likeliest candidates, where the features of the upload confirmed none.

A blur, noise or a pattern leaves no feature; a negative turns every gradient round. Three other ways join
the two pictures: whole on whole as PDQ says, features of either polarity, features of coarse copies. What
a way without proper features found is believed only where the pictures then agree window by window. Before
that, an upload that was bent is made straight: features confirm a part of it, and windows deny the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from indexer.compare.bending import unbend
from indexer.compare.features import (
    LocalFeatures,
    extract_coarse_features,
    extract_coarse_features_in,
    of_either_polarity,
)
from indexer.compare.framing import restrict_to_region
from indexer.compare.geometry import Alignment, align
from indexer.compare.whole_on_whole import whole_on_whole
from indexer.media.images import Pixels
from registry.match.candidates import Candidate
from registry.match.counter_evidence import is_different_capture, shows_other_content
from registry.match.evidence_rules import agreement, is_verified, is_verified_straight
from registry.match.match_evidence import MatchEvidence
from registry.match.quick_check import QueryFeatures, is_worth_another_way
from registry.media.previews import picture_of
from registry.media.uploads import Upload
from registry.services import RequestContext
from registry.thresholds import Thresholds

CANDIDATES = 3  # each costs a decoded preview, a coarse extraction and two matchings more

Compare = Callable[[Candidate], Candidate]  # lays the upload on a candidate that has an alignment


def look_again(
    context: RequestContext,
    upload: Upload,
    whole: QueryFeatures,
    candidates: Sequence[Candidate],
    compare: Compare,
) -> Iterator[Candidate]:
    """Those of the first candidates that another way of joining the pictures confirms.

    `whole`: the features of the upload. A candidate that was found by a part of it is compared with that
    part.
    """
    image = upload.image
    if image is None:
        return
    for candidate in candidates[:CANDIDATES]:
        picture = picture_of(candidate.record, candidate.time_ms)
        if picture is None or not may_be_joined_otherwise(candidate.evidence, context.thresholds):
            continue
        if not is_worth_another_way(context, whole, candidate):
            continue
        query = upload.features
        if query is None:
            continue
        reference, features = context.previews.pixels(picture), context.previews.features(picture)
        if reference is None or features is None:
            continue
        for joined in _joined_otherwise(context, candidate, image.pixels, query, reference, features):
            compared = compare(joined)
            if is_verified(compared.evidence, context.thresholds):
                yield compared
                break


def straightened(
    context: RequestContext,
    upload: Upload,
    candidate: Candidate,
    compare: Callable[[Candidate, Pixels], Candidate],
) -> Candidate:
    """The candidate as the upload confirms it once it is made straight; as it was, where it does not.

    Places in the upload are then those of the straightened one.
    """
    picture, pair = picture_of(candidate.record, candidate.time_ms), candidate.pair
    image, alignment = upload.image, candidate.alignment
    if picture is None or pair is None or image is None or alignment is None:
        return candidate  # too few features agree for a second comparison
    if is_verified(candidate.evidence, context.thresholds):
        return candidate
    query, features = upload.features, context.previews.features(picture)
    if query is None or features is None:
        return candidate
    unbent = unbend(query, features, alignment)
    if unbent is None:
        return candidate
    straight, bend = unbent
    compared = compare(joined_by(candidate, straight), bend.straightened(image.pixels))
    return compared if is_verified_straight(compared.evidence, context.thresholds) else candidate


def may_be_joined_otherwise(evidence: MatchEvidence, limits: Thresholds) -> bool:
    """Whether it is not confirmed, and not another shot by so many features that they know what moved."""
    if is_verified(evidence, limits) or shows_other_content(evidence, limits):
        return False
    by_many_features = agreement(evidence, limits) >= limits.inliers_strong
    return not (by_many_features and is_different_capture(evidence, limits))


def _joined_otherwise(
    context: RequestContext,
    candidate: Candidate,
    pixels: Pixels,
    query: LocalFeatures,
    reference: Pixels,
    features: LocalFeatures,
) -> Iterator[Candidate]:
    """The candidate by every other alignment that there is, those that cost least first."""
    if candidate.region is None:
        size, reference_size = (query.width, query.height), (features.width, features.height)
        whole = whole_on_whole(size, reference_size, _orientation(candidate.evidence, context.thresholds))
        if whole is not None:
            yield joined_by(candidate, whole, by_windows=True)
    either = align(of_either_polarity(query), features)
    if either is not None:
        yield joined_by(candidate, either)
    part = candidate.region
    coarse_query = (
        extract_coarse_features(pixels) if part is None else extract_coarse_features_in(pixels, part)
    )
    coarse = align(coarse_query, extract_coarse_features(reference))
    if coarse is not None:
        coarse = coarse if part is None else restrict_to_region(part, coarse, features)
        yield joined_by(candidate, coarse, by_windows=True)


def _orientation(evidence: MatchEvidence, limits: Thresholds) -> int:
    """That which PDQ names, where it is near enough to say anything; else upright."""
    distance = evidence.pdq_distance
    near = distance is not None and distance <= limits.pdq_candidate_bits
    return evidence.pdq_orientation if near else 0


def joined_by(candidate: Candidate, alignment: Alignment, *, by_windows: bool = False) -> Candidate:
    """The candidate with what an alignment says; nothing was laid in place yet."""
    evidence = replace(
        candidate.evidence,
        compared=True,
        inliers=alignment.inliers,
        pairs=alignment.pairs,
        places=alignment.places,
        query_coverage=alignment.query_coverage,
        reference_coverage=alignment.reference_coverage,
        spread=alignment.spread,
        is_mirrored=alignment.is_mirrored,
        by_windows=by_windows,
        dense=None,
        outside_faces=None,
        content=None,
    )
    return replace(candidate, evidence=evidence, alignment=alignment, pair=None)
