"""From an upload to measured comparisons: records are nominated, then the pictures are compared."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from sqlmodel import Session

from indexer.compare.features import LocalFeatures, extract_features_in
from indexer.compare.geometry import align
from indexer.fingerprints.regions import Region, inner_rectangles, tiles
from indexer.media.images import Pixels
from registry.nomination import Candidate, nominate, nominate_within
from registry.previews import FeatureCache
from registry.rules import agreement
from registry.services import Services, Upload

CLOSER_LOOKS: tuple[tuple[str, Callable[[Pixels], list[Region]]], ...] = (
    ("inner rectangle", inner_rectangles),
    ("tile", tiles),
)


def find_candidates(
    services: Services, cache: FeatureCache, session: Session, upload: Upload
) -> list[Candidate]:
    """Nominate, check against the database, compare the pictures; not yet judged.

    The full frame comes first. Only while it confirms nothing, parts of it are asked too: pictures inside
    the picture (a screenshot, a meme, a collage), then tiles. Cost and gain: docs/quality.md.
    """
    candidates = nominate(services, session, upload)
    found = {one.record.id: _compare(services, cache, one, upload.features) for one in candidates}
    for name, look in CLOSER_LOOKS:
        if upload.image is None or upload.too_plain or _any_confirmed(services, found.values()):
            break
        pixels, features = upload.image.pixels, _FeaturesOfParts(upload)
        for one in nominate_within(services, session, upload, look(pixels), name):
            compared = _compare(services, cache, one, features.of(one.region))
            known = found.get(one.record.id)
            if known is None or _agreement(services, compared) > _agreement(services, known):
                found[one.record.id] = compared
    return list(found.values())


def _any_confirmed(services: Services, candidates: Iterable[Candidate]) -> bool:
    strong = services.thresholds.inliers_strong
    return any(one.measured.same_digest or _agreement(services, one) >= strong for one in candidates)


def _agreement(services: Services, candidate: Candidate) -> float:
    return agreement(candidate.measured, services.thresholds)


class _FeaturesOfParts:
    """Local features of parts of one upload, each looked at once, in the upload's own coordinates."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._seen: dict[Region | None, LocalFeatures | None] = {None: upload.features}

    def of(self, region: Region | None) -> LocalFeatures | None:
        if region not in self._seen and region is not None and self._upload.image is not None:
            self._seen[region] = extract_features_in(self._upload.image.pixels, region)
        return self._seen[region]


def _compare(
    services: Services, cache: FeatureCache, candidate: Candidate, features: LocalFeatures | None
) -> Candidate:
    key = candidate.record.preview_key
    if features is None or key is None:
        return candidate
    reference = cache.of(services, key)
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
    return replace(candidate, measured=measured, alignment=alignment)
