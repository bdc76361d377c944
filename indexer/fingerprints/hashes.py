"""The perceptual hashes of one frame, all computed from one luminance without a model."""

from indexer.fingerprints.kinds import Fingerprint
from indexer.fingerprints.luminance import luminance_of
from indexer.fingerprints.pdq import pdq_of
from indexer.fingerprints.phash import phash_of
from indexer.media.images import Pixels


def compute_hashes(pixels: Pixels, full_size: tuple[int, int] | None = None) -> list[Fingerprint]:
    """Computes PDQ in eight orientations, then pHash, of (h, w, 3) uint8 sRGB pixels.

    `full_size` is the width and height that the frame had before it was reduced.
    """
    luminance = luminance_of(pixels)
    return [*pdq_of(luminance, full_size), phash_of(luminance)]
