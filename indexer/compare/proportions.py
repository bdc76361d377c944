"""Tells whether an upload's proportions are those of the registered picture, or were changed.

A stretch is seen in the alignment: a pixel of the upload is as wide as so many of the reference, and as
high as another number of them. A crop or a frame changes the shape of a picture and neither number; sizes
are rounded to whole pixels, which changes the ratio by less than a pixel of the smaller side.
"""

from dataclasses import dataclass

import numpy as np

from indexer.compare.geometry import Matrix, Points, project
from indexer.compare.vocabulary import FULL, Operation, certainty_of, degree_of
from indexer.operations import OperationType

# Of 309 edited copies that keep their proportions none is off by more than 0.009: docs/quality.md.
TOLERANCE = 0.03
SKEW_TOLERANCE = 0.05  # cosine between the axes: beyond it the picture was sheared or tilted
SAME_SKEW = 0.005  # upright, both are right; the first is then meant
LEAST_AT_CORNERS = 0.5  # of the stretch in the middle, as logarithms: else it was photographed at an angle
CLEAR, STRONG = 1.1, 1.35  # ratio of the two sizes: from 1.1 on a person looks slimmer or broader


@dataclass(frozen=True)
class Stretch:
    """How large the query shows the reference along its two axes, in pixels of it per pixel."""

    across: float
    down: float

    @property
    def ratio(self) -> float:
        """Returns the width that is left where the height is kept, 1.0 for kept proportions."""
        return self.across / self.down

    @property
    def least_resized(self) -> float:
        """Returns the factor of the axis that was resized less; 1.0 where one grew and the other shrank."""
        low, high = sorted((self.across, self.down))
        return low if low > 1.0 else min(1.0, high)


def measure_stretch(
    homography: Matrix, query: tuple[int, int], reference: tuple[int, int]
) -> Stretch | None:
    """Returns the stretch where an affine map of the axes, turned or not, is one; None where it is none.

    `homography`: (3, 3) query pixels -> reference pixels; sizes as width and height in pixels.
    """
    right, bottom = reference[0] - 1.0, reference[1] - 1.0
    corners: Points = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float32)
    there = project(np.asarray(np.linalg.inv(homography), np.float64), corners)
    if there is None:
        return None
    shown = there.astype(np.float64).clip(0, np.array(query, np.float64) - 1)
    back = _back(homography, shown.mean(axis=0))
    # Stretched and then turned, it keeps the right angles of the reference; else those of the query.
    turns_last = _skew(back) <= _skew(back.T) + SAME_SKEW
    back = back if turns_last else back.T
    stretch = _sizes(back)
    wanted = float(np.log(stretch.ratio))
    if _skew(back) > SKEW_TOLERANCE or abs(wanted) < TOLERANCE + 1 / min(*query, *reference):
        return None
    for corner in shown:
        at_corner = _back(homography, corner)
        ratio = _sizes(at_corner if turns_last else at_corner.T).ratio
        if float(np.log(ratio)) / wanted < LEAST_AT_CORNERS:
            return None
    return stretch


def stretched(stretch: Stretch) -> Operation:
    """Says by how much the proportions were changed, as the side that became too small."""
    word, side, share = (
        ("narrower", "width", stretch.ratio)
        if stretch.ratio < 1
        else ("flatter", "height", 1 / stretch.ratio)
    )
    return Operation(
        OperationType.STRETCHED,
        degree_of(1 / share, CLEAR, STRONG),
        f"Stretched: made {word}, its {side} is about {100 * share:.0f} percent of what the original's "
        "proportions ask for.",
        FULL,
        FULL,
        {"width_to_height": round(stretch.ratio, 3)},
        certainty=certainty_of(1 / share, CLEAR),
    )


def _back(homography: Matrix, place: Matrix) -> Matrix:
    """Returns (2, 2): how far a step of a pixel of the reference leads at a (2,) place of the query."""
    u, v, w = homography @ np.array([place[0], place[1], 1.0])
    steps = (homography[:2, :2] * w - np.outer((u, v), homography[2, :2])) / w**2
    return np.asarray(np.linalg.pinv(steps), np.float64)


def _sizes(back: Matrix) -> Stretch:
    across, down = np.maximum(np.linalg.norm(back, axis=0), 1e-6)
    return Stretch(float(across), float(down))


def _skew(back: Matrix) -> float:
    """Returns the cosine of the angle between the axes after the map, 0 where it is a right one."""
    sizes = _sizes(back)
    return abs(float(back[:, 0] @ back[:, 1])) / (sizes.across * sizes.down)
