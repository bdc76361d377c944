"""Hashes of lists that others keep, computed by the library with which such lists are made.

The only module that runs `imagehash`. Its values depend on Pillow's conversion to grey and its Lanczos
filter; both are pinned with it (constraints.txt). A change of any value would be a new version of the kind.
"""

from collections.abc import Callable, Collection

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.fingerprints.kinds import (
    AHASH,
    COLORHASH,
    CROP_RESISTANT,
    DHASH,
    KINDS,
    WHASH,
    Fingerprint,
)
from indexer.media.images import Pixels

Bits = npt.NDArray[np.bool_]


def compute_hash_list_kinds(pixels: Pixels, kinds: Collection[str]) -> list[Fingerprint]:
    """The upright values of one frame, (h, w, 3) uint8 sRGB, of these kinds, in the order of `kinds`.

    A crop-resistant hash has a fingerprint for each segment, and none where the library cannot cut one of
    its segments out of a very small picture.
    """
    picture = Image.fromarray(pixels)
    return [
        Fingerprint(name, np.packbits(bits).tobytes().ljust(KINDS[name].size // 8, b"\0"))
        for name in kinds
        for bits in _BITS_OF[name](picture)
    ]


def _segments(picture: Image.Image) -> list[Bits]:
    try:
        found = imagehash.crop_resistant_hash(picture).segment_hashes
    except ValueError:  # a segment without a whole pixel
        return []
    return [np.asarray(segment.hash) for segment in found]


_BITS_OF: dict[str, Callable[[Image.Image], list[Bits]]] = {
    AHASH.name: lambda picture: [np.asarray(imagehash.average_hash(picture).hash)],
    DHASH.name: lambda picture: [np.asarray(imagehash.dhash(picture).hash)],
    WHASH.name: lambda picture: [np.asarray(imagehash.whash(picture).hash)],
    COLORHASH.name: lambda picture: [np.asarray(imagehash.colorhash(picture, binbits=3).hash)],
    CROP_RESISTANT.name: _segments,
}
