"""Makes an upload straight that no homography lays on its reference: a curled page, a curved screen.

A homography is what a camera makes of a flat picture. Where the picture was bent, features agree on one in
a part of it only, and the rest seems displaced, as in another capture, or shows other letters in the same
places. The partners of the features then say how far every place lies off. A polynomial of low degree
follows that, and follows no single feature: the letters of other words lie off by chance.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from indexer.compare.features import LocalFeatures, mirrored
from indexer.compare.geometry import (
    REPROJECTION_PX,
    Alignment,
    Matrix,
    Points,
    count_spread_inliers,
    describe,
    match_features,
    unmirror,
)
from indexer.compare.warping import Mask
from indexer.media.images import Pixels

Size = tuple[int, int]

LEAST_FEATURES = 20  # in place once the bend is followed: a polynomial has ten terms an axis
LEAST_SHARE = 0.5  # of the features with a partner, the same
EXACT_PX = 1.5  # of the reference
# Ratio of the features that lie so exactly by the bend to those by the better homography: 1.07 to 3.5 in
# copies that were bent, 1.09 at most in other content of one layout.
LEAST_GAIN = 1.12
DEGREES = (2, 3)  # of the polynomial, one after the other
ROUNDS = (2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0)  # times `REPROJECTION_PX`: what counts as in place
RIDGE = 1e-3  # keeps corners without features where the homography has them
LEAST_STRETCH = 0.1  # of an area: a polynomial that folds the picture explains nothing
GRID = 17  # places across and down at which that is looked at


@dataclass(frozen=True)
class Bend:
    """How far each place of an upload lies from where a homography of its reference has it."""

    coefficients: Matrix  # (n, 2) pixels of the upload, by monomials of the place
    size: Size  # width and height of the upload in pixels
    degree: int

    def at(self, points: Matrix) -> Matrix:
        """Returns (..., 2): how many pixels off the upload shows (..., 2) places of the straight one."""
        return np.asarray(_monomials(points, self.size, self.degree) @ self.coefficients, np.float64)

    def straightened(self, pixels: Pixels) -> Pixels:
        """Returns (h, w, 3) uint8 of the same size, made straight; black where the upload shows nothing."""
        of_x, of_y = (
            np.vander(np.linspace(-1, 1, side), self.degree + 1, increasing=True) for side in self.size
        )
        field = np.zeros((2, self.degree + 1, self.degree + 1))  # by axis, power of x and power of y
        for (i, j), both in zip(_powers(self.degree), self.coefficients, strict=True):
            field[:, i, j] = both
        # Power by power, because all monomials of a large upload at once would take gigabytes.
        across, down = ((of_y @ one.T @ of_x.T).astype(np.float32) for one in field)
        across += np.arange(self.size[0], dtype=np.float32)
        down += np.arange(self.size[1], dtype=np.float32)[:, None]
        return np.asarray(cv2.remap(pixels, across, down, cv2.INTER_LINEAR), np.uint8)

    def folds(self) -> bool:
        """Whether some place of the upload would be shown twice, or turned over."""
        places = _grid(self.size, (GRID, GRID))
        moved = places + self.at(places)
        across, down = np.diff(moved, axis=1)[:-1], np.diff(moved, axis=0)[:, :-1]
        areas = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
        cell = (self.size[0] - 1) * (self.size[1] - 1) / (GRID - 1) ** 2
        return bool(areas.min() < LEAST_STRETCH * cell)


def unbend(
    query: LocalFeatures, reference: LocalFeatures, alignment: Alignment
) -> tuple[Alignment, Bend] | None:
    """Returns how the query, made straight, maps onto the reference; None where nothing says it is bent.

    The alignment's homography holds between the straightened query and the reference.
    """
    source, target = _partners(query, reference, is_mirrored=alignment.is_mirrored)
    size, in_place = (query.width, query.height), REPROJECTION_PX / alignment.scale
    places = _straight_places(target, alignment.homography)
    kept = _distance(source, places) < in_place
    for degree in DEGREES:
        for reach in ROUNDS:
            if kept.sum() < max(LEAST_FEATURES, LEAST_SHARE * len(source)) / 2:
                return None
            bend = _fitted(source, places, kept, size, degree)
            kept = _distance(source, places + bend.at(places)) < reach * in_place
    if kept.sum() < max(LEAST_FEATURES, LEAST_SHARE * len(source)):
        return None
    # That homography held in a part of the picture; beside one for all of it, less is left to bend.
    fitted = cv2.findHomography(source[kept], target[kept], 0)[0]
    if fitted is None or abs(np.linalg.det(fitted)) < 1e-12:
        return None
    homography = np.asarray(fitted, np.float64)
    flat = _straight_places(target, homography)
    bend = _fitted(source, flat, kept, size, DEGREES[-1])
    exact, off = EXACT_PX / alignment.scale, _distance(source, flat + bend.at(flat))
    best_flat = max((_distance(source, one) < exact).sum() for one in (places, flat))
    if (off < exact).sum() < LEAST_GAIN * best_flat or bend.folds():
        return None
    straight = _described(query, reference, alignment, homography, (source, target), off < in_place)
    return None if straight is None else (straight, bend)


def _described(
    query: LocalFeatures,
    reference: LocalFeatures,
    alignment: Alignment,
    homography: Matrix,
    partners: tuple[Points, Points],
    kept: Mask,
) -> Alignment | None:
    agreeing = partners[0][kept], partners[1][kept]
    plain = homography @ unmirror(query) if alignment.is_mirrored else homography
    inliers = count_spread_inliers(*agreeing)
    found = describe(plain, inliers, len(kept), agreeing, query, reference, alignment.is_mirrored)
    return None if found is None else replace(found, places=alignment.places)


def _partners(
    query: LocalFeatures, reference: LocalFeatures, *, is_mirrored: bool
) -> tuple[Points, Points]:
    """Returns (m, 2) places of features in the query as it is, and of their partners in the reference."""
    pairs = match_features(mirrored(query) if is_mirrored else query, reference)
    return query.points[pairs[:, 0]], reference.points[pairs[:, 1]]


def _straight_places(target: Points, homography: Matrix) -> Matrix:
    """Returns (m, 2): where the query, if it were straight, would show these places of the reference."""
    back = np.linalg.inv(homography)
    return np.asarray(cv2.perspectiveTransform(target[None].astype(np.float64), back)[0], np.float64)


def _distance(source: Points, places: Matrix) -> Matrix:
    """Returns (m,) in pixels of the query."""
    return np.asarray(np.linalg.norm(source - places, axis=1), np.float64)


def _fitted(source: Points, places: Matrix, kept: Mask, size: Size, degree: int) -> Bend:
    """Returns the bend by least squares from the features that are kept."""
    terms, off = _monomials(places[kept], size, degree), (source - places)[kept]
    normal = terms.T @ terms + RIDGE * len(terms) * np.eye(terms.shape[1])
    return Bend(np.asarray(np.linalg.solve(normal, terms.T @ off), np.float64), size, degree)


def _monomials(points: Matrix, size: Size, degree: int) -> Matrix:
    """Returns (..., n): products of powers of the two coordinates, each of them -1..1 in the query."""
    x, y = (2.0 * points[..., axis] / (size[axis] - 1) - 1.0 for axis in (0, 1))
    return np.stack([x**i * y**j for i, j in _powers(degree)], axis=-1)


def _powers(degree: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]


def _grid(size: Size, count: Size) -> Matrix:
    """Returns (down, across, 2): so many places, evenly over a picture."""
    x, y = (np.linspace(0, size[axis] - 1, count[axis]) for axis in (0, 1))
    return np.stack(np.meshgrid(x, y), axis=-1)
