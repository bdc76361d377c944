"""PDQ: 256 bits from the low frequencies of the luminance, with a quality (Meta, 2019).

Meta's algorithm smooths a picture twice by a box of a 128th of its sides, takes 64 x 64 samples, and of
their cosine transform the signs of 16 x 16 coefficients against their median. All of it but the median is
linear, so here it is two matrices of 64 rows, one for each side, which are kept: 64 rows instead of a
smoothed copy of the picture. A picture that was decoded at a lower size is smoothed as at its own, which
comes nearer to the value of the full picture than smoothing what is left.

Source: "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing algorithm" (Facebook, 2019), and
what Meta's C++ code does at the edges of a picture, which the text leaves open.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from indexer.fingerprints.kinds import PDQ, Fingerprint
from indexer.fingerprints.luminance import Luminance, luminance_of
from indexer.media.images import Pixels

Matrix = npt.NDArray[np.float32]

# The dihedral group, in the order in which Meta's code returns it.
ORIENTATIONS = (
    "upright",
    "rotated 90",
    "rotated 180",
    "rotated 270",
    "flipped vertically",
    "mirrored",
    "transposed",
    "transversed",
)
MINIMUM_QUALITY = 50  # Meta discards 49 and below
SAMPLES, COEFFICIENTS = 64, 16  # of a side
SIDES_KEPT = 256  # matrices of so many sides stay in memory, at most 4 KiB for 16 pixels of a side each
# What Meta divides the sum of gradients by to come to 0..100.
GRADIENTS_AT_FULL_QUALITY = 90

_FREQUENCY = np.arange(1, COEFFICIENTS + 1)[:, None]
_COSINES: Matrix = (
    np.sqrt(2 / SAMPLES) * np.cos(np.pi / (2 * SAMPLES) * _FREQUENCY * (2 * np.arange(SAMPLES) + 1))
).astype(np.float32)
# Turning a picture over changes the sign of its odd frequencies.
_SIGN: Matrix = np.where(np.arange(1, COEFFICIENTS + 1) % 2, -1, 1).astype(np.float32)


def compute_pdq(pixels: Pixels, full_size: tuple[int, int] | None = None) -> list[Fingerprint]:
    """The eight orientations of one frame: (h, w, 3) uint8 sRGB to eight fingerprints.

    `full_size`: width and height that it had before it was reduced.
    """
    return pdq_of(luminance_of(pixels), full_size)


def pdq_of(luminance: Luminance, full_size: tuple[int, int] | None = None) -> list[Fingerprint]:
    """The same of (h, w) luminance."""
    height, width = luminance.shape
    full_width, full_height = full_size or (width, height)
    rows, columns = _sampling(height, max(full_height, height)), _sampling(width, max(full_width, width))
    samples = np.asarray(rows @ luminance @ columns.T, np.float32)
    quality = _quality(samples)
    coefficients = np.asarray(_COSINES @ samples @ _COSINES.T, np.float32)
    turned = _orientations(coefficients).reshape(len(ORIENTATIONS), -1)
    # Meta's median of an even count is the lower of the two in the middle.
    middle = (turned.shape[1] - 1) // 2
    medians = np.partition(turned, middle, axis=1)[:, middle, None]
    # Meta numbers the bits from the end.
    codes = np.packbits((turned > medians)[:, ::-1], axis=1)
    return [
        Fingerprint(PDQ.name, code.tobytes(), orientation, quality)
        for orientation, code in enumerate(codes)
    ]


def _orientations(upright: Matrix) -> Matrix:
    """(16, 16) coefficients of a frame to (8, 16, 16) of its orientations."""
    down, across = _SIGN[:, None], _SIGN[None, :]
    turned_over = upright.T
    return np.stack(
        [
            upright,
            turned_over * down,
            upright * down * across,
            turned_over * across,
            upright * down,
            upright * across,
            turned_over,
            turned_over * down * across,
        ]
    )


def _quality(samples: Matrix) -> int:
    """0..100: how much changes between neighbouring samples; whole percents are counted, as Meta does."""
    steps = (np.trunc(np.diff(samples, axis=axis) * 100 / 255) for axis in (0, 1))
    return int(min(100, sum(int(np.abs(one).sum()) for one in steps) // GRADIENTS_AT_FULL_QUALITY))


@lru_cache(maxsize=SIDES_KEPT)
def _sampling(side: int, full_side: int) -> Matrix:
    """(64, side): what every pixel of a side gives to each sample, when the side was `full_side` long."""
    weights = _sampling_in_full(full_side)
    if side == full_side:
        return weights.astype(np.float32)
    # A pixel of the reduced side is an area of the full one.
    borders = np.arange(side + 1) * (full_side / side)
    up_to = np.concatenate([np.zeros((SAMPLES, 1)), np.cumsum(weights, axis=1)], axis=1)
    at_borders = np.stack([np.interp(borders, np.arange(full_side + 1), one) for one in up_to])
    return np.diff(at_borders, axis=1).astype(np.float32)


def _sampling_in_full(side: int) -> npt.NDArray[np.float64]:
    """(64, side): smoothed twice by a box, then sampled in the middle of every 64th."""
    window = (side + 2 * SAMPLES - 1) // (2 * SAMPLES)
    ahead = (window + 2) // 2 - 1  # an even window reaches one farther ahead
    place = np.arange(side)
    first = np.maximum(place - (window - 1 - ahead), 0)
    last = np.minimum(place + ahead, side - 1)
    share = 1.0 / (last - first + 1)
    weights = np.zeros((SAMPLES, side + 1))
    for sample in range(SAMPLES):
        middle = int((sample + 0.5) * side / SAMPLES)
        seen = slice(first[middle], last[middle] + 1)
        np.add.at(weights[sample], first[seen], share[middle] * share[seen])
        np.add.at(weights[sample], last[seen] + 1, -share[middle] * share[seen])
    return np.cumsum(weights, axis=1)[:, :side]
