"""Shows one changed place of both pictures, enlarged: what a person has to see to judge for themselves."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from indexer.compare.fine_alignment import magnification_of, resizing
from indexer.compare.geometry import Matrix, Points, project
from indexer.compare.vocabulary import FULL, Operation, Quad, is_part
from indexer.compare.warping import warp
from indexer.media.images import Pixels
from indexer.operations import OPERATIONS, Extent

LONG_SIDE = 320  # px of what is shown
MOST_ENLARGED = 8.0  # times: more shows pixels, not the picture
AROUND = 0.6  # of the longer side of a region, on each side of it
LEAST_ACROSS_PX, LEAST_DOWN_PX = (
    44.0,
    18.0,
)  # the same, of the registered picture: the word of a changed letter
MOST_OBLONG = 2.4  # width by height, and height by width
OUTSIDE_PX = 4.0  # from a region to its outline, which hides nothing of it then


@dataclass(frozen=True)
class CloseUp:
    """One place in the frame of the registered picture, (h, w, 3) uint8 of one size."""

    reference: Pixels
    query: Pixels
    region: Quad  # what was changed, as shares of the close-up's sides, with a little room around it


def has_close_up(operation: Operation) -> bool:
    """Whether an operation concerns a place in the picture that can be looked at."""
    quad = operation.reference_region
    return OPERATIONS[operation.type].extent is Extent.PART and quad is not None and is_part(quad)


def close_up(query: Pixels, reference: Pixels, homography: Matrix, region: Quad) -> CloseUp:
    """Takes a region of (h, w, 3) `reference` and the same place of (h', w', 3) `query`.

    `homography`: pixels of the query -> of the reference; `region`: shares of the reference's sides.
    """
    height, width = reference.shape[:2]
    corners: Points = np.array(region, np.float32) * np.array([width - 1, height - 1], np.float32)
    left, top, right, bottom = _around(corners, width, height)
    enlarged = min(LONG_SIDE / max(right - left, bottom - top), MOST_ENLARGED)
    size = max(1, round(enlarged * (right - left))), max(1, round(enlarged * (bottom - top)))
    shown = reference[top:bottom, left:right]
    moved = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)
    to_close_up = np.asarray(resizing(shown, size) @ moved, np.float64)
    from_query = np.asarray(to_close_up @ homography, np.float64)
    interpolation = cv2.INTER_AREA if enlarged < 1 else cv2.INTER_LINEAR
    before = cv2.resize(shown, size, interpolation=interpolation)
    after, _ = warp(query, from_query, size, magnification_of(from_query, query))
    return CloseUp(np.asarray(before, np.uint8), after, _outline(project(to_close_up, corners), size))


def _around(corners: Points, width: int, height: int) -> tuple[int, int, int, int]:
    """Returns a box around corners in pixels, with what lies next to it, inside the picture."""
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), (corners.max(axis=0) + 1).tolist()
    margin = AROUND * max(right - left, bottom - top)
    across = right - left + 2 * max(LEAST_ACROSS_PX, margin)
    down = bottom - top + 2 * max(LEAST_DOWN_PX, margin)
    across, down = max(across, down / MOST_OBLONG), max(down, across / MOST_OBLONG)
    across, down = min(across, width), min(down, height)
    left = min(max(0.0, (left + right - across) / 2), width - across)
    top = min(max(0.0, (top + bottom - down) / 2), height - down)
    return int(left), int(top), min(width, math.ceil(left + across)), min(height, math.ceil(top + down))


def _outline(corners: Points | None, size: tuple[int, int]) -> Quad:
    if corners is None:
        return FULL
    sides = np.array(size, np.float32)
    low = ((corners.min(axis=0) - OUTSIDE_PX) / sides).clip(0, 1).tolist()
    high = ((corners.max(axis=0) + OUTSIDE_PX) / sides).clip(0, 1).tolist()
    return ((low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1]))
