"""Do two aligned pictures show the same moment? What agrees, what does not, and what only moved.

Features that agree prove a common scene. Another photograph of it, a second take before the same camera, a
second person in the same room agree on hundreds of them. A copy differs from its original where something
was laid over it, and agrees everywhere else, to its finest detail; another shot differs all over, or shows
the same things in other places. So the upload is laid on the reference, window by window.
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

LONG_SIDE = 256  # of the reference, coarse enough that compression and noise hardly count
WINDOW = 15  # pixels of it
SMOOTHING = 1.0
LEAST_DETAIL = 25.0  # variance in grey levels of 256, below which a window says nothing
AGREES, DISAGREES = 0.6, 0.3  # normalised cross-correlation
MOVED_AGREES = 0.8  # of a disagreeing window that is followed to where it went
LEAST_MOTION = 2.0  # pixels
FINE_BAND = 1.0  # standard deviation of the blur whose difference is the finest detail
FINE_WINDOW = 25


@dataclass(frozen=True)
class DenseAgreement:
    """Shares of the windows with detail in what both pictures show, 0..1."""

    agreeing: float
    disagreeing: float
    moved: float  # disagree in their place and agree somewhere near
    fine: float  # correlation of the finest detail where the coarse agrees, -1..1


def dense_agreement(pair: AlignedPair, excluded: Mask | None = None) -> DenseAgreement | None:
    """Compares the two pictures in the reference's place, window by window. None: nothing there has detail.

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
    moved = (after[counted] > MOVED_AGREES) & (in_place < AGREES) & (motion[counted] > LEAST_MOTION)
    return DenseAgreement(
        agreeing=float((in_place > AGREES).mean()),
        disagreeing=float((in_place < DISAGREES).mean()),
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
    """The query with every window brought back to where it is in the reference, and how far it was."""
    flow = flow_between(reference, query)
    return follow(query, flow), np.hypot(flow[..., 0], flow[..., 1])
