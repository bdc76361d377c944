"""From an upload to measured comparisons: records are nominated, then the pictures are compared."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sqlmodel import Session

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.dense import dense_agreement
from indexer.compare.features import LocalFeatures, extract_features_in
from indexer.compare.framing import restrict_to_frame, restrict_to_region
from indexer.compare.geometry import align
from indexer.compare.pair import agreement_outside_faces
from indexer.fingerprints.regions import Region, inner_rectangles, tiles
from indexer.media.images import Pixels
from registry.match.evidence_rules import agreement, is_verified, may_be_different_capture, may_be_verified
from registry.match.retrieval import Candidate, nominate, nominate_within
from registry.media.previews import PreviewCache, picture_of
from registry.media.uploads import Upload
from registry.services import Services


@dataclass(frozen=True)
class CloserLook:
    """Parts of an upload to ask about when the whole of it confirms nothing."""

    name: str
    parts: Callable[[Pixels], list[Region]]
    own_features: bool  # local features read within each part, or those of the whole


# A small picture inside the picture has too few features of its own at the size of the whole. Tiles only
# nominate: features of their own found nothing more on the development set.
CLOSER_LOOKS = (
    CloserLook("inner rectangle", inner_rectangles, own_features=True),
    CloserLook("tile", tiles, own_features=False),
)


def find_candidates(
    services: Services, cache: PreviewCache, session: Session, upload: Upload
) -> list[Candidate]:
    """Nominate, check against the database, compare the pictures; not yet judged.

    The full frame comes first. Only while it confirms nothing, parts of it are asked too: pictures inside
    the picture (a screenshot, a meme, a collage), then tiles. Cost and gain: docs/quality.md.
    """
    candidates = nominate(services, session, upload)
    found = {
        one.record.id: compare_candidate(services, cache, upload, one, upload.features)
        for one in candidates
    }
    features = _FeaturesOfParts(upload)
    for look in CLOSER_LOOKS:
        if upload.image is None or upload.insufficient_detail or _any_confirmed(services, found.values()):
            break
        parts = look.parts(upload.image.pixels)
        for one in nominate_within(services, session, upload, parts, look.name):
            known = found.get(one.record.id)
            if known is not None and not look.own_features:
                continue  # it would be compared as before
            part = one.region if look.own_features else None
            compared = compare_candidate(services, cache, upload, one, features.of(part), part)
            if known is None or _worth(services, compared) > _worth(services, known):
                found[one.record.id] = compared
    return list(found.values())


def _any_confirmed(services: Services, candidates: Iterable[Candidate]) -> bool:
    strong = services.thresholds.inliers_strong
    return any(
        one.measured.same_digest
        or (_agreement(services, one) >= strong and is_verified(one.measured, services.thresholds))
        for one in candidates
    )


def _agreement(services: Services, candidate: Candidate) -> float:
    return agreement(candidate.measured, services.thresholds)


def _worth(services: Services, candidate: Candidate) -> tuple[bool, float]:
    return is_verified(candidate.measured, services.thresholds), _agreement(services, candidate)


class _FeaturesOfParts:
    """Local features of parts of one upload, each looked at once, in the upload's own coordinates."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._seen: dict[Region | None, LocalFeatures | None] = {None: upload.features}

    def of(self, region: Region | None) -> LocalFeatures | None:
        if region not in self._seen and region is not None and self._upload.image is not None:
            self._seen[region] = extract_features_in(self._upload.image.pixels, region)
        return self._seen[region]


def compare_candidate(
    services: Services,
    cache: PreviewCache,
    upload: Upload,
    candidate: Candidate,
    features: LocalFeatures | None,
    part: Region | None = None,
) -> Candidate:
    """Align the upload with the candidate's preview, where there is one, and compare them.

    `features`: those of the upload, or of the `part` of it that is compared.
    """
    picture = picture_of(candidate.record, candidate.time_ms)
    if features is None or picture is None:
        return candidate
    reference = cache.features(services, picture)
    if reference is None:
        return candidate
    alignment = align(features, reference)
    measured = replace(candidate.measured, compared=True)
    if alignment is not None:
        measured = replace(
            measured,
            inliers=alignment.inliers,
            pairs=alignment.pairs,
            query_coverage=alignment.query_coverage,
            reference_coverage=alignment.reference_coverage,
            spread=alignment.spread,
            is_mirrored=alignment.is_mirrored,
        )
        alignment = alignment if part is None else restrict_to_region(part, alignment, reference)
    compared = replace(candidate, measured=measured, alignment=alignment)
    return _compare_densely(services, cache, upload, compared)


def _compare_densely(
    services: Services, cache: PreviewCache, upload: Upload, candidate: Candidate
) -> Candidate:
    """Warp the upload onto a reference that some geometry joins it with: a copy, or a different capture?"""
    alignment = candidate.alignment
    picture = picture_of(candidate.record, candidate.time_ms)
    if alignment is None or picture is None or upload.image is None:
        return candidate
    if not may_be_verified(candidate.measured, services.thresholds):
        return candidate
    reference = cache.pixels(services, picture)
    if reference is None:
        return candidate
    pair = restrict_to_frame(AlignedPair(upload.image.pixels, reference, alignment))
    measured = replace(candidate.measured, dense=dense_agreement(pair))
    if services.faces_missing is None and may_be_different_capture(measured, services.thresholds):
        measured = replace(measured, outside_faces=agreement_outside_faces(pair))
    if not is_verified(measured, services.thresholds):
        pair.release()  # nobody will look closer
    return replace(candidate, measured=measured, reference=reference, alignment=pair.alignment, pair=pair)
