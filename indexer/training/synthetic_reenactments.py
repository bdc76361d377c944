"""Faces that were made to move, by ways that need no network: the same person at another moment.

Published pairs of re-enactments are of two systems. These families take the movement from another picture
of the same person, as lip-sync and video-driven systems do: the mouth alone, the whole inner face, or only
where the landmarks went, to which the target's own skin is bent.
"""

import random
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.compare.faces.identity import similarity_transform
from indexer.compare.faces.landmarks import LIPS, OVAL, RIGID, Landmarks
from indexer.media.images import Pixels
from indexer.training.classical_swap import main_face, open_mouth, soft_mask

Floats = npt.NDArray[np.float32]
LEAST_MOVED = 0.02  # eye distances, of the lips: with less, nothing was made to speak


class NothingMoved(ValueError):
    """The two pictures hold the mouth alike."""


def _posed(target: Landmarks, other: Landmarks) -> tuple[npt.NDArray[np.float64], Floats]:
    """Returns the (2, 3) motion that lays the other head on the target's, and its points moved so."""
    matrix = similarity_transform(
        other.points[list(RIGID)].astype(np.float64), target.points[list(RIGID)].astype(np.float64)
    )
    return matrix, np.asarray(other.points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def _scaled(polygon: Floats, factor: float) -> Floats:
    middle = polygon.mean(axis=0)
    return np.asarray((polygon - middle) * factor + middle, np.float32)


def _pasted(target: Pixels, other: Pixels, polygons: Callable[[Floats], Floats], softness: float) -> Pixels:
    """Lays a part of the other face, in the target's colours, on the same part of the target."""
    face, moment = main_face(target), main_face(other)
    matrix, posed = _posed(face, moment)
    size = target.shape[1], target.shape[0]
    moved = cv2.warpAffine(other, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    both = np.concatenate([polygons(face.points), polygons(posed)])
    hull = np.asarray(cv2.convexHull(both)[:, 0], np.float32)
    mask = soft_mask(hull, target.shape, 1.0, softness * face.eye_distance)
    inside = mask[..., 0] > 0.5
    shift = target[inside].mean(axis=0) - moved[inside].mean(axis=0)
    return np.asarray((mask * (moved + shift) + (1 - mask) * target).clip(0, 255), np.uint8)


def _mouth(points: Floats) -> Floats:
    return _scaled(points[list(LIPS)], 1.35)


def _inner_face(points: Floats) -> Floats:
    return _scaled(points[list(OVAL)], 0.82)


def _other_mouth(target: Pixels, other: Pixels, rng: random.Random) -> Pixels:
    """The mouth of another moment, as lip-sync systems draw it."""
    return _pasted(target, other, _mouth, rng.uniform(0.03, 0.07))


def _other_moment(target: Pixels, other: Pixels, rng: random.Random) -> Pixels:
    """The inner face of another moment, in the pose of this one."""
    return _pasted(target, other, _inner_face, rng.uniform(0.05, 0.1))


def _bent(target: Pixels, other: Pixels, rng: random.Random) -> Pixels:
    """The target's own skin, bent to where the landmarks went (first-order motion without a network).

    Between landmarks motion is interpolated by normalised convolution (Knutsson and Westin, 1993).
    """
    face, moment = main_face(target), main_face(other)
    _, posed = _posed(face, moment)
    still = _scaled(face.points[list(OVAL)], rng.uniform(1.15, 1.3))
    inner = np.setdiff1d(np.arange(len(face.points)), OVAL)
    places = np.concatenate([posed[inner], still])
    steps = np.concatenate([posed[inner] - face.points[inner], np.zeros_like(still)])
    height, width = target.shape[:2]
    known = np.zeros((height, width, 3), np.float32)  # both axes of the motion, and how many landmarks
    for (x, y), step in zip(np.round(places).astype(int), steps, strict=True):
        if 0 <= x < width and 0 <= y < height:
            known[y, x] += (*step, 1.0)
    spread = cv2.GaussianBlur(known, (0, 0), max(1.0, 0.08 * face.eye_distance))
    motion = spread[..., :2] / (spread[..., 2:] + 1e-4 * float(spread[..., 2].max()))
    motion *= soft_mask(face.points[list(OVAL)], target.shape, 1.05, 0.08 * face.eye_distance)
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float32)
    map_x, map_y = grid_x - motion[..., 0], grid_y - motion[..., 1]
    return np.asarray(
        cv2.remap(target, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


Family = Callable[[Pixels, Pixels, random.Random], Pixels]
FAMILIES: dict[str, Family] = {
    "other mouth": _other_mouth,
    "other moment": _other_moment,
    "bent": _bent,
}


def synthetic_reenactment(
    target: Image.Image, other: Image.Image, family: str, rng: random.Random
) -> Image.Image:
    """Returns the target with the expression of another picture of the same person. Raises NoFace.

    Raises NothingMoved where both hold the mouth alike.
    """
    ground, moment = (np.asarray(image.convert("RGB")) for image in (target, other))
    face = main_face(ground)
    _, posed = _posed(face, main_face(moment))
    lips = np.hypot(*(posed - face.points)[list(LIPS)].T)
    if float(np.median(lips)) < LEAST_MOVED * face.eye_distance:
        raise NothingMoved("both pictures hold the mouth alike")
    return Image.fromarray(FAMILIES[family](ground, moment, rng))


def opened_mouth(target: Image.Image, rng: random.Random) -> Image.Image:
    """Returns the same person with the mouth opened by a warp. Raises NoFace."""
    return open_mouth(target, rng.uniform(0.08, 0.2))
