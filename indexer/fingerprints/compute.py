"""Computes all fingerprints of one frame, and tells whether it has enough detail to be recognised."""

from dataclasses import dataclass

import numpy as np

from indexer.fingerprints.embedding import Embedder
from indexer.fingerprints.hashes import compute_hashes
from indexer.fingerprints.kinds import PDQ, Fingerprint, Vectors, pack_vector
from indexer.fingerprints.pdq import MINIMUM_QUALITY
from indexer.media.images import Pixels

MINIMUM_SIDE = 32  # pixels; below, a descriptor would describe its own interpolation


@dataclass(frozen=True)
class FrameFingerprints:
    """What was computed from one frame."""

    fingerprints: tuple[Fingerprint, ...]
    quality: int  # PDQ's, 0..100
    insufficient_detail: str | None  # why this frame cannot be told from others, in words


def fingerprint_frame(
    pixels: Pixels, *embedders: Embedder, full_size: tuple[int, int] | None = None
) -> FrameFingerprints:
    """Computes PDQ in eight orientations, pHash and descriptors of (h, w, 3) uint8 sRGB pixels.

    `full_size` is the width and height that the frame had before it was reduced.
    """
    return _with_hashes(
        pixels, full_size, {embedder.kind: embedder.embed([pixels])[0] for embedder in embedders}
    )


def fingerprint_frames(frames: list[Pixels], *embedders: Embedder) -> list[FrameFingerprints]:
    """Computes the same for several frames at once, none of which was reduced."""
    vectors = {embedder.kind: embedder.embed(frames) for embedder in embedders}
    return [
        _with_hashes(pixels, None, {kind: rows[number] for kind, rows in vectors.items()})
        for number, pixels in enumerate(frames)
    ]


def _with_hashes(
    pixels: Pixels, full_size: tuple[int, int] | None, vectors: dict[str, Vectors]
) -> FrameFingerprints:
    hashes = compute_hashes(pixels, full_size)
    quality = hashes[0].quality or 0
    described = [Fingerprint(kind, pack_vector(vector)) for kind, vector in vectors.items()]
    return FrameFingerprints((*hashes, *described), quality, why_insufficient_detail(pixels, quality))


def why_insufficient_detail(pixels: Pixels, quality: int) -> str | None:
    """Returns in words why a frame has too little detail to be recognised, or None if it has enough."""
    height, width = pixels.shape[:2]
    if min(height, width) < MINIMUM_SIDE:
        return f"only {width} x {height} pixels; at least {MINIMUM_SIDE} on each side are needed"
    if int(np.ptp(pixels)) == 0:
        return "a single colour"
    if quality < MINIMUM_QUALITY:
        return f"too little detail: PDQ quality {quality}, at least {MINIMUM_QUALITY} is needed"
    return None


def upright(fingerprints: tuple[Fingerprint, ...], kind: str) -> Fingerprint | None:
    """Returns the fingerprint of `kind` in the orientation in which the frame came."""
    upright_values = (value for value in fingerprints if value.kind == kind and value.orientation == 0)
    return next(upright_values, None)


def has_insufficient_detail(fingerprints: tuple[Fingerprint, ...]) -> bool:
    """Whether fingerprints that came without their picture are too weak to register."""
    pdq = upright(fingerprints, PDQ.name)
    return pdq is not None and (pdq.quality or 0) < MINIMUM_QUALITY
