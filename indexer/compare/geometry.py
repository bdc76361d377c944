"""Decides by a robust homography between local features whether a query shows the reference.

Two pictures that merely resemble each other agree on few features, and not on one geometry. A pair is
confirmed when enough features agree on one plausible homography; the least number is calibrated on
pairs that do not belong together (`docs/quality.md`).
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.features import LocalFeatures, mirrored
from indexer.fingerprints.regions import Region

Matrix = npt.NDArray[np.float64]
Points = npt.NDArray[np.float32]

RATIO = 0.85  # Lowe's ratio test, loose: RANSAC removes what it lets through
REPROJECTION_PX = 4.0
MINIMUM_PAIRS = 6
RANSAC_ITERATIONS = 2000
RANSAC_CONFIDENCE = 0.999
# With so many inliers, and with nearly all pairs among them, the mirror image need not be tried. The share
# matters: a face is symmetric enough to agree with its mirror image on 77 features, of 236 pairs.
BEYOND_DOUBT_INLIERS, BEYOND_DOUBT_SHARE = 60, 0.75
MINIMUM_SCALE, MAXIMUM_SCALE = 0.1, 10.0
MAXIMUM_STRETCH = 4.0  # ratio of the homography's two local scales


@dataclass(frozen=True)
class Alignment:
    """How the query maps onto the reference."""

    homography: Matrix  # (3, 3) query pixels -> reference pixels; the mirror is part of it
    inliers: int  # features that agree
    pairs: int  # features that had a partner
    is_mirrored: bool
    scale: float  # reference pixels per query pixel
    rotation_degrees: float  # of the query against the reference, counter-clockwise
    query_quad: Points  # (4, 2) the reference's corners in the query
    reference_quad: Points  # (4, 2) the query's corners in the reference
    query_coverage: float  # share of the query that shows the reference, 0..1
    reference_coverage: float  # share of the reference that the query shows, 0..1
    spread: float  # share of what both show that the agreeing features span; a shared logo spans little
    within: Region | None = None  # the part of the query that is compared; None: all of it
    bars: tuple[Region, ...] = ()  # parts of the query that are solid bars over what the reference shows
    places: int = 0  # features that had a partner, counted once a place as `inliers` are

    @property
    def inlier_share(self) -> float:
        """Returns the share of the features with a partner that agree."""
        return self.inliers / max(1, self.pairs)


def align(query: LocalFeatures, reference: LocalFeatures) -> Alignment | None:
    """Returns the better of the straight and the mirrored alignment; None where neither is plausible."""
    straight = _align_one(query, reference, is_mirrored=False)
    if straight is not None and _is_beyond_doubt(straight):
        return straight
    flipped = _align_one(mirrored(query), reference, is_mirrored=True)
    plausible = [alignment for alignment in (straight, flipped) if alignment is not None]
    return max(plausible, key=lambda alignment: alignment.inliers, default=None)


def _is_beyond_doubt(alignment: Alignment) -> bool:
    return alignment.inliers >= BEYOND_DOUBT_INLIERS and alignment.inlier_share >= BEYOND_DOUBT_SHARE


def _align_one(query: LocalFeatures, reference: LocalFeatures, *, is_mirrored: bool) -> Alignment | None:
    pairs = match_features(query, reference)
    if len(pairs) < MINIMUM_PAIRS:
        return None
    source, target = query.points[pairs[:, 0]], reference.points[pairs[:, 1]]
    homography, mask = _robust_homography(source, target)
    if homography is None:
        return None
    kept = mask.ravel().astype(bool)
    inliers = count_spread_inliers(source[kept], target[kept])
    if inliers < MINIMUM_PAIRS:
        return None
    agreeing = source[kept], target[kept]
    found = describe(homography, inliers, len(pairs), agreeing, query, reference, is_mirrored)
    return None if found is None else replace(found, places=count_spread_inliers(source, target))


def align_together(pairs: list[tuple[LocalFeatures, LocalFeatures]], *, is_mirrored: bool) -> Matrix | None:
    """Returns one homography for several pairs of frames that map onto each other in the same way.

    It takes query pixels to reference pixels, more exactly than one pair does. None where the pairs do not
    agree on one.
    """
    sources, targets = [], []
    for query, reference in pairs:
        query = mirrored(query) if is_mirrored else query
        matched = match_features(query, reference)
        sources.append(query.points[matched[:, 0]])
        targets.append(reference.points[matched[:, 1]])
    source, target = np.concatenate(sources), np.concatenate(targets)
    if len(source) < MINIMUM_PAIRS:
        return None
    homography, mask = _robust_homography(source, target)
    if homography is None or mask.sum() < MINIMUM_PAIRS or abs(np.linalg.det(homography)) < 1e-12:
        return None
    if is_mirrored:
        homography = homography @ unmirror(pairs[0][0])
    return np.asarray(homography / homography[2, 2], np.float64)


def match_features(query: LocalFeatures, reference: LocalFeatures) -> npt.NDArray[np.int64]:
    """Returns (m, 2) indices of mutual nearest neighbours that pass the ratio test."""
    if min(len(query.points), len(reference.points)) < MINIMUM_PAIRS:
        return np.zeros((0, 2), np.int64)
    left = query.descriptors.astype(np.float32)
    right = reference.descriptors.astype(np.float32)
    squared = left @ right.T
    squared *= -2.0
    squared += (left**2).sum(1)[:, None]
    squared += (right**2).sum(1)[None, :]
    rows, best = np.arange(len(left)), squared.argmin(axis=1)
    nearest = squared[rows, best]
    squared[rows, best] = np.inf
    second = squared.min(axis=1)
    squared[rows, best] = nearest
    distinct = np.flatnonzero(np.maximum(nearest, 0.0) < RATIO**2 * second)
    # Few rows are distinct, so only their columns are searched from the other side.
    mutual = squared[:, best[distinct]].argmin(axis=0) == distinct
    kept = distinct[mutual]
    return np.stack([kept, best[kept]], axis=1)


def _robust_homography(source: Points, target: Points) -> tuple[Matrix | None, npt.NDArray[np.uint8]]:
    cv2.setRNGSeed(0)  # the same two pictures always give the same answer
    try:
        homography, mask = cv2.findHomography(
            source,
            target,
            cv2.USAC_MAGSAC,
            REPROJECTION_PX,
            maxIters=RANSAC_ITERATIONS,
            confidence=RANSAC_CONFIDENCE,
        )
    except cv2.error:
        return None, np.zeros(0, np.uint8)  # degenerate points: all on one line
    if homography is None or not np.isfinite(homography).all():
        return None, np.zeros(0, np.uint8)
    return np.asarray(homography, np.float64), np.asarray(mask, np.uint8)


def count_spread_inliers(source: Points, target: Points) -> int:
    """Counts inliers in different places: several keypoints on one spot of either picture count once."""
    places = {
        (tuple(left), tuple(right))
        for left, right in zip(np.round(source / 3).tolist(), np.round(target / 3).tolist(), strict=True)
    }
    return min(len({left for left, _ in places}), len({right for _, right in places}))


def describe(
    homography: Matrix,
    inliers: int,
    pairs: int,
    agreeing: tuple[Points, Points],
    query: LocalFeatures,
    reference: LocalFeatures,
    is_mirrored: bool,
) -> Alignment | None:
    """Describes a homography of the query, mirrored if it is; returns None where it is not plausible.

    `agreeing`: (n, 2) places in the query and in the reference.
    """
    if is_mirrored:
        plain, homography = homography, homography @ unmirror(query)
    else:
        plain = homography
    if abs(np.linalg.det(homography)) < 1e-12:
        return None
    reference_quad = project(homography, _corners(query))
    query_quad = project(np.asarray(np.linalg.inv(homography), np.float64), _corners(reference))
    if reference_quad is None or query_quad is None or not cv2.isContourConvex(reference_quad):
        return None
    scales = _local_scales(plain, query)
    if scales is None or not MINIMUM_SCALE < scales[0] <= scales[1] < MAXIMUM_SCALE:
        return None
    if scales[1] / scales[0] > MAXIMUM_STRETCH:
        return None
    scale = float(np.sqrt(scales[0] * scales[1]))
    query_coverage, reference_coverage = (
        coverage(query_quad, query.width, query.height),
        coverage(reference_quad, reference.width, reference.height),
    )
    spreads = (
        _hull_share(agreeing[0], query) / max(query_coverage, 1e-6),
        _hull_share(agreeing[1], reference) / max(reference_coverage, 1e-6),
    )
    return Alignment(
        homography=homography / homography[2, 2],
        inliers=inliers,
        pairs=pairs,
        is_mirrored=is_mirrored,
        scale=scale,
        rotation_degrees=float(np.degrees(np.arctan2(-plain[0, 1], plain[0, 0]))),
        query_quad=query_quad,
        reference_quad=reference_quad,
        query_coverage=query_coverage,
        reference_coverage=reference_coverage,
        spread=min(1.0, *spreads),
    )


def unmirror(query: LocalFeatures) -> Matrix:
    """Returns (3, 3): pixels of the mirrored query -> pixels of the query, and the other way."""
    return np.array([[-1.0, 0.0, query.width - 1], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def project(homography: Matrix, points: Points) -> Points | None:
    """Projects (n, 2) points by a homography; returns None where one would lie behind the camera."""
    lifted = np.concatenate([points.astype(np.float64), np.ones((len(points), 1))], axis=1) @ homography.T
    depth = lifted[:, 2]
    if not (np.all(depth > 1e-9) or np.all(depth < -1e-9)):
        return None
    projected: Points = (lifted[:, :2] / depth[:, None]).astype(np.float32)
    return projected


def _corners(frame: LocalFeatures) -> Points:
    right, bottom = frame.width - 1, frame.height - 1
    return np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float32)


def _local_scales(homography: Matrix, query: LocalFeatures) -> tuple[float, float] | None:
    """Returns the smaller and the larger singular value of the Jacobian in the middle of the query."""
    x, y = query.width / 2, query.height / 2
    u, v, w = homography @ np.array([x, y, 1.0])
    if abs(w) < 1e-9:
        return None
    jacobian = (
        np.array(
            [
                [homography[0, 0] * w - u * homography[2, 0], homography[0, 1] * w - u * homography[2, 1]],
                [homography[1, 0] * w - v * homography[2, 0], homography[1, 1] * w - v * homography[2, 1]],
            ]
        )
        / w**2
    )
    larger, smaller = np.linalg.svd(jacobian, compute_uv=False)
    return float(smaller), float(larger)


def _hull_share(points: Points, frame: LocalFeatures) -> float:
    """Returns the share of the frame inside the convex hull of `points`, 0..1."""
    return float(cv2.contourArea(cv2.convexHull(points))) / (
        max(1, frame.width - 1) * max(1, frame.height - 1)
    )


def coverage(quad: Points, width: int, height: int) -> float:
    """Returns the share of a frame of that size that lies inside the (4, 2) quad, 0..1."""
    right, bottom = max(1, width - 1), max(1, height - 1)
    corners = quad.astype(np.float64) / np.array([right, bottom])
    for axis, limit, sign in ((0, 0.0, 1), (0, 1.0, -1), (1, 0.0, 1), (1, 1.0, -1)):
        corners = _clip(corners, axis, limit, sign)
    if len(corners) < 3:
        return 0.0
    x, y = corners[:, 0], corners[:, 1]
    return float(min(1.0, abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2))


def _clip(corners: Matrix, axis: int, limit: float, sign: int) -> Matrix:
    """Cuts a polygon at a line and returns the part on one side (Sutherland and Hodgman, 1974).

    OpenCV's intersectConvexConvex fails where edges coincide, which is the commonest case here.
    """
    kept: list[Matrix] = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside = (sign * (start[axis] - limit) >= 0, sign * (end[axis] - limit) >= 0)
        if inside[0]:
            kept.append(start)
        if inside[0] != inside[1]:
            share = (limit - start[axis]) / (end[axis] - start[axis])
            kept.append(start + share * (end - start))
    return np.array(kept, np.float64).reshape(-1, 2)
