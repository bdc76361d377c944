"""Finds near-duplicates among training pictures: crops and other copies of one photograph.

In a contrastive loss every other picture counts as different. Sets hold near-duplicates; told that they
differ, a network unlearns what it is for. So the nearest neighbours of every picture are compared with our
own geometry, and pairs that it confirms are left out of the loss.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from indexer.compare.features import LocalFeatures, extract_features
from indexer.compare.geometry import align
from indexer.fingerprints.kinds import Vectors
from indexer.training.pictures import PictureBank

NEIGHBOURS = 4
FEATURES = 300  # the strongest of each picture, which its duplicate has too
# Lower than what confirms a match: to miss a near-duplicate costs more here than to spare a distractor.
LEAST_INLIERS, LEAST_SPREAD = 10, 0.02
BLOCK = 1024  # rows of the similarity matrix held at once

Pair = tuple[int, int]


def nearest_pairs(vectors: Vectors, neighbours: int = NEIGHBOURS) -> list[Pair]:
    """Returns every unordered pair of (n, d) unit rows in which one is among the other's nearest."""
    pairs: set[Pair] = set()
    count = min(neighbours, len(vectors) - 1)
    for start in range(0, len(vectors), BLOCK):
        similarity = vectors[start : start + BLOCK] @ vectors.T
        similarity[np.arange(len(similarity)), np.arange(start, start + len(similarity))] = -2
        near = np.argsort(-similarity, axis=1)[:, :count]
        for row, others in enumerate(near, start):
            pairs.update((min(row, int(other)), max(row, int(other))) for other in others)
    return sorted(pairs)


def find_near_duplicates(
    bank: PictureBank, pairs: Sequence[Pair], workers: int, progress: Callable[[int, int], None]
) -> list[Pair]:
    """Returns the pairs that the geometry confirms. Threads suffice: OpenCV releases Python's lock."""
    cv2.setNumThreads(1)
    numbers = sorted({number for pair in pairs for number in pair})
    duplicates: list[Pair] = []
    with ThreadPoolExecutor(workers) as pool:
        read = pool.map(lambda number: _strongest(extract_features(bank[number])), numbers)
        features: dict[int, LocalFeatures] = {}
        for number, extracted in zip(numbers, read, strict=True):
            features[number] = extracted
            progress(len(features), len(numbers) + len(pairs))
        agreed = pool.map(lambda pair: _agree(features[pair[0]], features[pair[1]]), pairs)
        for done, (pair, agrees) in enumerate(zip(pairs, agreed, strict=True), len(numbers)):
            if agrees:
                duplicates.append(pair)
            progress(done, len(numbers) + len(pairs))
    return duplicates


def _strongest(features: LocalFeatures) -> LocalFeatures:
    return LocalFeatures(
        features.points[:FEATURES], features.descriptors[:FEATURES], features.width, features.height
    )


def _agree(left: LocalFeatures, right: LocalFeatures) -> bool:
    alignment = align(left, right)
    if alignment is None:
        return False
    return alignment.inliers >= LEAST_INLIERS and alignment.spread >= LEAST_SPREAD
