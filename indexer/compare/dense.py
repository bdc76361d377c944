"""Do two aligned pictures show the same moment? What agrees, what does not, and what only moved.

Features that agree prove a common scene. Another photograph of it, a second take before the same camera, a
second person in the same room agree on hundreds of them. A copy differs from its original where something
was laid over it, and agrees everywhere else, to its finest detail; another shot differs all over, or shows
the same things in other places. So the upload is laid on the reference, window by window.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.compare.geometry import Alignment
from indexer.compare.warping import (
    Grey,
    Mask,
    blurred,
    correlate,
    flow_between,
    follow,
    grey,
    inside,
    warp_pair,
)
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


@dataclass(frozen=True)
class DenseAgreement:
    """Shares of the windows with detail in what both pictures show, 0..1."""

    agreeing: float
    disagreeing: float
    moved: float  # disagree in their place and agree somewhere near
    fine: float  # correlation of the finest detail where the coarse agrees, -1..1


def dense_agreement(
    query: Pixels, reference: Pixels, alignment: Alignment, excluded: Mask | None = None
) -> DenseAgreement | None:
    """Compare (h, w, 3) uint8 frames in the reference's place. None: nothing there has detail.

    `excluded`: (h', w') places of the reference, at any size, that do not count.
    """
    ours, theirs, shown = _side_by_side(query, reference, alignment, LONG_SIDE)
    shown = _at_size(excluded, shown)
    ours, theirs = blurred(ours, SMOOTHING), blurred(theirs, SMOOTHING)
    correlation, detail = correlate(theirs, ours, WINDOW)
    counted = (detail > LEAST_DETAIL) & inside(shown, WINDOW)
    if counted.sum() < WINDOW**2:
        return None
    in_place = correlation[counted]
    followed, motion = _follow(theirs, ours)
    after, _ = correlate(theirs, followed, WINDOW)
    moved = (after[counted] > MOVED_AGREES) & (in_place < AGREES) & (motion[counted] > LEAST_MOTION)
    return DenseAgreement(
        agreeing=float((in_place > AGREES).mean()),
        disagreeing=float((in_place < DISAGREES).mean()),
        moved=float(moved.mean()),
        fine=_fine_agreement(query, reference, alignment, excluded),
    )


def _fine_agreement(query: Pixels, reference: Pixels, alignment: Alignment, excluded: Mask | None) -> float:
    ours, theirs, shown = _side_by_side(query, reference, alignment, FINE_LONG_SIDE)
    shown = _at_size(excluded, shown)
    coarse, detail = correlate(blurred(theirs, 2.0), blurred(ours, 2.0), FINE_WINDOW)
    fine, energy = correlate(
        theirs - blurred(theirs, FINE_BAND), ours - blurred(ours, FINE_BAND), FINE_WINDOW
    )
    counted = (coarse > 0.9) & (detail > LEAST_DETAIL) & (energy > 1.0) & inside(shown, FINE_WINDOW)
    return float(np.median(fine[counted])) if counted.sum() > FINE_WINDOW**2 else 0.0


def _side_by_side(
    query: Pixels, reference: Pixels, alignment: Alignment, long_side: int
) -> tuple[Grey, Grey, Mask]:
    """The query in the reference's place, the reference, and where the query shows anything."""
    warped = warp_pair(query, reference, alignment, long_side)
    return grey(warped.query), grey(warped.reference), warped.shown


def _at_size(mask: Mask | None, shown: Mask) -> Mask:
    """`shown` without the places of a mask of another size."""
    if mask is None:
        return shown
    size = shown.shape[1], shown.shape[0]
    return shown & ~(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)


def _follow(reference: Grey, query: Grey) -> tuple[Grey, Grey]:
    """The query with every window brought back to where it is in the reference, and how far it was."""
    flow = flow_between(reference, query)
    return follow(query, flow), np.hypot(flow[..., 0], flow[..., 1])
