"""Tells a head that moved by itself from one that was drawn: by what lies around the face.

In another frame of the same footage hair, ears, neck and shoulders move with the face, and keep their
finest detail on the way. Where a face alone was made to move, what is around it stays. Where a network
moved the whole head, it drew hair and neck anew at a few hundred pixels, and their finest detail is not
the original's.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.compare.faces.crops import DETAIL, FINE_DETAIL, WINDOW, Matrix, Points, cut, moved, oval_mask
from indexer.compare.warping import (
    Grey,
    Mask,
    WarpedPair,
    blurred,
    correlate,
    flow_between,
    follow,
    grey,
    with_brightness_of,
)

FACE_SIDE, SIDE = 96, 384  # px of the face, and of the square that is looked at
# Share of the square above the middle of the face: shoulders tell more than what is over a head.
ABOVE = 0.4
RING_FROM, RING_TO = 1.3, 1.9  # scales of the face's oval
FINE = 1.0  # px
AGREES = 0.9  # correlation once motion is followed, from which on the motion is known
LEAST_PLACES = 400  # px
LEAST_KNOWN = 0.5  # of what has texture around the face: where it moved must be known
MOST_PLACES = 2000  # of which the motion of the ground is estimated


@dataclass(frozen=True)
class HeadMotion:
    """How what is around a face moved, against the ground of the picture."""

    around: float  # shares of the face's longer side by which a quarter of what is around it moved at least
    fine_followed: float  # correlation of the finest detail there once motion is followed, -1..1


def head_motion(warped: WarpedPair, oval: Points, query_oval: Points) -> HeadMotion | None:
    """Measures what is around a face of both pictures; None where too little of it is shown.

    `oval`, `query_oval`: (36, 2) outlines of the reference's and the query's face, in pixels of the pair.
    """
    scale, to_square = _to_square(oval, warped.magnification)
    reference, query = (
        grey(cut(pixels, to_square, SIDE, averaged_below=0.7, oversampled=1.2))  # keeps finest detail
        for pixels in (warped.reference, warped.query)
    )
    visible = cv2.warpAffine(
        warped.shown.astype(np.uint8), to_square, (SIDE, SIDE), flags=cv2.INTER_NEAREST
    )
    shown = cv2.erode(visible, np.ones((9, 9), np.uint8), borderValue=0) > 0
    outlines = [moved(one, to_square) for one in (oval, query_oval)]

    def heads(grown: float) -> Mask:
        first, second = (oval_mask(one, (SIDE, SIDE), grown) for one in outlines)
        return first | second

    beside, far = shown & ~heads(RING_FROM), shown & ~heads(RING_TO)
    ring = beside & ~far
    flow = flow_between(reference, with_brightness_of(reference, query, shown))
    followed = follow(query, flow)
    smooth = blurred(reference, FINE), blurred(followed, FINE)
    agreement, detail = correlate(*smooth, WINDOW)
    known = (agreement > AGREES) & (detail > DETAIL)
    fine, energy = correlate(reference - smooth[0], followed - smooth[1], WINDOW)
    textured, detailed = ring & (detail > DETAIL), ring & (energy > FINE_DETAIL)
    if min(int(textured.sum()), int(detailed.sum())) < LEAST_PLACES:
        return None
    if (textured & known).sum() < LEAST_KNOWN * textured.sum():
        return None  # something lies over it, or everything is new
    ground = far & known if (far & known).sum() >= LEAST_PLACES else beside & known
    of_ground = _motion_of(ground, flow)
    if of_ground is None:
        return None
    steps = flow - of_ground
    lengths = np.hypot(steps[..., 0], steps[..., 1])[textured & known]
    return HeadMotion(
        around=float(np.percentile(lengths, 75)) / (scale * _side(oval)),
        fine_followed=float(np.median(fine[detailed])),
    )


def _side(oval: Points) -> float:
    return max(1.0, float((oval.max(axis=0) - oval.min(axis=0)).max()))


def _to_square(oval: Points, magnification: float) -> tuple[float, Matrix]:
    """Returns the scale and the (2, 3) motion that bring a face into the square, never enlarged."""
    scale = min(FACE_SIDE / _side(oval), 1.0, 1.0 / max(magnification, 1e-6))
    x, y = (oval.min(axis=0) + oval.max(axis=0)) / 2
    return scale, np.array([[scale, 0, SIDE / 2 - scale * x], [0, scale, ABOVE * SIDE - scale * y]])


def _motion_of(ground: Mask, flow: Grey) -> Grey | None:
    """Returns (h, w, 2): the motion of the ground as a similarity; None where it cannot be estimated."""
    y, x = np.nonzero(ground)
    step = max(1, len(y) // MOST_PLACES)
    y, x = y[::step], x[::step]
    places = np.stack([x, y], axis=1).astype(np.float32)
    if len(places) < LEAST_PLACES // 2:
        return None
    cv2.setRNGSeed(0)
    matrix, _ = cv2.estimateAffinePartial2D(
        places, places + flow[y, x], method=cv2.RANSAC, ransacReprojThreshold=0.5, maxIters=400
    )
    if matrix is None:
        return None
    rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    there = np.stack([columns, rows], axis=2)
    return np.asarray(there @ matrix[:, :2].T + matrix[:, 2] - there, np.float32)
