"""Are two aligned pictures the same capture? Measures what agrees, what does not, and what only moved.

Features that agree prove a common scene. Another photograph of it, a second take before the same camera or
a second person in the same room agree on hundreds of them. A copy differs from its original where something
was laid over it, and agrees everywhere else, down to its finest detail. A different capture differs all
over, or shows the same things in other places. So the query is warped onto the reference and compared
window by window.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.warping import (
    Grey,
    Mask,
    WarpedPair,
    blurred,
    correlate,
    flow_between,
    follow,
    grey,
    inside,
)

LONG_SIDE = 256  # px of the reference: coarse enough that compression and noise hardly count
WINDOW = 15  # px at that size
SMOOTHING = 1.0
LEAST_DETAIL = 25.0  # variance in grey levels of 256, below which a window says nothing
WINDOW_AGREES, WINDOW_DISAGREES = 0.6, 0.3  # normalised cross-correlation
MOVED_AGREES = 0.8  # the same, of a window that was followed to where it went
LEAST_MOTION_PX = 2.0
FINE_BAND = 1.0  # px, deviation of the blur: what it removes is the finest detail
FINE_WINDOW = 25


@dataclass(frozen=True)
class DenseAgreement:
    """Shares of the windows with detail that both pictures show, 0..1."""

    agreeing: float
    disagreeing: float
    moved: float  # those that disagree in their place and agree somewhere near
    fine: float  # median correlation of the finest detail where coarse detail agrees, -1..1


def dense_agreement(pair: AlignedPair, excluded: Mask | None = None) -> DenseAgreement | None:
    """Compares the two pictures window by window; returns None where no window has detail.

    `excluded`: (h, w) places of the reference, at any size, that do not count.
    """
    query, reference, shown = _side_by_side(pair.warped_at(LONG_SIDE), excluded)
    query, reference = blurred(query, SMOOTHING), blurred(reference, SMOOTHING)
    correlation, detail = correlate(reference, query, WINDOW)
    counted = (detail > LEAST_DETAIL) & inside(shown, WINDOW)
    if counted.sum() < WINDOW**2:
        return None
    in_place = correlation[counted]
    followed, motion = _follow(reference, query)
    after, _ = correlate(reference, followed, WINDOW)
    moved = (
        (after[counted] > MOVED_AGREES) & (in_place < WINDOW_AGREES) & (motion[counted] > LEAST_MOTION_PX)
    )
    return DenseAgreement(
        agreeing=float((in_place > WINDOW_AGREES).mean()),
        disagreeing=float((in_place < WINDOW_DISAGREES).mean()),
        moved=float(moved.mean()),
        fine=_fine_agreement(pair.warped, excluded),
    )


def _fine_agreement(warped: WarpedPair, excluded: Mask | None) -> float:
    query, reference, shown = _side_by_side(warped, excluded)
    coarse, detail = correlate(blurred(reference, 2.0), blurred(query, 2.0), FINE_WINDOW)
    fine, energy = correlate(
        reference - blurred(reference, FINE_BAND), query - blurred(query, FINE_BAND), FINE_WINDOW
    )
    counted = (coarse > 0.9) & (detail > LEAST_DETAIL) & (energy > 1.0) & inside(shown, FINE_WINDOW)
    return float(np.median(fine[counted])) if counted.sum() > FINE_WINDOW**2 else 0.0


def _side_by_side(warped: WarpedPair, excluded: Mask | None) -> tuple[Grey, Grey, Mask]:
    """Returns query and reference as grey levels, and where the query shows something that counts."""
    shown = warped.shown
    if excluded is not None:
        mask = cv2.resize(excluded.astype(np.uint8), warped.size, interpolation=cv2.INTER_NEAREST)
        shown = shown & ~(mask > 0)
    return grey(warped.query), grey(warped.reference), shown


def _follow(reference: Grey, query: Grey) -> tuple[Grey, Grey]:
    """Returns the query with every pixel brought back to its place, and how far off it was, in pixels."""
    flow = flow_between(reference, query)
    return follow(query, flow), np.hypot(flow[..., 0], flow[..., 1])
