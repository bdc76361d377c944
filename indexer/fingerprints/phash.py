"""pHash: 64 bits from the signs of a discrete cosine transform, by the package `imagehash`."""

import imagehash
import numpy as np
from PIL import Image

from indexer.fingerprints.kinds import PHASH, Fingerprint
from indexer.media.images import Pixels


def compute_phash(pixels: Pixels) -> Fingerprint:
    """One frame, (h, w, 3) uint8 sRGB, to its pHash."""
    bits = imagehash.phash(Image.fromarray(pixels), hash_size=8).hash
    return Fingerprint(PHASH.name, np.packbits(bits.ravel()).tobytes())
