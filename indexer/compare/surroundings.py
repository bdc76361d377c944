"""What lies around a picture inside a larger one: more of the same picture, or something it was placed in?

A crop was cut out of a picture that goes on beyond its border: edges, texture and colours run across. A
screenshot, a border or a collage begins at a straight seam, where the steps from pixel to pixel are larger
than on both sides of it.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from indexer.compare.geometry import Matrix, Points, project
from indexer.compare.warping import Grey, Mask, grey, warp
from indexer.media.images import Pixels

LONG_SIDE = 384  # px of the inner picture
MARGIN = 24  # px that are looked at on either side of its border
LEAST_DEPTH = 7  # px that must be shown beyond the border
SHOWN = 0.9  # share of a row that must be shown
CORNERS = 0.06  # share of a side that is left out at both ends
TOLERANCE = 4  # px by which the border may lie elsewhere
LEAST_SIDE = 48  # px
# Measured on 340 sides of crops and 660 of borders, screenshots, memes and collages: docs/quality.md.
SEAM_RATIO, SEAM_STANDS_OUT = 3.0, 0.45
CONTINUES_RATIO, CONTINUES_ACROSS, CONTINUES_STANDS_OUT = 1.8, 0.5, 0.35
MIRRORED = 0.9  # correlation with the mirror image of the inside, from which on it is padding
ACROSS_PX = 3


class Surroundings(StrEnum):
    """What lies around a picture."""

    CONTINUES = "continues"
    FRAMED = "framed"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Border:
    """One side of the inner picture, as it looks in the outer one."""

    step_ratio: float  # the largest step near the border, in units of the steps around it
    stands_out: float  # share of the side's length where that step is larger than those around it
    across: float  # correlation of the rows on either side of it, -1..1
    mirrored: float  # correlation of what lies outside with the mirror image of what lies inside, -1..1

    @property
    def is_seam(self) -> bool:
        """Whether something else begins here."""
        return self.step_ratio > SEAM_RATIO and self.stands_out > SEAM_STANDS_OUT

    @property
    def continues(self) -> bool:
        """Whether the picture runs on."""
        return (
            self.step_ratio < CONTINUES_RATIO
            and self.stands_out < CONTINUES_STANDS_OUT
            and self.across > CONTINUES_ACROSS
            and self.mirrored < MIRRORED
        )


def surroundings(outer: Pixels, homography: Matrix, size: tuple[int, int]) -> Surroundings:
    """Says what surrounds a picture of `size` (width, height) in `outer`, (h, w, 3) uint8.

    `homography`: (3, 3) pixels of the outer picture -> pixels of the inner one.
    """
    borders = borders_of(outer, homography, size)
    seams, running = sum(border.is_seam for border in borders), sum(border.continues for border in borders)
    if seams and not running:
        return Surroundings.FRAMED
    if running and not seams and 2 * running > len(borders):
        return Surroundings.CONTINUES
    return Surroundings.UNCLEAR


def borders_of(outer: Pixels, homography: Matrix, size: tuple[int, int]) -> list[Border]:
    """Measures the sides of the inner picture beyond which the outer one shows something."""
    width, height = size
    corners: Points = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    in_outer = project(np.asarray(np.linalg.inv(homography), np.float64), corners)
    if in_outer is None:
        return []
    magnification = float(np.sqrt(width * height / max(cv2.contourArea(in_outer), 1.0)))
    scale = min(LONG_SIDE / max(size), 1.0 / magnification)  # the outer picture is never magnified
    inner = round(width * scale), round(height * scale)
    if min(inner) < LEAST_SIDE:
        return []
    move = np.array([[inner[0] / width, 0, MARGIN], [0, inner[1] / height, MARGIN], [0, 0, 1]])
    framed = inner[0] + 2 * MARGIN, inner[1] + 2 * MARGIN
    pixels, shown = warp(outer, move @ homography, framed, magnification * scale)
    values = grey(pixels)
    borders = [_border(np.rot90(values, turn), np.rot90(shown, turn)) for turn in range(4)]
    return [border for border in borders if border is not None]


def _border(values: Grey, shown: Mask) -> Border | None:
    """Measures the upper side; None where hardly anything is shown beyond it."""
    length = values.shape[1] - 2 * MARGIN
    along = np.s_[MARGIN + int(CORNERS * length) : MARGIN + length - int(CORNERS * length)]
    rows = values[: 2 * MARGIN, along]
    hidden = shown[:MARGIN, along].mean(axis=1) < SHOWN
    first = int(np.flatnonzero(hidden)[-1]) + 2 if hidden.any() else 0  # warping mixes in black before it
    if MARGIN - first < LEAST_DEPTH:
        return None
    steps = np.abs(np.diff(rows, axis=0))
    mean_steps = steps.mean(axis=1)
    places = np.arange(first, 2 * MARGIN - 2)
    near = places[np.abs(places - (MARGIN - 1)) <= TOLERANCE]
    around = places[np.abs(places - (MARGIN - 1)) > TOLERANCE + 1]
    if len(around) < LEAST_DEPTH:
        return None
    at = int(near[np.argmax(mean_steps[near])])
    beside = [
        place for place in range(max(first, at - 8), min(2 * MARGIN - 1, at + 9)) if abs(place - at) > 2
    ]
    soft = cv2.GaussianBlur(rows, (0, 0), 1.0)
    outside, inside = max(first, at + 1 - ACROSS_PX), min(2 * MARGIN - 1, at + ACROSS_PX)
    return Border(
        step_ratio=float(mean_steps[at] / (np.median(mean_steps[around]) + 0.5)),
        stands_out=float((steps[at] > 2 * np.median(steps[beside], axis=0) + 6).mean()),
        across=_correlation(soft[outside], soft[inside]),
        mirrored=max(_mirrored(rows, first, int(place)) for place in near),
    )


def _mirrored(rows: Grey, first: int, at: int) -> float:
    depth = min(at + 1 - first, 10)
    return (
        _correlation(rows[at + 1 - depth : at + 1][::-1], rows[at + 1 : at + 1 + depth])
        if depth > 3
        else 0.0
    )


def _correlation(left: Grey, right: Grey) -> float:
    left, right = left - left.mean(), right - right.mean()
    spread = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float((left * right).sum()) / spread if spread > 1e-3 else 0.0
