"""Finds the 468 points of MediaPipe's face mesh (Kartynnik et al., 2019), read by OpenCV."""

import threading
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.faces.detection import FaceBox
from indexer.compare.faces.weights import LANDMARKS, weight_path
from indexer.media.images import Pixels

SIDE = 192
MARGIN = 1.5  # of the detector's box, as in the training of the mesh
# Indices of the mesh: corners of the eyes and below the nose, in the order of dlib's five points.
FIVE = (263, 362, 33, 133, 2)
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327)  # corners of the eyes, the nose
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
EYES = (33, 133, 159, 145, 362, 263, 386, 374, 70, 300, 107, 336)  # both, with their brows
_LOCK = threading.Lock()

Points = npt.NDArray[np.float32]  # (n, 2) pixels


@dataclass(frozen=True)
class Landmarks:
    """A face mesh in pixels of its picture."""

    points: Points  # (468, 2)
    confidence: float  # that a face is there, 0..1
    turned: float  # how far the head is turned: 0 towards the camera, 1 in profile

    @property
    def eye_distance(self) -> float:
        """Returns the distance between the outer corners of the eyes, in pixels."""
        return float(np.hypot(*(self.points[33] - self.points[263])))


def landmarks_of(pixels: Pixels, face: FaceBox) -> Landmarks:
    """Returns the mesh of one face that was found in (h, w, 3) uint8 sRGB. Raises MissingFaceModels."""
    (lx, ly), (rx, ry) = face.left_eye, face.right_eye
    angle = float(np.arctan2(ry - ly, rx - lx))
    centre = (face.left + face.right) / 2, (face.top + face.bottom) / 2
    extent = MARGIN * max(face.width, face.height)
    cosine, sine = np.cos(angle), np.sin(angle)
    to_picture = np.array(
        [
            [cosine * extent / SIDE, -sine * extent / SIDE, 0.0],
            [sine * extent / SIDE, cosine * extent / SIDE, 0.0],
        ]
    )
    to_picture[:, 2] = np.array(centre) - to_picture[:, :2] @ np.array([SIDE / 2, SIDE / 2])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(pixels, to_picture, (SIDE, SIDE), flags=how)
    blob = np.ascontiguousarray(crop.astype(np.float32).transpose(2, 0, 1)[None] / 255.0)
    mesh, flag = _forward(blob)
    points = mesh[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
    return Landmarks(points.astype(np.float32), 1 / (1 + float(np.exp(-flag))), _turned(mesh))


def _turned(mesh: npt.NDArray[np.float32]) -> float:
    """Returns the sine of the angle by which the head is turned, from the depth of the two cheeks."""
    across = mesh[454] - mesh[234]
    return float(abs(across[2]) / max(float(np.linalg.norm(across)), 1e-6))


def _forward(blob: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], float]:
    with _LOCK:
        network = _network()
        network.setInput(blob)
        outputs = network.forward(list(network.getUnconnectedOutLayersNames()))
    mesh = next(output for output in outputs if output.size == 3 * 468).reshape(468, 3)
    flag = next(output for output in outputs if output.size == 1)
    return np.array(mesh, np.float32), float(np.clip(flag.ravel()[0], -60, 60))


@cache
def _network() -> cv2.dnn.Net:
    return cv2.dnn.readNetFromTFLite(str(weight_path(LANDMARKS)), cv2.dnn.ENGINE_CLASSIC)
