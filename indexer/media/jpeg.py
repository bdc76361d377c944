"""Decodes a JPEG at one to eight eighths of its size by libjpeg-turbo, as large as it is needed.

A JPEG holds blocks of 8 x 8 frequencies. Leaving out the higher ones gives the picture at n / 8 of its
size, and costs less than decoding all of it. Pillow reduces by 2, 4 and 8 only, and would need a resize.
"""

import math

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

EIGHTHS = range(1, 9)
# Scaling to 7/8 takes libjpeg longer than decoding the whole.
MOST_REDUCED = 6
# Share of the working size that is enough: what is missing changes no fingerprint, and the next step
# would be an eighth larger.
ENOUGH = 0.97
COLOUR_SPACES = {"RGB": "RGB", "L": "GRAY"}


def decode_jpeg(payload: bytes, opened: Image.Image, scale: float) -> npt.NDArray[np.uint8] | None:
    """Decodes the JPEG that Pillow opened from `payload`, at `scale` (0..1) or the next step above it.

    Returns (h, w, 3) uint8, or (h, w) for a grey JPEG, oriented as it is stored. Returns None for what is
    left to Pillow: CMYK, arithmetic coding, and anything that this decoder warns of.
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
    """Returns the fewest eighths of `size` that nearly reach `scale`; 8 where fewer save nothing."""
    wanted = [math.floor(side * scale * ENOUGH) for side in size]
    fewest = next(
        n
        for n in EIGHTHS
        if all(_reaches(n, length, side) for length, side in zip(wanted, size, strict=True))
    )
    return fewest if fewest <= MOST_REDUCED else 8


def _reaches(eighths: int, wanted: int, side: int) -> bool:
    return math.ceil(side * eighths / 8) >= wanted
