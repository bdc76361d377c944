"""What retrieval finds, before anything is compared: frames near frames, by record. Pure values."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.geometry import Alignment
from indexer.fingerprints.kinds import AUDIO
from indexer.fingerprints.regions import Region
from indexer.media.images import Pixels
from registry.match.match_evidence import MatchEvidence
from registry.storage.models import Record

BY_DIGEST, BY_NAME = "sha256", "asked"  # how a record was found, beside kinds of fingerprints
# By a part of an upload: a picture inside the picture, which is compared by itself; a tile, since a small
# picture inside the picture has too few features of its own, with which the whole upload is compared.
RECTANGLE, TILE = "inner_rectangle", "tile"
# Only for the order in which candidates are compared: at this distance a PDQ value counts for nothing.
PDQ_COUNTS_BELOW_BITS = 90
# The best hit of a record counts most, and that several frames agree counts too. Chosen on the development
# videos (docs/quality.md); for a single frame it keeps the order of the hits themselves.
FRAMES_COUNTED, BEST_HIT_WEIGHT, FRAME_WEIGHT, AUDIO_HIT_WEIGHT = 8, 0.5, 0.02, 0.05


@dataclass(frozen=True)
class FrameHit:
    """One frame of the upload near one registered frame, by one kind of fingerprint."""

    query_ms: int
    reference_ms: int
    evidence: MatchEvidence
    found_by: str  # the kind, or the name of the parts that were asked about
    region: Region | None = None  # the part of the query frame that was asked about; None: the whole

    @property
    def rank_key(self) -> float:
        """Orders hits, decides nothing."""
        return evidence_rank(self.evidence)


def evidence_rank(evidence: MatchEvidence) -> float:
    """How near by fingerprints alone: what is compared first, 0..1."""
    distance = evidence.pdq_distance
    near = 0.0 if distance is None else max(0.0, (PDQ_COUNTS_BELOW_BITS - distance) / PDQ_COUNTS_BELOW_BITS)
    return max(near, evidence.descriptor_similarity or 0.0)


@dataclass
class RetrievedRecord:
    """A registered asset, and which of its frames the upload's frames are near to."""

    record: Record
    hits: list[FrameHit] = field(default_factory=list)
    audio_hits: list[tuple[int, int]] = field(default_factory=list)  # (query_ms, reference_ms)
    same_digest: bool = False

    def add(self, other: "RetrievedRecord") -> None:
        """Takes over what another retrieval of the same record found."""
        self.hits += [hit for hit in other.hits if hit not in self.hits]
        self.audio_hits = self.audio_hits or other.audio_hits
        self.same_digest = self.same_digest or other.same_digest

    @property
    def found_by(self) -> tuple[str, ...]:
        """Every way by which it was found."""
        names = {hit.found_by for hit in self.hits}
        if self.audio_hits:
            names.add(AUDIO.name)
        if self.same_digest:
            names.add(BY_DIGEST)
        return tuple(sorted(names)) or (BY_NAME,)

    @property
    def rank_key(self) -> tuple[bool, float]:
        """Orders records: those of the same bytes first, then by their best frames and by audio."""
        by_frame: dict[int, float] = {}
        for hit in self.hits:
            by_frame[hit.query_ms] = max(by_frame.get(hit.query_ms, 0.0), hit.rank_key)
        best = sorted(by_frame.values(), reverse=True)[:FRAMES_COUNTED]
        by_audio = min(1.0, AUDIO_HIT_WEIGHT * len(self.audio_hits))
        if not best:
            return self.same_digest, by_audio
        by_frames = float(np.mean(best)) + FRAME_WEIGHT * len(best) + BEST_HIT_WEIGHT * best[0]
        return self.same_digest, by_audio + by_frames


@dataclass(frozen=True)
class Candidate:
    """A registered frame that a frame of the upload may show, and everything measured between the two."""

    record: Record
    evidence: MatchEvidence
    found_by: tuple[str, ...]
    region: Region | None = None  # the part of the upload in which it was found; None: the whole
    time_ms: int = 0  # of the registered frame; a still image is a video of one frame
    # The highest by which it was found, of the upload or of a part; None: by something else alone.
    found_similarity: float | None = None
    is_named: bool = False  # the caller asked for this record, whatever else found it
    alignment: Alignment | None = None
    pair: AlignedPair | None = None  # the upload and its preview, where they were compared in place

    @property
    def reference(self) -> Pixels | None:
        """(h, w, 3) uint8 of the preview, where it was read."""
        return self.pair.reference if self.pair else None


def candidate_of(retrieved: RetrievedRecord) -> Candidate:
    """The registered frame that is nearest to a still upload."""
    by_time: dict[int, list[FrameHit]] = {}
    for hit in retrieved.hits:
        by_time.setdefault(hit.reference_ms, []).append(hit)
    best = max(by_time.values(), key=lambda hits: evidence_rank(merged_evidence(hits)), default=[])
    names = tuple(sorted({hit.found_by for hit in best}))
    if retrieved.same_digest:
        names = (BY_DIGEST, *names)
    by_rectangles_first = sorted(best, key=lambda hit: hit.found_by == TILE)
    measured = (hit.evidence.descriptor_similarity for hit in best)
    similarities = [similarity for similarity in measured if similarity is not None]
    return Candidate(
        retrieved.record,
        replace(merged_evidence(best), same_digest=retrieved.same_digest),
        names or (BY_NAME,),
        region=next((hit.region for hit in by_rectangles_first if hit.region is not None), None),
        time_ms=best[0].reference_ms if best else 0,
        found_similarity=max(similarities, default=None),
        is_named=any(hit.found_by == BY_NAME for hit in retrieved.hits) or not retrieved.hits,
    )


def merged_evidence(hits: Sequence[FrameHit]) -> MatchEvidence:
    """Joins the hits of one pair of frames: of each kind the nearest, a distance of 0 included."""
    if len(hits) == 1:
        return hits[0].evidence
    merged = MatchEvidence()
    by_code = [hit.evidence for hit in hits if hit.evidence.pdq_distance is not None]
    if by_code:
        nearest = min(by_code, key=lambda evidence: evidence.pdq_distance or 0)
        merged = replace(merged, pdq_distance=nearest.pdq_distance, pdq_orientation=nearest.pdq_orientation)
    by_vector = [hit for hit in hits if hit.evidence.descriptor_similarity is not None]
    if by_vector:
        # While records move to another descriptor, two kinds may find one row: the one asked last counts.
        of_one_kind = [hit for hit in by_vector if hit.found_by == by_vector[-1].found_by]
        similarity = max(hit.evidence.descriptor_similarity or 0.0 for hit in of_one_kind)
        merged = replace(merged, descriptor_similarity=similarity)
    return merged
