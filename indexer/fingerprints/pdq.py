"""PDQ: 256 bits from the low frequencies of the luminance, with a quality (Meta, 2019).

Computed by Meta's own C++ code through the package `pdqhash`. Its cost is the size of the picture,
so the frame is first reduced to 640 on its short side, which keeps every result within the 10 bits
that Meta's conformance rule allows at quality 80 and more (docs/quality.md).
"""

import cv2
import numpy as np
import pdqhash

from indexer.fingerprints.kinds import PDQ, Fingerprint
from indexer.media.images import Pixels

# The dihedral group, in the order in which pdqhash returns it.
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
# Not 512: there PDQ's box filter is 4 wide, and an even width shifts the picture by half a pixel. One in
# five large photographs then leaves the 10 bits; at 640 the filter is 5 wide and none does.
REDUCED_SHORT_SIDE = 640


def compute_pdq(pixels: Pixels) -> list[Fingerprint]:
    """The eight orientations of one frame: (h, w, 3) uint8 sRGB to eight fingerprints."""
    hashes, quality = pdqhash.compute_dihedral(_reduced(pixels))
    return [
        Fingerprint(PDQ.name, np.packbits(bits).tobytes(), orientation, int(quality))
        for orientation, bits in enumerate(hashes)
    ]


def _reduced(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = REDUCED_SHORT_SIDE / min(height, width)
    if scale >= 1.0:
        return np.ascontiguousarray(pixels)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
