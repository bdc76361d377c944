"""Makes face swaps and re-enactments without a network: by landmarks, a warp and Poisson blending.

Blending after Pérez et al. (2003). The results serve demonstrations and tests, because pictures made by
published systems may not be shipped. They are cruder than what is posted.
"""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.compare.faces.crops import oval_mask
from indexer.compare.faces.detection import find_faces
from indexer.compare.faces.identity import similarity_transform
from indexer.compare.faces.landmarks import LIPS, OVAL, Landmarks, landmarks_of
from indexer.media.images import Pixels

SHRUNK = 0.92  # scale of the oval, so that hair and ears stay the target's


class NoFace(ValueError):
    """The picture shows no face to work on."""


def main_face(pixels: Pixels) -> Landmarks:
    """Returns the largest face of (h, w, 3) uint8. Raises NoFace or MissingFaceModels."""
    faces = find_faces(pixels)
    if not faces:
        raise NoFace("no face was found")
    return landmarks_of(pixels, faces[0])


def swap_face(target: Image.Image, donor: Image.Image) -> Image.Image:
    """Returns the target with the donor's face, in the target's colours. Raises NoFace."""
    ground, source = (np.asarray(image.convert("RGB")) for image in (target, donor))
    target_face = main_face(ground)
    moved = face_of_donor_in(source, target_face, ground.shape[:2])
    mask = oval_mask(target_face.points[list(OVAL)], (ground.shape[0], ground.shape[1]), SHRUNK)
    coloured = _in_colours_of(moved, ground, mask)
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    middle = left + width // 2, top + height // 2
    blended = cv2.seamlessClone(coloured, ground, 255 * mask.astype(np.uint8), middle, cv2.NORMAL_CLONE)
    return Image.fromarray(np.asarray(blended, np.uint8))


def open_mouth(image: Image.Image, amount: float = 0.16) -> Image.Image:
    """Returns the same person with the mouth opened by `amount` eye distances. Raises NoFace."""
    pixels = np.asarray(image.convert("RGB"))
    face = main_face(pixels)
    lips = face.points[list(LIPS)]
    middle, reach = lips.mean(axis=0), 0.55 * face.eye_distance
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)
    near = np.exp(-(((x - middle[0]) / reach) ** 2 + ((y - middle[1]) / reach) ** 2) * 1.6)
    below = 1 / (1 + np.exp(-(y - middle[1]) / (0.03 * face.eye_distance)))
    shift = amount * face.eye_distance * near * (2 * below - 1)
    moved = cv2.remap(
        pixels, x, (y - shift).astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    # It is dark between the lips.
    gap = np.exp(-(((x - middle[0]) / (0.26 * face.eye_distance)) ** 2))
    gap *= np.exp(-(((y - middle[1]) / (0.45 * amount * face.eye_distance)) ** 4))
    return Image.fromarray((moved * (1 - 0.8 * gap[..., None])).astype(np.uint8))


def soft_mask(
    outline: npt.NDArray[np.float32], shape: tuple[int, ...], scale: float, deviation: float
) -> npt.NDArray[np.float32]:
    """Returns (h, w, 1) 0..1: an (n, 2) outline scaled about its middle, faded by a deviation in pixels."""
    middle = outline.mean(axis=0)
    mask = np.zeros(shape[:2], np.float32)
    cv2.fillPoly(mask, [np.round((outline - middle) * scale + middle).astype(np.int32)], (1.0,))
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.6, deviation))[..., None], np.float32)


def face_of_donor_in(source: Pixels, target_face: Landmarks, shape: tuple[int, ...]) -> Pixels:
    """Returns the donor's face in the place of the target's, turned, scaled and sheared to its outline.

    Raises NoFace.
    """
    donor, target = main_face(source).points, target_face.points
    matrix = similarity_transform(donor.astype(np.float64), target.astype(np.float64))
    affine, _ = cv2.estimateAffine2D(donor, target, method=cv2.LMEDS)
    matrix = np.asarray(affine, np.float64) if affine is not None else matrix
    size = shape[1], shape[0]
    moved = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _in_colours_of(moved: Pixels, ground: Pixels, mask: np.ndarray) -> Pixels:
    """Gives each channel the mean and spread that it has in the target's face (Reinhard et al., 2001)."""
    values, wanted = moved.astype(np.float32), ground[mask].astype(np.float32)
    inside = values[mask]
    spread = wanted.std(axis=0) / np.maximum(inside.std(axis=0), 1.0)
    fitted = (values - inside.mean(axis=0)) * spread + wanted.mean(axis=0)
    return np.asarray(fitted.clip(0, 255), np.uint8)
