"""Refines an alignment of local features by dense optical flow.

Features leave an error of one or two pixels, which is as much as a retouched face leaves. The flow between
the two pictures measures that error everywhere. Only places that agree once the flow is followed take part,
so that what was changed cannot pull the alignment towards itself.
"""

from dataclasses import replace

import cv2
import numpy as np

from indexer.compare.geometry import Matrix
from indexer.compare.lazy import LazyProperty
from indexer.compare.warping import (
    Grey,
    Mask,
    ScaledCopies,
    WarpedPair,
    Windows,
    blurred,
    correlation,
    flow_between,
    follow,
    grey,
    inside,
    warp,
    windows,
    with_brightness_of,
)
from indexer.media.images import Pixels

GRID_PX = 8  # spacing of the places that take part
WINDOW = 15
LEAST_DETAIL = 20.0  # variance in grey levels of 256
AGREES_ALONG_FLOW = 0.85  # normalised cross-correlation once the flow is followed
MOST_CORRECTION = 0.02  # of the long side; what lies further off is no error of the alignment
AGREES_CLOSELY, SHOWS_SOMETHING_ELSE = 0.95, 0.5  # normalised cross-correlation in place
LEAST_PLACES = 24
EXACT = 0.004  # missing to a full correlation, below which there is nothing to gain
LAST_CORRECTION_PX = 0.4  # a correction that moves no corner further than this is the last
LEAST_SPREAD = 0.15  # of the picture, spanned by the places that take part; below it nothing is corrected


class _ImageStatistics:
    """One picture of a pair in grey levels, and the statistics of its windows, each computed once."""

    def __init__(self, picture: Pixels | Grey) -> None:
        self.grey = grey(picture) if picture.ndim == 3 else np.asarray(picture, np.float32)

    @LazyProperty
    def fine(self) -> Windows:
        """Returns the windows of the picture, hardly blurred."""
        return windows(blurred(self.grey, 0.7), WINDOW)

    @LazyProperty
    def coarse(self) -> Windows:
        """Returns the windows of the picture, blurred by a pixel."""
        return windows(blurred(self.grey, 1.0), WINDOW)


class PairStatistics:
    """What is measured of a warped pair, each quantity once, whichever places are excluded later."""

    def __init__(self, warped: WarpedPair, reference: _ImageStatistics | None = None) -> None:
        self.warped = warped
        self.reference = reference or _ImageStatistics(warped.reference)
        self.query = _ImageStatistics(warped.query)

    def with_homography(self, query: Pixels | ScaledCopies, homography: Matrix) -> "PairStatistics":
        """Returns the statistics of the same pictures, `query` warped anew by another homography."""
        warped = self.warped
        moved, shown = warp(query, homography, warped.size, warped.magnification, warped.within)
        warped = replace(warped, query=moved, shown=shown, homography=homography / homography[2, 2])
        return PairStatistics(warped, self.reference)

    def whole_windows_outside(self, excluded: Mask | None) -> Mask:
        """Returns (h, w): where a whole window is shown whose middle is not excluded."""
        return self._whole_windows if excluded is None else self._whole_windows & ~excluded

    @LazyProperty
    def _whole_windows(self) -> Mask:
        return inside(self.warped.shown, WINDOW)

    @LazyProperty
    def fine_agreement(self) -> Grey:
        """Returns (h, w): the correlation of the hardly blurred pictures in place, -1..1."""
        return correlation(self.reference.fine, self.query.fine)

    @LazyProperty
    def coarse_agreement(self) -> Grey:
        """Returns (h, w): the correlation of the blurred pictures in place, -1..1."""
        return correlation(self.reference.coarse, self.query.coarse)

    @LazyProperty
    def flow(self) -> Grey:
        """Returns (h, w, 2): how far, in pixels, each pixel of the reference lies off in the query."""
        reference, query = self.reference.grey, self.query.grey
        return flow_between(reference, with_brightness_of(reference, query, self.warped.shown))

    @LazyProperty
    def agreement_along_flow(self) -> Grey:
        """Returns (h, w): the correlation of the blurred pictures once the flow is followed, -1..1."""
        return correlation(
            self.reference.coarse, _ImageStatistics(follow(self.query.grey, self.flow)).coarse
        )


def refine_alignment(
    statistics: PairStatistics, query: Pixels | ScaledCopies, excluded: Mask | None = None
) -> PairStatistics:
    """Returns the pair by an alignment corrected at most twice; `excluded` places do not pull at it.

    `query`: (h, w, 3) uint8 as it was before it was warped.
    """
    for _ in range(2):
        if _disagreement(statistics, excluded) < EXACT:
            return statistics
        correction = _correction(statistics, excluded)
        if correction is None:
            return statistics
        corrected = statistics.with_homography(query, correction @ statistics.warped.homography)
        if _disagreement(corrected, excluded) >= _disagreement(statistics, excluded):
            return statistics  # many features can be as exact as the flow; then their alignment stands
        statistics = corrected
        if _reach(correction, statistics.warped.size) < LAST_CORRECTION_PX:
            break
    return statistics


def agreeing_share(statistics: PairStatistics, excluded: Mask | None = None) -> float:
    """Returns the share of the windows with detail that agree closely, 0..1."""
    counted = (statistics.reference.coarse.variance > LEAST_DETAIL) & statistics.whole_windows_outside(
        excluded
    )
    return float((statistics.coarse_agreement[counted] > AGREES_CLOSELY).mean()) if counted.any() else 0.0


def disagreeing_places(statistics: PairStatistics) -> Mask:
    """Returns (h, w): where one picture has detail that the other lacks, so that colours say nothing."""
    detail = np.maximum(statistics.reference.coarse.variance, statistics.query.coarse.variance)
    return np.asarray(
        (statistics.coarse_agreement < SHOWS_SOMETHING_ELSE)
        & (detail > LEAST_DETAIL)
        & statistics.warped.shown,
        np.bool_,
    )


def _disagreement(statistics: PairStatistics, excluded: Mask | None) -> float:
    """Returns the median of what is missing to a full correlation in the windows with detail."""
    counted = (statistics.reference.fine.variance > LEAST_DETAIL) & statistics.whole_windows_outside(
        excluded
    )
    return float(np.median(1.0 - statistics.fine_agreement[counted])) if counted.any() else 0.0


def _reach(correction: Matrix, size: tuple[int, int]) -> float:
    """Returns how far a correction moves the corners at most, in pixels."""
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64).T
    moved = correction @ corners
    return float(np.abs(moved[:2] / moved[2] - corners[:2]).max())


def _correction(statistics: PairStatistics, excluded: Mask | None) -> Matrix | None:
    """Returns (3, 3) that moves the warped query to where it belongs; None where no reliable places say."""
    flow = statistics.flow
    usable = (
        (statistics.agreement_along_flow > AGREES_ALONG_FLOW)
        & (statistics.reference.coarse.variance > LEAST_DETAIL)
        & (np.hypot(flow[..., 0], flow[..., 1]) < MOST_CORRECTION * max(statistics.warped.size))
        & statistics.whole_windows_outside(excluded)
    )
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
