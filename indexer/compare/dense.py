"""Are two aligned pictures the same capture? Measures what agrees, what does not, and what only moved.

Features that agree prove a common scene. Another photograph of it, a second take before the same camera or
a second person in the same room agree on hundreds of them. A copy differs from its original where something
was laid over it, and agrees everywhere else, down to its finest detail. A different capture differs all
over, or shows the same things in other places. So the query is warped onto the reference and compared
window by window.

Optical flow finds "motion" in everything that was laid over a picture: it pulls the nearest texture over.
So a window has moved only where it is found whole somewhere else, by one shift; where what stands there is
not what the reference has there anyway; and where the way back leads to the same place.
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
    with_brightness_of,
)

LONG_SIDE = 256  # px of the reference: coarse enough that compression and noise hardly count
WINDOW = 15  # px at that size
SMOOTHING = 1.0
LEAST_DETAIL = 25.0  # variance in grey levels of 256, below which a window says nothing
WINDOW_AGREES, WINDOW_DISAGREES = 0.6, 0.3  # normalised cross-correlation
MOVED_AGREES = 0.8  # the same, of a window that was followed to where it went
LEAST_MOTION_PX = 2.0
MOST_RETURN_ERROR_PX = 1.5  # there and back; flow into an overlay or a pattern does not return
WORTH_RETURNING = 0.004  # share of displaced windows below which nobody asks for the way back
INVERTED = -0.8  # correlation of a window whose light and dark were exchanged
# Share of such windows from which on they count as agreeing. Strangers laid on one another have 0.08 at
# most (1,043 pairs), solarised pictures 0.09 to 0.80.
INVERTED_IN_PART = 0.12
FINE_BAND = 1.0  # px, deviation of the blur: what it removes is the finest detail
FINE_WINDOW = 25


@dataclass(frozen=True)
class DenseAgreement:
    """Shares of the windows with detail that both pictures show, 0..1."""

    agreeing: float
    disagreeing: float
    moved: float  # those that disagree in their place and are elsewhere, there and back
    fine: float  # median correlation of the finest detail where coarse detail agrees, -1..1
    displaced: float = 0.0  # those that seem to be elsewhere, before the way back is asked for
    detailed: float = 1.0  # share of the reference that these windows cover


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
    if (correlation[counted] < INVERTED).mean() >= INVERTED_IN_PART:
        correlation = np.abs(correlation)
    in_place = correlation[counted]
    displaced, moved = _motion(reference, query, shown, correlation, counted)
    return DenseAgreement(
        agreeing=float((in_place > WINDOW_AGREES).mean()),
        disagreeing=float((in_place < WINDOW_DISAGREES).mean()),
        moved=moved,
        fine=_fine_agreement(pair.warped, excluded),
        displaced=displaced,
        detailed=float(counted.mean()),
    )


def is_inverted(pair: AlignedPair) -> bool:
    """Whether light and dark are exchanged in most windows with detail."""
    query, reference, shown = _side_by_side(pair.warped_at(LONG_SIDE), None)
    correlation, detail = correlate(blurred(reference, SMOOTHING), blurred(query, SMOOTHING), WINDOW)
    counted = (detail > LEAST_DETAIL) & inside(shown, WINDOW)
    return bool(counted.any() and (correlation[counted] < -WINDOW_AGREES).mean() > 0.5)


def _motion(
    reference: Grey, query: Grey, shown: Mask, in_place: Grey, counted: Mask
) -> tuple[float, float]:
    """Returns the shares of the `counted` windows that seem to be elsewhere, and that prove to be."""
    evened = with_brightness_of(reference, query, shown)
    flow = _window_means(flow_between(reference, evened))
    after, _ = correlate(reference, follow(query, flow), WINDOW)
    elsewhere = counted & (after > MOVED_AGREES) & (in_place < WINDOW_AGREES)
    elsewhere &= np.hypot(flow[..., 0], flow[..., 1]) > LEAST_MOTION_PX
    # What stands there agrees with the reference in its own place: texture that repeats, and no motion.
    elsewhere &= follow(in_place, flow) < WINDOW_AGREES
    displaced = float(elsewhere.sum() / counted.sum())
    if displaced < WORTH_RETURNING:
        return displaced, 0.0
    back = flow_between(evened, reference)
    error = flow + np.dstack([follow(np.ascontiguousarray(back[..., axis]), flow) for axis in (0, 1)])
    returned = elsewhere & (np.hypot(error[..., 0], error[..., 1]) < MOST_RETURN_ERROR_PX)
    return displaced, float(returned.sum() / counted.sum())


def _window_means(flow: Grey) -> Grey:
    """Returns (h, w, 2): one shift for a whole window, so that flow cannot knead it into another one."""
    return np.asarray(cv2.boxFilter(flow, -1, (WINDOW, WINDOW)), np.float32)


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
