"""Pictures with the PDQ value of another picture, made as somebody who knows the algorithm makes them."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from indexer.fingerprints.luminance import luminance_of
from indexer.fingerprints.pdq import COEFFICIENTS, SAMPLES, compute_pdq
from indexer.media.images import Pixels

Array = npt.NDArray[Any]

MOST_STEPS = 400
MARGIN = 4.0  # how far beyond the median a coefficient is moved
_FREQUENCY = np.arange(1, COEFFICIENTS + 1)[:, None]
_COSINES = np.sqrt(2 / SAMPLES) * np.cos(np.pi / (2 * SAMPLES) * _FREQUENCY * (2 * np.arange(SAMPLES) + 1))


def with_pdq_of(target: Pixels, picture: Pixels, most_bits: int) -> Pixels:
    """Moves coarse coefficients of `picture` until all but `most_bits` of its bits are those wanted."""
    wanted = _bits(target)
    height, width = picture.shape[:2]
    forged = picture.astype(np.float32)
    for _ in range(MOST_STEPS):
        pixels = _as_pixels(forged)
        wrong = _bits(pixels) != wanted
        if wrong.sum() <= most_bits:
            return pixels
        coefficients = _coefficients(pixels)
        beyond = np.median(coefficients) - coefficients
        step = np.where(wanted, np.maximum(beyond, 0) + MARGIN, np.minimum(beyond, 0) - MARGIN)
        pattern = _COSINES.T @ np.where(wrong, step, 0.0) @ _COSINES
        forged += cv2.resize(pattern.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)[
            ..., None
        ]
    raise AssertionError("the value was not reached")


def _bits(pixels: Pixels) -> Array:
    """Returns (16, 16) truth values in the order of the coefficients."""
    bits = np.unpackbits(np.frombuffer(compute_pdq(pixels)[0].value, np.uint8))[::-1]
    return bits.reshape(COEFFICIENTS, COEFFICIENTS).astype(bool)


def _coefficients(pixels: Pixels) -> Array:
    size = SAMPLES, SAMPLES
    samples = cv2.resize(luminance_of(pixels).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(_COSINES @ samples @ _COSINES.T)


def _as_pixels(values: Array) -> Pixels:
    return np.asarray(np.clip(values, 0, 255).round(), np.uint8)
