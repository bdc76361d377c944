"""All fingerprints of one frame, and whether it can be fingerprinted at all."""

from dataclasses import dataclass

import numpy as np

from indexer.fingerprints.embedders import Embedder
from indexer.fingerprints.kinds import PDQ, Fingerprint, pack_vector
from indexer.fingerprints.pdq import MINIMUM_QUALITY, compute_pdq
from indexer.fingerprints.phash import compute_phash
from indexer.media.images import Pixels

MINIMUM_SIDE = 32  # below, a descriptor reads its own interpolation


@dataclass(frozen=True)
class FrameFingerprints:
    """What was computed from one frame."""

    fingerprints: tuple[Fingerprint, ...]
    quality: int  # PDQ's, 0..100
    too_plain: str | None  # why this frame cannot be told from others, in words


def fingerprint_frame(pixels: Pixels, *embedders: Embedder) -> FrameFingerprints:
    """PDQ in eight orientations, pHash and descriptors of (h, w, 3) uint8 sRGB pixels."""
    return fingerprint_frames([pixels], *embedders)[0]


def fingerprint_frames(frames: list[Pixels], *embedders: Embedder) -> list[FrameFingerprints]:
    """The same of several frames at once."""
    vectors = {one.kind: one.embed(frames) for one in embedders}
    found = []
    for number, pixels in enumerate(frames):
        pdq = compute_pdq(pixels)
        quality = pdq[0].quality or 0
        described = [Fingerprint(kind, pack_vector(rows[number])) for kind, rows in vectors.items()]
        values = (*pdq, compute_phash(pixels), *described)
        found.append(FrameFingerprints(values, quality, why_too_plain(pixels, quality)))
    return found


def why_too_plain(pixels: Pixels, quality: int) -> str | None:
    """The reason why a frame has too little in it to be recognised, or None."""
    height, width = pixels.shape[:2]
    if min(height, width) < MINIMUM_SIDE:
        return f"only {width} x {height} pixels; at least {MINIMUM_SIDE} on each side are needed"
    if int(np.ptp(pixels)) == 0:
        return "a single colour"
    if quality < MINIMUM_QUALITY:
        return f"too little detail: PDQ quality {quality}, at least {MINIMUM_QUALITY} is needed"
    return None


def upright(fingerprints: tuple[Fingerprint, ...], kind: str) -> Fingerprint | None:
    """The fingerprint of `kind` in the orientation in which the frame came."""
    return next((one for one in fingerprints if one.kind == kind and one.orientation == 0), None)


def is_too_plain(fingerprints: tuple[Fingerprint, ...]) -> bool:
    """Whether fingerprints that came without their picture are too weak to register."""
    pdq = upright(fingerprints, PDQ.name)
    return pdq is not None and (pdq.quality or 0) < MINIMUM_QUALITY
