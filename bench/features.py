"""Compares local features: the share of true pairs that they confirm without a false one, and their price.

    python -m bench.features [FOLDER]

FOLDER is that of `bench.sets`. Each method reads at most 1,024 features at 640 pixels on the long side and
matches mutual nearest neighbours by one ratio and one robust homography. The line is drawn above the most
inliers that any unrelated pair reaches, which is equally kind to all. Only the registry's method tries
the mirror image, because only its features are mirrored without a second look.
"""

import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from bench.sets import folder_or_small_set
from indexer.compare.features import MAXIMUM_FEATURES, WORKING_LONG_SIDE, LocalFeatures, extract_features
from indexer.compare.geometry import MINIMUM_PAIRS, RATIO, REPROJECTION_PX, align, count_spread_inliers
from indexer.fingerprints.kinds import Codes
from indexer.media.images import Pixels, decode_image
from indexer.media.limits import ImageLimits
from registry.cli.evaluation import read_truth
from sdk.cli.folders import pictures_in

UNRELATED_PER_QUERY = 4
SEED = 3


Features = TypeVar("Features")
BinaryFeatures = tuple[npt.NDArray[np.float32], Codes]  # points (n, 2) in pixels, codes


@dataclass(frozen=True)
class Method(Generic[Features]):
    """How features are extracted, and how many of two pictures agree."""

    name: str
    extract: Callable[[Pixels], Features]
    inliers: Callable[[Features, Features], int]


def methods() -> list[Method[Any]]:
    """Returns RootSIFT as the registry uses it, and ORB; OpenCV 5 has no AKAZE in its main modules."""
    return [
        Method("RootSIFT (the registry's)", extract_features, _aligned),
        _binary("ORB", cv2.ORB.create(MAXIMUM_FEATURES, fastThreshold=10)),
    ]


def _aligned(query: LocalFeatures, reference: LocalFeatures) -> int:
    found = align(query, reference)
    return found.inliers if found else 0


def _binary(name: str, detector: cv2.Feature2D) -> Method[BinaryFeatures]:
    def extract(pixels: Pixels) -> BinaryFeatures:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        scale = min(1.0, WORKING_LONG_SIDE / max(grey.shape))
        if scale < 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        keypoints, descriptors = detector.detectAndCompute(grey, None)
        points = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
        if len(points) == 0:  # OpenCV then returns None for the codes
            return points, np.zeros((0, detector.descriptorSize()), np.uint8)
        return points, np.asarray(descriptors, np.uint8)

    return Method(name, extract, _matched)


def _matched(query: BinaryFeatures, reference: BinaryFeatures) -> int:
    (left, left_codes), (right, right_codes) = query, reference
    if min(len(left), len(right)) < MINIMUM_PAIRS:
        return 0
    forward = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(left_codes, right_codes, k=2)
    back = {
        pair.queryIdx: pair.trainIdx
        for pair in cv2.BFMatcher(cv2.NORM_HAMMING).match(right_codes, left_codes)
    }
    kept = [
        (pair[0].queryIdx, pair[0].trainIdx)
        for pair in forward
        if len(pair) == 2
        and pair[0].distance < RATIO * pair[1].distance
        and back[pair[0].trainIdx] == pair[0].queryIdx
    ]
    if len(kept) < MINIMUM_PAIRS:
        return 0
    source, target = (
        np.array([points[i] for i in side])
        for points, side in zip((left, right), zip(*kept, strict=True), strict=True)
    )
    cv2.setRNGSeed(0)
    try:
        homography, mask = cv2.findHomography(source, target, cv2.USAC_MAGSAC, REPROJECTION_PX)
    except cv2.error:
        return 0
    if homography is None:
        return 0
    agreeing = mask.ravel().astype(bool)
    return count_spread_inliers(source[agreeing], target[agreeing])


def main() -> None:
    """Prints the table."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="tp") as scratch:
        folder = folder_or_small_set(Path(scratch))
        truth = read_truth(folder / "truth.csv")
        references = {path.stem: _read(path) for path in pictures_in([folder / "refs"])}
        queries = {
            path.stem: _read(path) for path in pictures_in([folder / "queries"]) if path.stem in truth
        }
    rng = random.Random(SEED)
    true = [
        (query, entry.reference) for query, entry in truth.items() if entry.reference and query in queries
    ]
    unrelated = [
        (query, other)
        for query in queries
        for other in rng.sample(sorted(references), min(UNRELATED_PER_QUERY, len(references)))
        if truth[query].reference != other
    ]
    print(f"{len(true)} true pairs, {len(unrelated)} unrelated pairs\n")
    print(
        "| features | CPU ms per picture | most inliers, unrelated | true pairs above | with 13 or more |"
    )
    print("| --- | --- | --- | --- | --- |")
    for method in methods():
        print(_row(method, references, queries, true, unrelated), flush=True)


def _row(
    method: Method[Any],
    references: dict[str, Pixels],
    queries: dict[str, Pixels],
    true: list[tuple[str, str]],
    unrelated: list[tuple[str, str]],
) -> str:
    started = time.thread_time()
    ours = {name: method.extract(pixels) for name, pixels in queries.items()}
    theirs = {name: method.extract(pixels) for name, pixels in references.items()}
    taken = 1000 * (time.thread_time() - started) / (len(ours) + len(theirs))
    with ThreadPoolExecutor(2) as pool:
        right = list(pool.map(lambda pair: method.inliers(ours[pair[0]], theirs[pair[1]]), true))
        wrong = list(pool.map(lambda pair: method.inliers(ours[pair[0]], theirs[pair[1]]), unrelated))
    line = max(wrong, default=0) + 1
    above, moderate = (sum(inliers >= least for inliers in right) / len(right) for least in (line, 13))
    return f"| {method.name} | {taken:.1f} | {line - 1} | {above:.3f} | {moderate:.3f} |"


def _read(path: Path) -> Pixels:
    return decode_image(path.read_bytes(), ImageLimits()).pixels


if __name__ == "__main__":
    main()
