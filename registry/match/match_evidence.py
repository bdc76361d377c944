"""What was measured between an upload and one registered asset: a value, without its meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from indexer.compare.dense import DenseAgreement
from indexer.compare.layout import ContentAgreement


@dataclass(frozen=True)
class MatchEvidence:
    """Everything that was measured between the upload and one registered asset."""

    same_digest: bool = False
    pdq_distance: int | None = None  # the smallest over the orientations, in bits
    pdq_orientation: int = 0
    phash_distance: int | None = None
    descriptor_similarity: float | None = None
    descriptor_rate: float | None = None  # share of unrelated pairs that are so similar
    compared: bool = False  # whether both pictures were at hand
    inliers: int = 0
    pairs: int = 0
    places: int = 0  # of the pairs, counted once a place as the inliers are; 0: not known
    query_coverage: float = 0.0
    reference_coverage: float = 0.0
    spread: float = 0.0
    is_mirrored: bool = False
    # Share of coarse windows that agree, whole on whole; only where the match would rest on PDQ.
    coarse: float | None = None
    by_windows: bool = False  # joined without proper features, which then count for nothing
    dense: DenseAgreement | None = None  # only where the geometry confirms
    outside_faces: DenseAgreement | None = None  # only where `dense` suggests a different capture
    content: ContentAgreement | None = None  # only where `dense` leaves room for other content
    # Bits, by kind of the hashes that lists of others hold (indexer/fingerprints/hash_lists.py).
    hash_list_distances: Mapping[str, int] = field(default_factory=dict, hash=False)
