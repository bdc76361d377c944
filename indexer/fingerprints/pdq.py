"""PDQ: 256 bits from the low frequencies of the luminance, with a quality (Meta, 2019).

Meta's algorithm smooths a picture twice by a box of a 128th of its sides, takes 64 x 64 samples, and
compares 16 x 16 coefficients of their cosine transform with the median of these. All but the median is
linear, so that two cached matrices of 64 rows, one for each side, replace the smoothed copy of the picture.
A picture that was decoded at a smaller size is smoothed as at its full size, which comes nearer to the
value of the full picture than smoothing the reduced one.

Source: "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing algorithm" (Facebook, 2019), and
Meta's C++ code for the edges of a picture, which the text leaves open.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from indexer.fingerprints.kinds import PDQ, Fingerprint
from indexer.fingerprints.luminance import Luminance, luminance_of
from indexer.media.images import Pixels

Matrix = npt.NDArray[np.float32]

# The dihedral group in the order of Meta's code.
ORIENTATIONS = (
    "upright",
    "rotated_90",
    "rotated_180",
    "rotated_270",
    "flipped_vertically",
    "mirrored",
    "transposed",
    "transversed",
)
MINIMUM_QUALITY = 50  # Meta discards values of 49 and below
SAMPLES, COEFFICIENTS = 64, 16  # along each side
SIDES_KEPT = 256  # matrices in memory, each of at most 4 KiB per 16 pixels of its side
# Meta divides the sum of gradients by this to get 0..100.
GRADIENTS_AT_FULL_QUALITY = 90

_FREQUENCY = np.arange(1, COEFFICIENTS + 1)[:, None]
_COSINES: Matrix = (
    np.sqrt(2 / SAMPLES) * np.cos(np.pi / (2 * SAMPLES) * _FREQUENCY * (2 * np.arange(SAMPLES) + 1))
).astype(np.float32)
# Turning a picture over changes the sign of its odd frequencies.
_SIGN: Matrix = np.where(np.arange(1, COEFFICIENTS + 1) % 2, -1, 1).astype(np.float32)


def compute_pdq(pixels: Pixels, full_size: tuple[int, int] | None = None) -> list[Fingerprint]:
    """Computes eight fingerprints of (h, w, 3) uint8 sRGB pixels, one for each orientation.

    `full_size` is the width and height that the frame had before it was reduced.
    """
    return pdq_of(luminance_of(pixels), full_size)


def pdq_of(luminance: Luminance, full_size: tuple[int, int] | None = None) -> list[Fingerprint]:
    """Computes the same from (h, w) luminance."""
    height, width = luminance.shape
    full_width, full_height = full_size or (width, height)
    rows, columns = _sampling(height, max(full_height, height)), _sampling(width, max(full_width, width))
    samples = np.asarray(rows @ luminance @ columns.T, np.float32)
    quality = _quality(samples)
    coefficients = np.asarray(_COSINES @ samples @ _COSINES.T, np.float32)
    turned = _orientations(coefficients).reshape(len(ORIENTATIONS), -1)
    # Meta takes the lower of the two middle values as the median of an even count.
    middle = (turned.shape[1] - 1) // 2
    medians = np.partition(turned, middle, axis=1)[:, middle, None]
    # Meta numbers the bits from the end.
    codes = np.packbits((turned > medians)[:, ::-1], axis=1)
    return [
        Fingerprint(PDQ.name, code.tobytes(), orientation, quality)
        for orientation, code in enumerate(codes)
    ]


def _orientations(upright: Matrix) -> Matrix:
    """Turns the (16, 16) coefficients of a frame into the (8, 16, 16) ones of its orientations."""
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


def turned_codes(upright: bytes) -> list[bytes]:
    """The eight values that one value implies, up to the bits of coefficients near the median.

    Turning a picture over swaps coefficients or changes their sign, and a median near zero hardly moves: of
    596 photographs the values that were computed differ from these in 8 bits as a rule and in 32 at most,
    and unrelated ones in about 128.
    """
    bits = np.unpackbits(np.frombuffer(upright, np.uint8))[::-1]
    signs = np.where(bits.reshape(COEFFICIENTS, COEFFICIENTS), 1, -1).astype(np.float32)
    turned = _orientations(signs).reshape(len(ORIENTATIONS), -1) > 0
    return [code.tobytes() for code in np.packbits(turned[:, ::-1], axis=1)]


def _quality(samples: Matrix) -> int:
    """Returns 0..100 for how much neighbouring samples differ, in whole percents as Meta counts them."""
    steps = (np.trunc(np.diff(samples, axis=axis) * 100 / 255) for axis in (0, 1))
    return int(min(100, sum(int(np.abs(step).sum()) for step in steps) // GRADIENTS_AT_FULL_QUALITY))


@lru_cache(maxsize=SIDES_KEPT)
def _sampling(side: int, full_side: int) -> Matrix:
    """Returns (64, side) weights of every pixel in each sample, for a side that was `full_side` long."""
    weights = _sampling_in_full(full_side)
    if side == full_side:
        return weights.astype(np.float32)
    # A pixel of the reduced side covers several pixels of the full side.
    borders = np.arange(side + 1) * (full_side / side)
    up_to = np.concatenate([np.zeros((SAMPLES, 1)), np.cumsum(weights, axis=1)], axis=1)
    at_borders = np.stack([np.interp(borders, np.arange(full_side + 1), row) for row in up_to])
    return np.diff(at_borders, axis=1).astype(np.float32)


def _sampling_in_full(side: int) -> npt.NDArray[np.float64]:
    """Returns (64, side) weights that smooth twice by a box and sample the middle of every 64th."""
    window = (side + 2 * SAMPLES - 1) // (2 * SAMPLES)
    ahead = (window + 2) // 2 - 1  # an even window reaches one pixel farther ahead
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
