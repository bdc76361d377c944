"""An operation as it was detected; what is known of its type stands in `indexer.operations`."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from indexer.operations import Certainty, Degree, OperationType

Quad = tuple[tuple[float, float], ...]  # four corners as shares of width and height
IN_PERCENT_FROM = 0.01  # of the picture
LEAST_OUTLINED, ROOM_TO_SEE = 0.06, 0.018  # shares of a side of the picture
FULL: Quad = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True)
class Operation:
    """One operation, as it was detected."""

    type: OperationType
    degree: Degree
    sentence: str
    region: Quad | None = None  # in the query
    reference_region: Quad | None = None
    measured: dict[str, float] = field(default_factory=dict)
    factor: float | None = None  # playback speed of the query against the reference
    # What leaves no doubt once it is found (mirrored, reversed, a frozen frame) says nothing else.
    certainty: Certainty = Certainty.VERY_LIKELY

    @property
    def share(self) -> float | None:
        """Share of the query that its region takes, 0..1; None where it concerns no part of it."""
        return None if self.region is None or self.region == FULL else share_of_area(self.region)


@dataclass(frozen=True)
class Frame:
    """The size of a picture in pixels as it was handed in, before any reduction."""

    width: int
    height: int


def degree_of(amount: float, clear: float, strong: float) -> Degree:
    """Returns slight below `clear`, strong from `strong` on, and clear between."""
    if amount < clear:
        return Degree.SLIGHT
    return Degree.CLEAR if amount < strong else Degree.STRONG


def certainty_of(evidence: float, very_likely_from: float) -> Certainty:
    """Returns very likely from so much evidence on, in whatever unit."""
    return Certainty.VERY_LIKELY if evidence >= very_likely_from else Certainty.LIKELY


def as_shares(corners: npt.NDArray[np.float32], width: int, height: int) -> Quad:
    """Returns (4, 2) corners in pixels as shares of the frame, cut at its edges."""
    shares = corners / np.array([max(1, width - 1), max(1, height - 1)], np.float32)
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in shares.clip(0.0, 1.0))


def is_part(quad: Quad) -> bool:
    """Whether a region is less than the whole frame."""
    return any(0.0 < share < 1.0 for corner in quad for share in corner)


def share_of_area(quad: Quad) -> float:
    """Returns the share of the frame that a region covers, 0..1 (Gauss's formula)."""
    x, y = np.array(quad, np.float64).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def size_in_words(quad: Quad, frame: Frame) -> str:
    """Says how large a region is: in pixels of the frame where a percentage would say nothing."""
    share = share_of_area(quad)
    if share >= IN_PERCENT_FROM:
        return f"{100 * share:.0f} % of the picture"
    x, y = np.array(quad, np.float64).T
    width, height = np.ptp(x) * (frame.width - 1) + 1, np.ptp(y) * (frame.height - 1) + 1
    return f"{width:.0f} by {height:.0f} pixels of {frame.width} by {frame.height}"


def to_outline(quad: Quad) -> Quad:
    """Returns the region, or a box around one that its own outline would cover."""
    x, y = np.array(quad, np.float64).T
    if max(np.ptp(x), np.ptp(y)) >= LEAST_OUTLINED:
        return quad
    left, top = (max(0.0, float(side.min()) - ROOM_TO_SEE) for side in (x, y))
    right, bottom = (min(1.0, float(side.max()) + ROOM_TO_SEE) for side in (x, y))
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def where_in_words(quad: Quad) -> str:
    """Says where the middle of a region is as a person would: "at the upper left"."""
    x = sum(corner[0] for corner in quad) / 4
    y = sum(corner[1] for corner in quad) / 4
    column = "left" if x < 0.36 else ("right" if x > 0.64 else "")
    row = "upper" if y < 0.36 else ("lower" if y > 0.64 else "")
    if row and column:
        return f"at the {row} {column}"
    if column:
        return f"on the {column}"
    return {"upper": "at the top", "lower": "at the bottom", "": "in the middle"}[row]
