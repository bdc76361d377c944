"""Face swaps by the ways that tools went before one network did it all, made without any of them.

Published pairs are few and of few systems. What these families have in common with the tools: a mask that
fades out inside the face (FaceSwap, 2017), a decoder that knows the face at 64 or 128 pixels only (the
first DeepFakes, 2018), colours fitted to the target, a mesh of landmarks warped triangle by triangle, and a
restoration of the face afterwards (2021 on). They are cruder than what is posted, and as varied.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.compare.faces.landmarks import OVAL, Landmarks
from indexer.media.images import Pixels
from indexer.training.classical_swap import face_of_donor_in, main_face, soft_mask

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Placed:
    """A donor's face in the place of a target's."""

    ground: Pixels  # (h, w, 3), the target
    moved: Pixels  # (h, w, 3), the donor laid on it
    face: Landmarks  # the target's
    rng: random.Random


Family = Callable[[Placed], Floats]


def _mask(placed: Placed, scale: float, softness: float) -> Floats:
    """Returns (h, w, 1): the oval, scaled about its middle, faded by a share of the face's width."""
    oval = placed.face.points[list(OVAL)]
    return soft_mask(oval, placed.ground.shape, scale, softness * float(np.ptp(oval[:, 0])))


def _toned(placed: Placed, mask: Floats) -> Floats:
    """Gives the donor's face the mean and the spread of the target's in Lab (Reinhard et al., 2001)."""
    moved, ground = (
        cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float32)
        for pixels in (placed.moved, placed.ground)
    )
    inside = mask[..., 0] > 0.5
    if inside.sum() < 50:
        return placed.moved.astype(np.float32)
    values, wanted = moved[inside], ground[inside]
    spread = (wanted.std(axis=0) / np.maximum(values.std(axis=0), 1.0)).clip(0.6, 1.6)
    fitted = (moved - values.mean(axis=0)) * spread + wanted.mean(axis=0)
    pixels = cv2.cvtColor(fitted.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    return np.asarray(pixels, np.float32)


def _joined(placed: Placed, face: Floats, mask: Floats) -> Floats:
    return np.asarray(mask * face + (1 - mask) * placed.ground, np.float32)


def _soft_mask(placed: Placed) -> Floats:
    """A mask that ends inside the face and fades over a good part of it."""
    mask = _mask(placed, placed.rng.uniform(0.62, 0.85), placed.rng.uniform(0.06, 0.13))
    return _joined(placed, _toned(placed, mask), mask)


def _features_alone(placed: Placed) -> Floats:
    """Eyes, nose and mouth alone: forehead, cheeks and jaw stay as they were."""
    mask = _mask(placed, placed.rng.uniform(0.46, 0.62), placed.rng.uniform(0.04, 0.09))
    return _joined(placed, _toned(placed, mask), mask)


def _low_resolution(placed: Placed) -> Floats:
    """As a decoder of few pixels makes it, enlarged."""
    mask = _mask(placed, placed.rng.uniform(0.8, 0.98), placed.rng.uniform(0.03, 0.07))
    toned = _toned(placed, mask)
    width = float(np.ptp(placed.face.points[list(OVAL)][:, 0]))
    factor = min(1.0, placed.rng.choice((40, 56, 80)) / max(width, 1.0))
    small = cv2.resize(toned, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    size = toned.shape[1], toned.shape[0]
    return _joined(placed, np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)), mask)


def _restored(placed: Placed) -> Floats:
    """Low resolution, then smoothed between edges and sharpened, as restoration networks leave faces."""
    coarse = _low_resolution(placed).clip(0, 255).astype(np.uint8)
    smooth = cv2.bilateralFilter(coarse, 7, 26, 5).astype(np.float32)
    sharp = smooth + 1.2 * (smooth - cv2.GaussianBlur(smooth, (0, 0), 2.0))
    mask = _mask(placed, 1.0, 0.04)
    return _joined(placed, np.asarray(sharp, np.float32), mask)


def _half_blended(placed: Placed) -> Floats:
    """The donor's features through a mask that never becomes whole."""
    mask = placed.rng.uniform(0.72, 0.88) * _mask(placed, 0.9, 0.06)
    return _joined(placed, _toned(placed, mask), mask)


def _whole_oval(placed: Placed) -> Floats:
    """The whole face with forehead and jaw, hardly faded."""
    mask = _mask(placed, placed.rng.uniform(0.95, 1.05), 0.015)
    return _joined(placed, _toned(placed, mask), mask)


FAMILIES: dict[str, Family] = {
    "features alone": _features_alone,
    "soft mask": _soft_mask,
    "low resolution": _low_resolution,
    "restored": _restored,
    "half blended": _half_blended,
    "whole oval": _whole_oval,
}


def synthetic_swap(target: Image.Image, donor: Image.Image, family: str, rng: random.Random) -> Image.Image:
    """Returns the target with the donor's face by one of `FAMILIES`. Raises NoFace."""
    ground, source = (np.asarray(image.convert("RGB")) for image in (target, donor))
    face = main_face(ground)
    placed = Placed(ground, face_of_donor_in(source, face, ground.shape[:2]), face, rng)
    return Image.fromarray(FAMILIES[family](placed).clip(0, 255).astype(np.uint8))
