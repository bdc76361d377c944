"""Which candidates deserve a closer look: most of a stranger's candidates are dismissed here.

A candidate is aligned only where few, cheap features of both pictures agree on some geometry, and joined by
other means than features only where its fingerprints are near. Exempt is what other evidence speaks for:
PDQ within the radius of candidates, the same bytes, a record that the caller named. The setting `effort`
turns both off. What they keep and what they save: docs/performance.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from indexer.compare.features import LocalFeatures, extract_features_in, of_either_polarity
from indexer.compare.lazy import LazyProperty
from indexer.compare.quick_check import QuickFeatures, extract_quick_features, may_show_the_same
from indexer.compare.quick_check import of_either_polarity as quick_of_either_polarity
from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.regions import Region
from registry.match.candidates import Candidate
from registry.media.previews import Picture, picture_of
from registry.media.uploads import Upload
from registry.services import RequestContext
from sdk.models import Effort

LARGE_PART = 0.1  # of the upload's area: enough of its quick features are there


@dataclass(frozen=True)
class QueryFeatures:
    """Features of an upload or of a part of it, each kind extracted when it is first wanted."""

    _quick: Callable[[], QuickFeatures | None]
    _full: Callable[[], LocalFeatures | None]
    _checked: dict[Picture, bool] = field(default_factory=dict)

    @LazyProperty
    def quick(self) -> QuickFeatures | None:
        """Those of the quick check."""
        return self._quick()

    @LazyProperty
    def full(self) -> LocalFeatures | None:
        """Those that pictures are aligned by."""
        return self._full()

    def may_show(self, picture: Picture, reference: QuickFeatures) -> bool:
        """Whether some of it may be some of a registered picture; looked at once for each."""
        if self.quick is None:
            return True
        if picture not in self._checked:
            self._checked[picture] = may_show_the_same(self.quick, reference)
        return self._checked[picture]

    @staticmethod
    def of(upload: Upload) -> "QueryFeatures":
        """Those of the whole upload."""
        return QueryFeatures(lambda: upload.quick_features, lambda: upload.features)

    def in_region(self, upload: Upload, region: Region) -> "QueryFeatures":
        """Those of a part of this whole, read as large as a whole is; full ones in the whole's coordinates.

        A large part has enough quick features in the whole.
        """
        assert upload.image is not None
        pixels = upload.image.pixels

        def full() -> LocalFeatures:
            return extract_features_in(pixels, region)

        if region.area >= LARGE_PART * pixels.shape[0] * pixels.shape[1]:
            return QueryFeatures(lambda: self.quick, full, self._checked)
        return QueryFeatures(lambda: extract_quick_features(region.cut(pixels)), full)

    def of_either_polarity(self) -> "QueryFeatures":
        """The same with those of the picture whose light and dark are exchanged."""
        return QueryFeatures(
            lambda: quick_of_either_polarity(self.quick) if self.quick else None,
            lambda: of_either_polarity(self.full) if self.full else None,
        )


def may_be_aligned(context: RequestContext, query: QueryFeatures, candidate: Candidate) -> bool:
    """Whether the pictures agree on enough quick features for a proper alignment to be worth its cost."""
    picture = picture_of(candidate.record, candidate.time_ms)
    if picture is None or _is_exempt(context, candidate):
        return True
    reference = context.previews.quick_features(picture)
    return reference is None or query.may_show(picture, reference)


def is_worth_another_way(context: RequestContext, whole: QueryFeatures, candidate: Candidate) -> bool:
    """Whether trying other means than a plain alignment is worth its cost.

    Its fingerprints are near, or it agrees with the `whole` upload on quick features: a picture inside the
    upload has more of them there.
    """
    calibration = calibration_of(context.uploads.embedders.wanted.kind)
    similarity = candidate.found_similarity
    if calibration is None or similarity is None:
        return True
    is_near = calibration.rate_of(similarity) <= context.thresholds.second_look_rate
    return is_near or may_be_aligned(context, whole, candidate)


def _is_exempt(context: RequestContext, candidate: Candidate) -> bool:
    evidence = candidate.evidence
    distance = evidence.pdq_distance
    return (
        context.effort is Effort.THOROUGH
        or evidence.same_digest
        or candidate.is_named
        or (distance is not None and distance <= context.thresholds.pdq_candidate_bits)
    )
