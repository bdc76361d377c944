"""Finds faces with BlazeFace (Bazarevsky et al., 2019), a near and a far network, read by OpenCV.

The near network sees faces that fill a good part of the picture, the far one those of a tenth of its side.
Still smaller faces are looked for where something changed.
"""

import threading
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.faces.weights import DETECTOR_FAR, DETECTOR_NEAR, WeightFile, weight_path
from indexer.media.images import Pixels

LEAST_CONFIDENCE = 0.5
SAME_FACE_OVERLAP = 0.3  # intersection over union, above which two detections are one face
NEAR_SIDE = 128
FAR_SIDE = 192
LARGE_SHARE = 0.15  # of the width: where one face is so large, small ones do not matter
QUARTER, QUARTER_SIDE = 0.6, 192  # of the picture's sides, overlapping; px of the network's input
MOST_FACES = 24
LEAST_PART_PX = 16
# OpenCV's networks are not safe to call from two threads.
_LOCK = threading.Lock()

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FaceBox:
    """A face in pixels of its picture."""

    left: float
    top: float
    right: float
    bottom: float
    confidence: float
    left_eye: tuple[float, float]  # the eye that lies left in an upright picture
    right_eye: tuple[float, float]

    @property
    def width(self) -> float:
        """Returns the width of the box in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Returns the height of the box in pixels."""
        return self.bottom - self.top


def find_faces(pixels: Pixels) -> list[FaceBox]:
    """Finds faces in (h, w, 3) uint8 sRGB, largest first. Raises MissingFaceModels."""
    found = _detect(DETECTOR_NEAR, pixels, NEAR_SIDE) + _detect(DETECTOR_FAR, pixels, FAR_SIDE)
    return distinct_faces(found)


def find_all_faces(pixels: Pixels) -> list[FaceBox]:
    """Finds faces; where none is large, searches the four quarters of the picture too."""
    found = find_faces(pixels)
    if any(face.width > LARGE_SHARE * pixels.shape[1] for face in found):
        return found
    height, width = pixels.shape[:2]
    high, wide = round(QUARTER * height), round(QUARTER * width)
    for top in (0, height - high):
        for left in (0, width - wide):
            found += find_faces_in(pixels, left, top, left + wide, top + high, QUARTER_SIDE)
    return distinct_faces(found)


def find_faces_in(
    pixels: Pixels, left: int, top: int, right: int, bottom: int, side: int = NEAR_SIDE
) -> list[FaceBox]:
    """Finds faces in one part of a picture, too small to be seen in the whole; in pixels of the whole."""
    part = np.ascontiguousarray(pixels[max(0, top) : bottom, max(0, left) : right])
    if min(part.shape[:2]) < LEAST_PART_PX:
        return []
    found = _detect(DETECTOR_NEAR, part, side)
    return distinct_faces([_shifted(face, max(0, left), max(0, top)) for face in found])


def distinct_faces(found: list[FaceBox]) -> list[FaceBox]:
    """Keeps the surest detection of each face; returns the largest faces first."""
    kept: list[FaceBox] = []
    for face in sorted(found, key=lambda face: -face.confidence):
        if all(overlap(face, other) < SAME_FACE_OVERLAP and not _is_within(face, other) for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.width)[:MOST_FACES]


def find_face_near(pixels: Pixels, box: FaceBox) -> FaceBox | None:
    """Looks closely at a place where a face is expected; returns None where there is none."""
    x, y, half = (box.left + box.right) / 2, (box.top + box.bottom) / 2, max(box.width, box.height)
    found = find_faces_in(pixels, int(x - half), int(y - half), int(x + half) + 1, int(y + half) + 1)
    best = max(found, key=lambda face: overlap(face, box), default=None)
    return best if best is not None and overlap(best, box) >= SAME_FACE_OVERLAP else None


def overlap(face: FaceBox, other: FaceBox) -> float:
    """Returns the intersection over union of two boxes, 0..1."""
    width = min(face.right, other.right) - max(face.left, other.left)
    height = min(face.bottom, other.bottom) - max(face.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (face.width * face.height + other.width * other.height - shared)


def _is_within(face: FaceBox, other: FaceBox) -> bool:
    """Whether the middle of a face lies in another: nobody has a face in a face."""
    x, y = (face.left + face.right) / 2, (face.top + face.bottom) / 2
    return other.left < x < other.right and other.top < y < other.bottom


def scaled_face(face: FaceBox, factor: float) -> FaceBox:
    """Returns the same face in a picture of another size."""
    return _mapped(face, factor, 0.0, 0.0)


def _shifted(face: FaceBox, x: float, y: float) -> FaceBox:
    return _mapped(face, 1.0, x, y)


def _mapped(face: FaceBox, factor: float, x: float, y: float) -> FaceBox:
    return FaceBox(
        face.left * factor + x,
        face.top * factor + y,
        face.right * factor + x,
        face.bottom * factor + y,
        face.confidence,
        (face.left_eye[0] * factor + x, face.left_eye[1] * factor + y),
        (face.right_eye[0] * factor + x, face.right_eye[1] * factor + y),
    )


def _detect(file: WeightFile, pixels: Pixels, side: int) -> list[FaceBox]:
    """Runs one network over the whole picture, letterboxed into a square of `side` pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.zeros((side, side, 3), np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square[: size[1], : size[0]] = cv2.resize(pixels, size, interpolation=how)
    blob = np.ascontiguousarray(square.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1.0)
    boxes, logits = _forward(file, blob)
    likely = np.flatnonzero(logits > np.log(LEAST_CONFIDENCE / (1 - LEAST_CONFIDENCE)))
    anchors = _anchors(file is DETECTOR_NEAR, side)[likely]
    centres = boxes[likely, :2] / side + anchors
    sides = boxes[likely, 2:4] / side
    points = boxes[likely, 4:8].reshape(-1, 2, 2) / side + anchors[:, None]
    confidences = 1 / (1 + np.exp(-logits[likely]))
    to_pixels = np.array([side / size[0] * width, side / size[1] * height], np.float32)
    return [
        _face(centre * to_pixels, extent * to_pixels, eyes * to_pixels, float(confidence))
        for centre, extent, eyes, confidence in zip(centres, sides, points, confidences, strict=True)
    ]


def _face(centre: Numbers, extent: Numbers, eyes: Numbers, confidence: float) -> FaceBox:
    (left, top), (right, bottom) = centre - extent / 2, centre + extent / 2
    # The networks name eyes as the person would: the right eye comes first, and lies on the left.
    first, second = ((float(x), float(y)) for x, y in eyes)
    return FaceBox(float(left), float(top), float(right), float(bottom), confidence, first, second)


def _forward(file: WeightFile, blob: Numbers) -> tuple[Numbers, Numbers]:
    """Returns (n, 16) boxes and points relative to their anchors, and (n,) logits."""
    with _LOCK:
        network = _network(file)
        network.setInput(blob)
        outputs = network.forward(list(network.getUnconnectedOutLayersNames()))
    boxes = next(output for output in outputs if output.shape[-1] == 16)
    logits = next(output for output in outputs if output.shape[-1] == 1)
    return (
        np.array(boxes, np.float32).reshape(-1, 16),
        np.array(logits, np.float32).reshape(-1).clip(-80, 80),
    )


@cache
def _network(file: WeightFile) -> cv2.dnn.Net:
    # The classic engine: OpenCV 5's new one drops all outputs but the first, and a buffer always gets that
    # one.
    return cv2.dnn.readNetFromTFLite(str(weight_path(file)), cv2.dnn.ENGINE_CLASSIC)


@cache
def _anchors(is_near: bool, side: int) -> Numbers:
    """Returns (n, 2) centres of the cells, 0..1: near, 2 per 8 px and 6 per 16 px; far, 1 per 4 px."""
    grids = ((side // 8, 2), (side // 16, 6)) if is_near else ((side // 4, 1),)
    centres = []
    for cells, each in grids:
        steps = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        x, y = np.meshgrid(steps, steps)
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), each, axis=0))
    return np.concatenate(centres)
