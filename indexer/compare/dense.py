"""Do two aligned pictures show the same moment? What agrees, what does not, and what only moved.

Features that agree prove a common scene. Another photograph of it, a second take before the same camera, a
second person in the same room agree on hundreds of them. A copy differs from its original where something
was laid over it, and agrees everywhere else, to its finest detail; another shot differs all over, or shows
the same things in other places. So the upload is laid on the reference, window by window.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.geometry import Alignment
from indexer.media.images import Pixels

LONG_SIDE = 256  # of the reference, coarse enough that compression and noise hardly count
WINDOW = 15  # pixels of it
SMOOTHING = 1.0
LEAST_DETAIL = 25.0  # variance in grey levels of 256, below which a window says nothing
AGREES, DISAGREES = 0.6, 0.3  # normalised cross-correlation
MOVED_AGREES = 0.8  # of a disagreeing window that is followed to where it went
LEAST_MOTION = 2.0  # pixels
FINE_LONG_SIDE = 512
FINE_BAND = 1.0  # standard deviation of the blur whose difference is the finest detail
FINE_WINDOW = 25

Grey = npt.NDArray[np.float32]  # (h, w)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DenseAgreement:
    """Shares of the windows with detail in what both pictures show, 0..1."""

    agreeing: float
    disagreeing: float
    moved: float  # disagree in their place and agree somewhere near
    fine: float  # correlation of the finest detail where the coarse agrees, -1..1


def dense_agreement(query: Pixels, reference: Pixels, alignment: Alignment) -> DenseAgreement | None:
    """Compare (h, w, 3) uint8 frames in the reference's place. None: nothing there has detail."""
    ours, theirs, shown = _side_by_side(query, reference, alignment, LONG_SIDE)
    ours, theirs = _blurred(ours, SMOOTHING), _blurred(theirs, SMOOTHING)
    correlation, detail = _correlate(theirs, ours, WINDOW)
    counted = (detail > LEAST_DETAIL) & _inside(shown, WINDOW)
    if counted.sum() < WINDOW**2:
        return None
    in_place = correlation[counted]
    followed, motion = _follow(theirs, ours)
    after, _ = _correlate(theirs, followed, WINDOW)
    moved = (after[counted] > MOVED_AGREES) & (in_place < AGREES) & (motion[counted] > LEAST_MOTION)
    return DenseAgreement(
        agreeing=float((in_place > AGREES).mean()),
        disagreeing=float((in_place < DISAGREES).mean()),
        moved=float(moved.mean()),
        fine=_fine_agreement(query, reference, alignment),
    )


def _fine_agreement(query: Pixels, reference: Pixels, alignment: Alignment) -> float:
    ours, theirs, shown = _side_by_side(query, reference, alignment, FINE_LONG_SIDE)
    coarse, detail = _correlate(_blurred(theirs, 2.0), _blurred(ours, 2.0), FINE_WINDOW)
    fine, energy = _correlate(
        theirs - _blurred(theirs, FINE_BAND), ours - _blurred(ours, FINE_BAND), FINE_WINDOW
    )
    counted = (coarse > 0.9) & (detail > LEAST_DETAIL) & (energy > 1.0) & _inside(shown, FINE_WINDOW)
    return float(np.median(fine[counted])) if counted.sum() > FINE_WINDOW**2 else 0.0


def _side_by_side(
    query: Pixels, reference: Pixels, alignment: Alignment, long_side: int
) -> tuple[Grey, Grey, Mask]:
    """The query in the reference's place, the reference, and where the query shows anything."""
    height, width = reference.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    theirs = cv2.cvtColor(cv2.resize(reference, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    # Reduced first: a warp that shrinks by itself reads single pixels and aliases.
    shrink = min(1.0, scale * alignment.scale)
    small = query
    if shrink < 1.0:
        least = 16 / min(query.shape[:2])
        factor = min(1.0, max(shrink, least))
        reduced = cv2.resize(query, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        small = np.asarray(reduced, np.uint8)
    to_query = np.diag([query.shape[1] / small.shape[1], query.shape[0] / small.shape[0], 1.0])
    to_small = np.diag([size[0] / width, size[1] / height, 1.0])
    homography = to_small @ alignment.homography @ to_query
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    ours = cv2.warpPerspective(grey, homography, size, flags=cv2.INTER_LINEAR)
    shown = cv2.warpPerspective(np.full_like(grey, 255), homography, size, flags=cv2.INTER_NEAREST) > 0
    return ours.astype(np.float32), theirs.astype(np.float32), shown


def _blurred(values: Grey, deviation: float) -> Grey:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), deviation), np.float32)


def _correlate(left: Grey, right: Grey, window: int) -> tuple[Grey, Grey]:
    """Normalised cross-correlation of the windows around every pixel, and the variance of the left."""

    def mean(values: Grey) -> Grey:
        return np.asarray(cv2.boxFilter(values, -1, (window, window)), np.float32)

    mean_left, mean_right = mean(left), mean(right)
    variance = np.maximum(mean(left * left) - mean_left**2, 1e-3)
    other = np.maximum(mean(right * right) - mean_right**2, 1e-3)
    together = mean(left * right) - mean_left * mean_right
    return together / np.sqrt(variance * other), variance


def _inside(shown: Mask, window: int) -> Mask:
    """Where a whole window is shown."""
    kernel = np.ones((window, window), np.uint8)
    eroded = cv2.erode(shown.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(eroded, np.bool_)


def _follow(reference: Grey, query: Grey) -> tuple[Grey, Grey]:
    """The query with every window brought back to where it is in the reference, and how far it was.

    Dense inverse search (Kroeger et al., 2016).
    """
    flow_of = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.zeros((*reference.shape, 2), np.float32)
    flow = np.asarray(flow_of.calc(reference.astype(np.uint8), query.astype(np.uint8), flow), np.float32)
    y, x = np.mgrid[: reference.shape[0], : reference.shape[1]].astype(np.float32)
    followed = cv2.remap(query, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    return np.asarray(followed, np.float32), np.hypot(flow[..., 0], flow[..., 1])
