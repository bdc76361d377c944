"""How a player turns and mirrors the stored frames of a video: the display matrix of its container.

Knows the matrix as FFmpeg hands it out, from MP4 and MOV (`tkhd`), Matroska (its projection) and the
display orientation of H.264 and HEVC alike.
"""

import math
import struct
from dataclasses import dataclass

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame

from indexer.media.images import Pixels

MATRIX = struct.Struct("=9i")  # a b u c d v x y w, row by row (ISO/IEC 14496-12, 6.2.2)


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a frame down: its axes exchanged first, then mirrored."""

    transposed: bool = False
    mirrored: bool = False  # left to right
    flipped: bool = False  # top to bottom

    def upright(self, pixels: Pixels) -> Pixels:
        """Returns (h, w) or (h, w, 3) pixels as a player shows them."""
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        if self.mirrored:
            pixels = pixels[:, ::-1]
        if self.flipped:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height as shown of those stored, and the reverse."""
        return (height, width) if self.transposed else (width, height)


def orientation_of(frame: VideoFrame) -> Orientation:
    """Reads the matrix that comes with a frame; without one, or where it shows nothing, it is upright."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData) or matrix.buffer_size < MATRIX.size:
        return Orientation()
    a, b, _, c, d, *_ = MATRIX.unpack(bytes(matrix)[: MATRIX.size])
    # A point x, y is shown at a*x + c*y, b*x + d*y. Turns by other angles are taken to the nearest quarter:
    # browsers and most players show no others.
    if math.hypot(a, d) >= math.hypot(b, c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)
