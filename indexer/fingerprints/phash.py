"""pHash: 64 bits from the signs of a discrete cosine transform, as the package `imagehash` computes it.

A grey picture is resized to 32 x 32 by Pillow's Lanczos filter, rounded after each of its two passes. The
lowest 8 x 8 coefficients of its cosine transform are compared with their median. Filter and transform are
small matrices here, cached for every length of a side.

Source: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010).
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from indexer.fingerprints.kinds import PHASH, Fingerprint
from indexer.fingerprints.luminance import Luminance, luminance_of
from indexer.media.images import Pixels

Matrix = npt.NDArray[np.float32]

GREY_SIDE, HASH_SIDE = 32, 8
LANCZOS_LOBES = 3.0
SIDES_KEPT = 256

_COSINES: Matrix = (
    2 * np.cos(np.pi / (2 * GREY_SIDE) * np.arange(HASH_SIDE)[:, None] * (2 * np.arange(GREY_SIDE) + 1))
).astype(np.float32)


def compute_phash(pixels: Pixels) -> Fingerprint:
    """Computes the pHash of (h, w, 3) uint8 sRGB pixels."""
    return phash_of(luminance_of(pixels))


def phash_of(luminance: Luminance) -> Fingerprint:
    """Computes the same from (h, w) luminance."""
    height, width = luminance.shape
    across = _rounded(np.rint(luminance) @ _lanczos(width).T)
    grey = _rounded(_lanczos(height) @ across)
    lowest = _COSINES @ grey @ _COSINES.T
    return Fingerprint(PHASH.name, np.packbits(lowest > np.median(lowest)).tobytes())


def _rounded(grey: Matrix) -> Matrix:
    return np.asarray(np.clip(np.floor(grey + 0.5), 0, 255), np.float32)


@lru_cache(maxsize=SIDES_KEPT)
def _lanczos(side: int) -> Matrix:
    """Returns the (32, side) weights by which Pillow resizes a side to 32."""
    scale = side / GREY_SIDE
    stretch = max(scale, 1.0)
    reach = LANCZOS_LOBES * stretch
    weights = np.zeros((GREY_SIDE, side))
    for place in range(GREY_SIDE):
        middle = (place + 0.5) * scale
        first, last = max(0, int(middle - reach + 0.5)), min(side, int(middle + reach + 0.5))
        away = (np.arange(first, last) - middle + 0.5) / stretch
        inside = np.where(np.abs(away) < LANCZOS_LOBES, np.sinc(away) * np.sinc(away / LANCZOS_LOBES), 0.0)
        weights[place, first:last] = inside / inside.sum()
    return weights.astype(np.float32)
