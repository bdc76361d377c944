"""An operation as it was detected; what is known of its type stands in `indexer.operations`."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from indexer.operations import Degree, OperationType

Quad = tuple[tuple[float, float], ...]  # four corners as shares of width and height
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


def as_shares(corners: npt.NDArray[np.float32], width: int, height: int) -> Quad:
    """Returns (4, 2) corners in pixels as shares of the frame, cut at its edges."""
    shares = corners / np.array([max(1, width - 1), max(1, height - 1)], np.float32)
    return tuple((round(float(x), 3), round(float(y), 3)) for x, y in shares.clip(0.0, 1.0))


def is_part(quad: Quad) -> bool:
    """Whether a region is less than the whole frame."""
    return any(0.0 < share < 1.0 for corner in quad for share in corner)


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
