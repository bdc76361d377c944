"""A JPEG decoded at an eighth to eight eighths of its size by libjpeg-turbo: as much of it as is wanted.

A JPEG holds blocks of 8 x 8 frequencies; leaving out the higher ones gives the picture at n / 8 of its
size for less than decoding all of it. Pillow reduces by 2, 4 and 8 only; the rest would cost a resize.
"""

import math

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

EIGHTHS = range(1, 9)
# Scaling by 7/8 takes libjpeg longer than decoding the whole.
MOST_REDUCED = 6
# Of the working size: what is missing of a width is less than any fingerprint notices, and the next step
# is an eighth more.
ENOUGH = 0.97
COLOUR_SPACES = {"RGB": "RGB", "L": "GRAY"}


def decode_jpeg(payload: bytes, opened: Image.Image, scale: float) -> npt.NDArray[np.uint8] | None:
    """The JPEG that Pillow opened from `payload`, at `scale` (0..1) or the next step above it.

    (h, w, 3), or (h, w) of a grey one, as it is stored. None: not for this decoder (CMYK, arithmetic
    coding, anything that it warns of); Pillow knows what to make of it.
    """
    if opened.format not in ("JPEG", "MPO") or opened.mode not in COLOUR_SPACES:
        return None
    eighths = eighths_for(opened.size, scale)
    width, height = (math.ceil(side * eighths / 8) for side in opened.size)
    try:
        pixels = simplejpeg.decode_jpeg(
            payload, colorspace=COLOUR_SPACES[opened.mode], min_height=height, min_width=width
        )
    except (ValueError, MemoryError, OverflowError):
        return None
    return np.asarray(pixels if opened.mode == "RGB" else pixels[..., 0], np.uint8)


def eighths_for(size: tuple[int, int], scale: float) -> int:
    """The fewest eighths of `size` that give `scale` of it, nearly; 8 where fewer save nothing."""
    wanted = [math.floor(side * scale * ENOUGH) for side in size]
    fewest = next(
        n for n in EIGHTHS if all(_reaches(n, one, side) for one, side in zip(wanted, size, strict=True))
    )
    return fewest if fewest <= MOST_REDUCED else 8


def _reaches(eighths: int, wanted: int, side: int) -> bool:
    return math.ceil(side * eighths / 8) >= wanted
