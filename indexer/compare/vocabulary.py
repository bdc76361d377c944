"""The vocabulary of what can be done to a reference.

`sdk.models.operations` publishes the same words with their terms of C2PA, IPTC and schema.org; a test
compares them.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt


class OperationType(StrEnum):
    """One thing done to the reference."""

    RE_ENCODED = "re-encoded"
    RESIZED = "resized"
    COLOUR = "colour"
    CROPPED = "cropped"
    MIRRORED = "mirrored"
    ROTATED = "rotated"
    BORDERED = "bordered"
    EMBEDDED = "embedded"
    OVERLAY = "overlay"
    LOCAL_EDIT = "local_edit"
    FACE_SWAP = "face_swap"
    FACE_REENACTED = "face_reenacted"
    FACE_EDITED = "face_edited"
    FACE_COVERED = "face_covered"
    COMPOSITE = "composite"
    RETIMED = "retimed"
    REVERSED = "reversed"
    CLIPPED = "clipped"
    REORDERED = "reordered"
    LOOPED = "looped"
    CONCATENATED = "concatenated"
    FRAME_OVERLAY = "frame_overlay"
    AUDIO_REPLACED = "audio_replaced"
    AUDIO_RETIMED = "audio_retimed"
    PICTURES_REPLACED = "pictures_replaced"


# What a person must know first comes first.
GRAVITY = (
    OperationType.FACE_SWAP,
    OperationType.FACE_REENACTED,
    OperationType.COMPOSITE,
    OperationType.LOCAL_EDIT,
    OperationType.REVERSED,
    OperationType.REORDERED,
    OperationType.RETIMED,
    OperationType.PICTURES_REPLACED,
    OperationType.AUDIO_REPLACED,
    OperationType.FACE_EDITED,
    OperationType.FACE_COVERED,
    OperationType.FRAME_OVERLAY,
    OperationType.OVERLAY,
)
Quad = tuple[tuple[float, float], ...]  # four corners as shares of width and height
FULL: Quad = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True)
class Operation:
    """One operation, as it was detected."""

    type: OperationType
    strength: str  # slight, clear or strong
    sentence: str
    region: Quad | None = None  # in the query
    reference_region: Quad | None = None
    measured: dict[str, float] = field(default_factory=dict)
    factor: float | None = None  # playback speed of the query against the reference


@dataclass(frozen=True)
class Frame:
    """Size of a picture as it was handed in, before any reduction."""

    width: int
    height: int


def strength_word(amount: float, clear: float, strong: float) -> str:
    """Slight below `clear`, strong from `strong` on."""
    if amount < clear:
        return "slight"
    return "clear" if amount < strong else "strong"


def as_shares(corners: npt.NDArray[np.float32], width: int, height: int) -> Quad:
    """(4, 2) corners in pixels as shares of the frame, cut at its edges."""
    shares = corners / np.array([max(1, width - 1), max(1, height - 1)], np.float32)
    return tuple((round(float(x), 3), round(float(y), 3)) for x, y in shares.clip(0.0, 1.0))


def where_in_words(quad: Quad) -> str:
    """The middle of a region as a person would say it: "at the upper left"."""
    x = sum(corner[0] for corner in quad) / 4
    y = sum(corner[1] for corner in quad) / 4
    column = "left" if x < 0.36 else ("right" if x > 0.64 else "")
    row = "upper" if y < 0.36 else ("lower" if y > 0.64 else "")
    if row and column:
        return f"at the {row} {column}"
    if column:
        return f"on the {column}"
    return {"upper": "at the top", "lower": "at the bottom", "": "in the middle"}[row]
