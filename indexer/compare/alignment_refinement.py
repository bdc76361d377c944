"""An alignment of features put right by dense flow.

Features leave an error of one or two pixels, as large as what a retouched face leaves. The flow between the
two pictures says where the rest of it is; only places that agree once they are followed take part, so that
what was changed cannot pull the alignment to itself.
"""

from dataclasses import replace
from functools import cached_property

import cv2
import numpy as np

from indexer.compare.geometry import Matrix
from indexer.compare.warping import (
    Grey,
    Mask,
    WarpedPair,
    Windows,
    as_bright,
    blurred,
    correlation,
    flow_between,
    follow,
    grey,
    inside,
    warp,
    windows,
)
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


class _ImageStatistics:
    """One of the two pictures."""

    def __init__(self, picture: Pixels | Grey) -> None:
        self.grey = grey(picture) if picture.ndim == 3 else np.asarray(picture, np.float32)

    @cached_property
    def fine(self) -> Windows:
        """Hardly blurred."""
        return windows(blurred(self.grey, 0.7), WINDOW)

    @cached_property
    def coarse(self) -> Windows:
        """Blurred by a pixel."""
        return windows(blurred(self.grey, 1.0), WINDOW)


class PairStatistics:
    """Two laid pictures and what is measured of them, each once: who asks next may exclude other places."""

    def __init__(self, warped: WarpedPair, reference: _ImageStatistics | None = None) -> None:
        self.warped = warped
        self.reference = reference or _ImageStatistics(warped.reference)
        self.query = _ImageStatistics(warped.query)

    def with_homography(self, query: Pixels, homography: Matrix) -> "PairStatistics":
        """The same pair by another homography."""
        warped = self.warped
        ours, shown = warp(query, homography, warped.size, warped.magnification, warped.within)
        better = replace(warped, query=ours, shown=shown, homography=homography / homography[2, 2])
        return PairStatistics(better, self.reference)

    def whole_windows_outside(self, excluded: Mask | None) -> Mask:
        """(h, w) where a whole window is shown and none of `excluded` is its middle."""
        return self._whole_windows if excluded is None else self._whole_windows & ~excluded

    @cached_property
    def _whole_windows(self) -> Mask:
        return inside(self.warped.shown, WINDOW)

    @cached_property
    def fine_agreement(self) -> Grey:
        """(h, w) -1..1."""
        return correlation(self.reference.fine, self.query.fine)

    @cached_property
    def coarse_agreement(self) -> Grey:
        """(h, w) -1..1, of the blurred pictures."""
        return correlation(self.reference.coarse, self.query.coarse)

    @cached_property
    def flow(self) -> Grey:
        """(h, w, 2): where each pixel of the reference lies in the query."""
        theirs, ours = self.reference.grey, self.query.grey
        return flow_between(theirs, as_bright(ours, theirs, self.warped.shown))

    @cached_property
    def agreement_along_flow(self) -> Grey:
        """(h, w) -1..1, of the blurred pictures, every pixel brought back by the flow."""
        return correlation(
            self.reference.coarse, _ImageStatistics(follow(self.query.grey, self.flow)).coarse
        )


def refine_alignment(
    statistics: PairStatistics, query: Pixels, excluded: Mask | None = None
) -> PairStatistics:
    """The same pair with the alignment's rest taken out; `excluded`: places that may not pull at it.

    `query`: (h, w, 3) uint8 as it was before it was warped.
    """
    for _ in range(2):
        if _disagreement(statistics, excluded) < EXACT:
            return statistics
        correction = _correction(statistics, excluded)
        if correction is None:
            return statistics
        better = statistics.with_homography(query, correction @ statistics.warped.homography)
        if _disagreement(better, excluded) >= _disagreement(statistics, excluded):
            return statistics  # many features are as exact as the flow, and it is their word that stands
        statistics = better
        if _reach(correction, statistics.warped.size) < SETTLED_PX:
            break
    return statistics


def agreeing_share(statistics: PairStatistics, excluded: Mask | None = None) -> float:
    """Of the windows with detail that both show, the share that agrees closely, 0..1."""
    counted = (statistics.reference.coarse.variance > LEAST_DETAIL) & statistics.whole_windows_outside(
        excluded
    )
    return float((statistics.coarse_agreement[counted] > CLOSELY).mean()) if counted.any() else 0.0


def disagreeing_places(statistics: PairStatistics) -> Mask:
    """(h, w) where either picture has detail that the other does not: colours there say nothing."""
    detail = np.maximum(statistics.reference.coarse.variance, statistics.query.coarse.variance)
    return np.asarray(
        (statistics.coarse_agreement < DISAGREES) & (detail > LEAST_DETAIL) & statistics.warped.shown,
        np.bool_,
    )


def _disagreement(statistics: PairStatistics, excluded: Mask | None) -> float:
    """Median of what is missing to a full correlation, in the windows with detail."""
    counted = (statistics.reference.fine.variance > LEAST_DETAIL) & statistics.whole_windows_outside(
        excluded
    )
    return float(np.median(1.0 - statistics.fine_agreement[counted])) if counted.any() else 0.0


def _reach(correction: Matrix, size: tuple[int, int]) -> float:
    """How far a correction moves the corners, pixels."""
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64).T
    moved = correction @ corners
    return float(np.abs(moved[:2] / moved[2] - corners[:2]).max())


def _correction(statistics: PairStatistics, excluded: Mask | None) -> Matrix | None:
    """(3, 3) that moves the laid query to where it belongs; None: nothing reliable says so."""
    flow = statistics.flow
    usable = (
        (statistics.agreement_along_flow > AGREES)
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
