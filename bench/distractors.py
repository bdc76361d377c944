"""How often two photographs that do not belong together agree, on which the words for strength stand.

    python -m bench.distractors [FOLDER]

FOLDER is that of `bench.quality`; no two of its `refs/` are copies. Every picture is compared with its
nearest distractors by the descriptor, which are the pairs that a query really meets, and with random ones.
"""

import random
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bench.sets import folder_or_small_set
from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.dense import dense_agreement
from indexer.compare.features import LocalFeatures, extract_features
from indexer.compare.geometry import align
from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.compute import fingerprint_frame, upright
from indexer.fingerprints.embedders import open_default
from indexer.fingerprints.kinds import DESCRIPTOR, PDQ, Vectors, unpack_codes, unpack_vectors
from indexer.media.images import Pixels, decode_image
from indexer.media.limits import ImageLimits
from registry.match.evidence_rules import assess, may_be_verified
from registry.match.match_evidence import MatchEvidence
from registry.settings import Settings
from registry.thresholds import Thresholds
from sdk.cli.folders import pictures_in
from sdk.models import Strength

NEAREST = Settings.model_fields["candidates"].default
RANDOM = 12
SEED = 1


Frame = tuple[Pixels, LocalFeatures]


def compare(query: Frame, reference: Frame, limits: Thresholds) -> MatchEvidence:
    """Returns what the registry measures of two pictures without their fingerprints."""
    found = align(query[1], reference[1])
    if found is None:
        return MatchEvidence(compared=True)
    measured = MatchEvidence(compared=True, inliers=found.inliers, pairs=found.pairs, spread=found.spread)
    if not may_be_verified(measured, limits):
        return measured
    return replace(measured, dense=dense_agreement(AlignedPair(query[0], reference[0], found)))


def pairs_of(vectors: Vectors) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Returns the nearest distractors of every picture, and random ones."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    nearest = np.argsort(-similarity, axis=1)[:, : min(NEAREST, len(vectors) - 1)]
    rng, count = random.Random(SEED), len(vectors)
    others = [(query, rng.randrange(count)) for query in range(count) for _ in range(RANDOM)]
    return (
        [(query, int(other)) for query in range(count) for other in nearest[query]],
        [(query, other) for query, other in others if query != other],
    )


def share_line(name: str, found: Sequence[MatchEvidence], limits: Thresholds) -> str:
    """Returns a row of the table that counts the pairs of each strength."""
    strengths = [assessment.strength for measured in found if (assessment := assess(measured, limits))]
    words = (Strength.WEAK, Strength.MODERATE, Strength.STRONG, Strength.VERY_STRONG)
    counts = [str(strengths.count(word)) for word in words]
    return f"| {name} | {len(found):,} | {' | '.join(counts)} |"


def main() -> None:
    """Prints the tables."""
    with tempfile.TemporaryDirectory(prefix="tp") as scratch:
        folder = folder_or_small_set(Path(scratch))
        report(pictures_in([folder / "refs"]))


def report(files: Sequence[Path]) -> None:
    """Compares pictures of which no two are copies."""
    limits, embedder = Thresholds(), open_default()
    frames: list[Frame] = []
    codes, values = [], []
    for file in files:
        pixels = decode_image(file.read_bytes(), ImageLimits()).pixels
        frame = fingerprint_frame(pixels, embedder)
        pdq, descriptor = (
            upright(frame.fingerprints, PDQ.name),
            upright(frame.fingerprints, DESCRIPTOR.name),
        )
        if frame.insufficient_detail is None and pdq and descriptor:
            frames.append((pixels, extract_features(pixels)))
            codes.append(pdq.value)
            values.append(descriptor.value)
    cv2.setNumThreads(1)
    nearest, others = pairs_of(unpack_vectors(values))
    with ThreadPoolExecutor(2) as pool:
        by_kind = {
            name: list(pool.map(lambda pair: compare(frames[pair[0]], frames[pair[1]], limits), pairs))
            for name, pairs in (("nearest distractors", nearest), ("random distractors", others))
        }
    print("| pairs | compared | weak | moderate | strong | very strong |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, found in by_kind.items():
        print(share_line(name, found, limits))
    bits, vectors = unpack_codes(codes), unpack_vectors(values)
    each_once = np.triu_indices(len(bits), 1)
    distances = np.bitwise_count(np.bitwise_xor(bits[:, None], bits[None])).sum(axis=2)[each_once]
    similarities = (vectors @ vectors.T)[each_once]
    rows = {
        f"PDQ within {limits.pdq_same_bits} bits": distances <= limits.pdq_same_bits,
        f"PDQ within {limits.pdq_candidate_bits} bits": distances <= limits.pdq_candidate_bits,
    }
    if known := calibration_of(DESCRIPTOR.name):
        for line in (known.possible, known.match):
            rows[f"{DESCRIPTOR.name} at {line:.3f} or more"] = similarities >= line
    print(f"\n| of all {len(distances):,} pairs | reach it |\n| --- | --- |")
    for name, reached in rows.items():
        print(f"| {name} | {int(reached.sum())} |")


if __name__ == "__main__":
    main()
