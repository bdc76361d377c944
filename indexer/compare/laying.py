"""The upload laid on the reference, pixel on pixel: the homography of features, refined by dense flow.

Features leave an error of one or two pixels, as large as what a retouched face leaves. The flow between the
two pictures says where the rest of it is; only places that agree once they are followed take part, so that
what was changed cannot pull the alignment to itself.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.geometry import Alignment, Matrix
from indexer.fingerprints.regions import Region
from indexer.media.images import Pixels

GRID_PX = 8  # spacing of the places that take part
WINDOW = 15
LEAST_DETAIL = 20.0  # variance in grey levels of 256
AGREES = 0.85  # normalised cross-correlation once followed
MOST_CORRECTION = 0.02  # of the long side: more is no error of the alignment
CLOSELY, DISAGREES = 0.95, 0.5
LEAST_PLACES = 24
EXACT = 0.004  # of a full correlation is missing: nothing to gain
SETTLED_PX = 0.4  # a correction that moves no corner further is the last
LEAST_SPREAD = 0.15  # of the picture, spanned by places that take part; else the features' word stands

Grey = npt.NDArray[np.float32]  # (h, w)
Mask = npt.NDArray[np.bool_]  # (h, w)


@dataclass(frozen=True)
class Laid:
    """Two pictures in the reference's frame, at a working size."""

    query: Pixels  # (h, w, 3) uint8, black where it shows nothing
    reference: Pixels  # (h, w, 3) uint8
    shown: Mask  # where the query shows anything
    homography: Matrix  # (3, 3) pixels of the query as handed in -> pixels here
    magnification: float  # pixels here per pixel of the query; above 1 the query is the poorer picture
    reference_scale: float  # pixels here per pixel of the reference as handed in
    within: Region | None = None  # the part of the query that counts as shown

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.reference.shape[1], self.reference.shape[0]


def lay_on(query: Pixels, reference: Pixels, alignment: Alignment, long_side: int) -> Laid:
    """Warp (h, w, 3) uint8 `query` on `reference`, at most `long_side` pixels long."""
    height, width = reference.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    theirs = reference
    if size != (width, height):
        theirs = np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_AREA), np.uint8)
    to_here = np.diag([size[0] / width, size[1] / height, 1.0]) @ alignment.homography
    ours, shown = warp(query, to_here, size, scale * alignment.scale, alignment.within)
    return Laid(ours, theirs, shown, to_here, scale * alignment.scale, scale, alignment.within)


def warp(
    query: Pixels,
    homography: Matrix,
    size: tuple[int, int],
    magnification: float,
    within: Region | None = None,
) -> tuple[Pixels, Mask]:
    """The query, or a part of it, at another place and size, and where it shows anything."""
    small, to_query = query, np.eye(3)
    if magnification < 0.9:  # a warp that shrinks by itself reads single pixels and aliases
        factor = min(1.0, max(magnification, 16 / min(query.shape[:2])))
        reduced = cv2.resize(query, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        small = np.asarray(reduced, np.uint8)
        to_query = np.diag([query.shape[1] / small.shape[1], query.shape[0] / small.shape[0], 1.0])
        # Pixels are areas: half a pixel of one size is not half a pixel of the other.
        to_query[0, 2], to_query[1, 2] = (to_query[0, 0] - 1) / 2, (to_query[1, 1] - 1) / 2
    matrix = homography @ to_query
    ours = cv2.warpPerspective(small, matrix, size, flags=cv2.INTER_LINEAR)
    full = np.full(small.shape[:2], 255, np.uint8)
    if within is not None:
        part = within.scaled(small.shape[1] / query.shape[1], small.shape[0] / query.shape[0])
        full[:] = 0
        full[part.top : part.bottom, part.left : part.right] = 255
    shown = cv2.warpPerspective(full, matrix, size, flags=cv2.INTER_NEAREST) > 0
    pixels = np.asarray(ours, np.uint8)
    if within is not None:
        pixels[~shown] = 0
    return pixels, shown


def refined(laid: Laid, query: Pixels, excluded: Mask | None = None) -> Laid:
    """The same pair with the alignment's rest taken out; `excluded`: places that may not pull at it."""
    for _ in range(2):
        if _disagreement(laid, excluded) < EXACT:
            return laid
        correction = _correction(laid, excluded)
        if correction is None:
            return laid
        homography = correction @ laid.homography
        ours, shown = warp(query, homography, laid.size, laid.magnification, laid.within)
        better = replace(laid, query=ours, shown=shown, homography=homography / homography[2, 2])
        if _disagreement(better, excluded) >= _disagreement(laid, excluded):
            return laid  # many features are as exact as the flow, and it is their word that stands
        laid = better
        if _reach(correction, laid.size) < SETTLED_PX:
            break
    return laid


def _disagreement(laid: Laid, excluded: Mask | None) -> float:
    """Median of what is missing to a full correlation, in the windows with detail."""
    theirs, ours = blurred(grey(laid.reference), 0.7), blurred(grey(laid.query), 0.7)
    agreement, detail = correlate(theirs, ours, WINDOW)
    counted = (detail > LEAST_DETAIL) & inside(laid.shown, WINDOW)
    if excluded is not None:
        counted &= ~excluded
    return float(np.median(1.0 - agreement[counted])) if counted.any() else 0.0


def as_bright(query: Grey, reference: Grey, shown: Mask) -> Grey:
    """The query with the reference's mean and spread: flow takes brightness for motion."""
    ours, theirs = query[shown], reference[shown]
    if ours.size < 100:
        return query
    gain = float(theirs.std()) / max(1.0, float(ours.std()))
    return np.asarray((query - ours.mean()) * gain + theirs.mean(), np.float32)


def _reach(correction: Matrix, size: tuple[int, int]) -> float:
    """How far a correction moves the corners, pixels."""
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64).T
    moved = correction @ corners
    return float(np.abs(moved[:2] / moved[2] - corners[:2]).max())


def _correction(laid: Laid, excluded: Mask | None) -> Matrix | None:
    """(3, 3) that moves the laid query to where it belongs; None: nothing reliable says so."""
    theirs, ours = grey(laid.reference), grey(laid.query)
    flow = flow_between(theirs, as_bright(ours, theirs, laid.shown))
    followed = follow(ours, flow)
    agreement, detail = correlate(blurred(theirs, 1.0), blurred(followed, 1.0), WINDOW)
    length = np.hypot(flow[..., 0], flow[..., 1])
    limit = MOST_CORRECTION * max(laid.size)
    usable = (agreement > AGREES) & (detail > LEAST_DETAIL) & (length < limit) & inside(laid.shown, WINDOW)
    if excluded is not None:
        usable &= ~excluded
    grid = np.zeros_like(usable)
    grid[GRID_PX // 2 :: GRID_PX, GRID_PX // 2 :: GRID_PX] = True
    y, x = np.nonzero(usable & grid)
    if len(x) < LEAST_PLACES:
        return None
    target = np.stack([x, y], axis=1).astype(np.float32)
    if cv2.contourArea(cv2.convexHull(target)) < LEAST_SPREAD * usable.size:
        return None
    source = target + flow[y, x]
    cv2.setRNGSeed(0)
    homography, kept = cv2.findHomography(source, target, cv2.USAC_MAGSAC, 1.0, maxIters=500)
    if homography is None or not np.isfinite(homography).all() or kept.mean() < 0.3:
        return None
    return np.asarray(homography, np.float64)


def agreeing_share(laid: Laid, excluded: Mask | None = None) -> float:
    """Of the windows with detail that both show, the share that agrees closely, 0..1."""
    theirs, ours = blurred(grey(laid.reference), 1.0), blurred(grey(laid.query), 1.0)
    agreement, detail = correlate(theirs, ours, WINDOW)
    counted = (detail > LEAST_DETAIL) & inside(laid.shown, WINDOW)
    if excluded is not None:
        counted &= ~excluded
    return float((agreement[counted] > CLOSELY).mean()) if counted.any() else 0.0


def disagreeing(laid: Laid) -> Mask:
    """(h, w) where either picture has detail that the other does not: colours there say nothing."""
    theirs, ours = blurred(grey(laid.reference), 1.0), blurred(grey(laid.query), 1.0)
    agreement, detail = correlate(theirs, ours, WINDOW)
    _, detail_of_ours = correlate(ours, theirs, WINDOW)
    differs = (agreement < DISAGREES) & (np.maximum(detail, detail_of_ours) > LEAST_DETAIL)
    return np.asarray(differs & laid.shown, np.bool_)


def grey(pixels: Pixels | npt.NDArray[np.float32]) -> Grey:
    """(h, w) float32 luma, 0..255."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)


def blurred(values: Grey, deviation: float) -> Grey:
    """Gaussian blur; deviation in pixels, 0: as it is."""
    if deviation <= 0.0:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), deviation), np.float32)


def flow_between(reference: Grey, query: Grey) -> Grey:
    """(h, w, 2): where each pixel of the reference lies in the query (DIS; Kroeger et al., 2016)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.zeros((*reference.shape, 2), np.float32)
    first, second = reference.clip(0, 255).astype(np.uint8), query.clip(0, 255).astype(np.uint8)
    return np.asarray(search.calc(first, second, flow), np.float32)


def follow(query: Grey, flow: Grey) -> Grey:
    """The query with every pixel brought back to where it is in the reference."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    moved = cv2.remap(query, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    return np.asarray(moved, np.float32)


def correlate(left: Grey, right: Grey, window: int) -> tuple[Grey, Grey]:
    """Normalised cross-correlation of the windows around every pixel, and the variance of the left."""

    def mean(values: Grey) -> Grey:
        return np.asarray(cv2.boxFilter(values, -1, (window, window)), np.float32)

    mean_left, mean_right = mean(left), mean(right)
    variance = np.maximum(mean(left * left) - mean_left**2, 1e-3)
    other = np.maximum(mean(right * right) - mean_right**2, 1e-3)
    together = mean(left * right) - mean_left * mean_right
    return together / np.sqrt(variance * other), variance


def inside(shown: Mask, window: int) -> Mask:
    """Where a whole window is shown."""
    kernel = np.ones((window, window), np.uint8)
    eroded = cv2.erode(shown.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(eroded, np.bool_)
