"""Warps a query onto its reference, and measures how two such pictures correlate and move."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.geometry import Alignment, Matrix
from indexer.fingerprints.regions import Region
from indexer.media.images import Pixels

Grey = npt.NDArray[np.float32]  # (h, w)
Mask = npt.NDArray[np.bool_]  # (h, w)


@dataclass(frozen=True)
class WarpedPair:
    """Two pictures in the frame of the reference, at a working size."""

    query: Pixels  # (h, w, 3) uint8, black where it shows nothing
    reference: Pixels  # (h, w, 3) uint8
    shown: Mask  # (h, w) where the query shows anything
    homography: Matrix  # (3, 3) pixels of the query as it was handed in -> pixels here
    magnification: float  # pixels here per pixel of the query; above 1 the query has less detail
    reference_scale: float  # pixels here per pixel of the reference as handed in
    within: Region | None = None  # the part of the query that counts as shown

    @property
    def size(self) -> tuple[int, int]:
        """Returns width and height in pixels."""
        return self.reference.shape[1], self.reference.shape[0]

    def to_reference(self, reference: Pixels) -> Matrix:
        """Returns (3, 3) pixels of the query -> pixels of the (h, w, 3) reference as handed in."""
        across, down = reference.shape[1] / self.size[0], reference.shape[0] / self.size[1]
        homography = np.diag([across, down, 1.0]) @ self.homography
        return np.asarray(homography / homography[2, 2], np.float64)


class ScaledCopies:
    """A picture and the smaller copies of it that warps read, each made once; for one thread."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels  # (h, w, 3) uint8
        self._made: dict[float, Pixels] = {}

    def reduced(self, factor: float) -> Pixels:
        """Returns the picture at `factor` of its sides, below 1."""
        if factor not in self._made:
            small = cv2.resize(self.pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            self._made[factor] = np.asarray(small, np.uint8)
        return self._made[factor]


def warp_pair(query: ScaledCopies, reference: Pixels, alignment: Alignment, long_side: int) -> WarpedPair:
    """Warps `query` onto `reference`, which is reduced to `long_side` pixels at most."""
    height, width = reference.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    reduced = reference
    if size != (width, height):
        reduced = np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_AREA), np.uint8)
    to_here = np.diag([size[0] / width, size[1] / height, 1.0]) @ alignment.homography
    magnification = scale * alignment.scale
    warped, shown = warp(query, to_here, size, magnification, alignment.within)
    return WarpedPair(warped, reduced, shown, to_here, magnification, scale, alignment.within)


def warp(
    query: Pixels | ScaledCopies,
    homography: Matrix,
    size: tuple[int, int],
    magnification: float,
    within: Region | None = None,
) -> tuple[Pixels, Mask]:
    """Returns the query, or a part of it, at another place and size, and where it shows anything.

    Whoever warps one query several times hands in its copies.
    """
    copies = query if isinstance(query, ScaledCopies) else ScaledCopies(query)
    query = small = copies.pixels
    to_query = np.eye(3)
    if magnification < 0.9:  # a warp that also shrinks reads single pixels, which aliases
        factor = min(1.0, max(magnification, 16 / min(query.shape[:2])))
        small = copies.reduced(factor)
        to_query = np.diag([query.shape[1] / small.shape[1], query.shape[0] / small.shape[0], 1.0])
        # A pixel is an area: half a pixel of one size is not half a pixel of the other.
        to_query[0, 2], to_query[1, 2] = (to_query[0, 0] - 1) / 2, (to_query[1, 1] - 1) / 2
    matrix = homography @ to_query
    warped = cv2.warpPerspective(small, matrix, size, flags=cv2.INTER_LINEAR)
    full = np.full(small.shape[:2], 255, np.uint8)
    if within is not None:
        part = within.scaled(small.shape[1] / query.shape[1], small.shape[0] / query.shape[0])
        full[:] = 0
        full[part.top : part.bottom, part.left : part.right] = 255
    shown = cv2.warpPerspective(full, matrix, size, flags=cv2.INTER_NEAREST) > 0
    pixels = np.asarray(warped, np.uint8)
    if within is not None:
        pixels[~shown] = 0
    return pixels, shown


def with_brightness_of(reference: Grey, query: Grey, shown: Mask) -> Grey:
    """Returns the query with the reference's mean and spread, because flow takes brightness for motion."""
    known, values = reference[shown], query[shown]
    if values.size < 100:
        return query
    gain = float(known.std()) / max(1.0, float(values.std()))
    return np.asarray((query - values.mean()) * gain + known.mean(), np.float32)


def grey(pixels: Pixels | npt.NDArray[np.float32]) -> Grey:
    """Returns (h, w) float32 luma, 0..255."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)


def blurred(values: Grey, deviation: float) -> Grey:
    """Blurs by a Gaussian of that standard deviation in pixels; 0 leaves the values as they are."""
    if deviation <= 0.0:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), deviation), np.float32)


def flow_between(reference: Grey, query: Grey) -> Grey:
    """Returns (h, w, 2): how many pixels off each one lies in the query (DIS; Kroeger et al., 2016)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.zeros((*reference.shape, 2), np.float32)
    first, second = reference.clip(0, 255).astype(np.uint8), query.clip(0, 255).astype(np.uint8)
    return np.asarray(search.calc(first, second, flow), np.float32)


def follow(query: Grey, flow: Grey) -> Grey:
    """Returns the query with every pixel brought back along the flow to its place in the reference."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    moved = cv2.remap(query, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    return np.asarray(moved, np.float32)


@dataclass(frozen=True)
class Windows:
    """A picture, and the mean and variance of the window around every pixel, each (h, w)."""

    values: Grey
    mean: Grey
    variance: Grey
    side: int  # of a window, in pixels


def windows(values: Grey, side: int) -> Windows:
    """Returns the windows of `side` by `side` pixels."""
    mean = _box_mean(values, side)
    return Windows(values, mean, np.maximum(_box_mean(values * values, side) - mean**2, 1e-3), side)


def correlation(left: Windows, right: Windows) -> Grey:
    """Returns (h, w): the normalised cross-correlation of windows of one size, -1..1."""
    covariance = _box_mean(left.values * right.values, left.side) - left.mean * right.mean
    return np.asarray(covariance / np.sqrt(left.variance * right.variance), np.float32)


def correlate(left: Grey, right: Grey, window: int) -> tuple[Grey, Grey]:
    """Returns the normalised cross-correlation around every pixel, and the variance of the left picture."""
    of_left = windows(left, window)
    return correlation(of_left, windows(right, window)), of_left.variance


def _box_mean(values: Grey, side: int) -> Grey:
    return np.asarray(cv2.boxFilter(values, -1, (side, side)), np.float32)


def inside(shown: Mask, window: int) -> Mask:
    """Returns (h, w): where a whole window around the pixel is shown."""
    kernel = np.ones((window, window), np.uint8)
    eroded = cv2.erode(shown.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(eroded, np.bool_)
