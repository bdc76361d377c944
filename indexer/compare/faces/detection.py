"""Where faces are: BlazeFace (Bazarevsky et al., 2019), near and far, read by OpenCV.

The near network sees faces that fill a good part of the picture, the far one those of a tenth of its side.
Still smaller ones are looked for where something changed.
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
SAME_FACE_OVERLAP = 0.3  # intersection over union above which two finds are one face
NEAR_SIDE = 128
FAR_SIDE = 192
LARGE_SHARE = 0.15  # of the width: where one face is so large, small ones are not what matters
QUARTER, QUARTER_SIDE = 0.6, 192  # of the picture's sides, overlapping; px of the network's input
MOST_FACES = 24
LEAST_PART = 16  # pixels
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
        """Of the box, in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Of the box, in pixels."""
        return self.bottom - self.top


def find_faces(pixels: Pixels) -> list[FaceBox]:
    """Faces in (h, w, 3) uint8 sRGB, largest first. Raises MissingFaceModels."""
    found = _detect(DETECTOR_NEAR, pixels, NEAR_SIDE) + _detect(DETECTOR_FAR, pixels, FAR_SIDE)
    return distinct_faces(found)


def find_all_faces(pixels: Pixels) -> list[FaceBox]:
    """Those of `find_faces`, and in a picture of small or no faces also those seen in its four quarters."""
    found = find_faces(pixels)
    if any(one.width > LARGE_SHARE * pixels.shape[1] for one in found):
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
    """Faces in one part of a picture, in pixels of the whole; for those too small to be seen in it."""
    part = np.ascontiguousarray(pixels[max(0, top) : bottom, max(0, left) : right])
    if min(part.shape[:2]) < LEAST_PART:
        return []
    found = _detect(DETECTOR_NEAR, part, side)
    return distinct_faces([_shifted(one, max(0, left), max(0, top)) for one in found])


def distinct_faces(found: list[FaceBox]) -> list[FaceBox]:
    """Each face once, as the surest detection saw it; largest first."""
    kept: list[FaceBox] = []
    for one in sorted(found, key=lambda face: -face.confidence):
        if all(overlap(one, other) < SAME_FACE_OVERLAP and not _within(one, other) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda face: -face.width)[:MOST_FACES]


def find_face_near(pixels: Pixels, box: FaceBox) -> FaceBox | None:
    """The face at a place where one is expected, looked at closely; None: there is none."""
    x, y, half = (box.left + box.right) / 2, (box.top + box.bottom) / 2, max(box.width, box.height)
    found = find_faces_in(pixels, int(x - half), int(y - half), int(x + half) + 1, int(y + half) + 1)
    best = max(found, key=lambda one: overlap(one, box), default=None)
    return best if best is not None and overlap(best, box) >= SAME_FACE_OVERLAP else None


def overlap(one: FaceBox, other: FaceBox) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.width * one.height + other.width * other.height - shared)


def _within(one: FaceBox, other: FaceBox) -> bool:
    """Whether the middle of one lies in the other: nobody has a face in a face."""
    x, y = (one.left + one.right) / 2, (one.top + one.bottom) / 2
    return other.left < x < other.right and other.top < y < other.bottom


def scaled_face(face: FaceBox, factor: float) -> FaceBox:
    """The same face in a picture of another size."""
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
    """One pass over the whole picture, letterboxed into a square of `side` pixels."""
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
    # The networks name eyes as the person does: their right eye comes first, and lies left.
    first, second = ((float(x), float(y)) for x, y in eyes)
    return FaceBox(float(left), float(top), float(right), float(bottom), confidence, first, second)


def _forward(file: WeightFile, blob: Numbers) -> tuple[Numbers, Numbers]:
    """(n, 16) boxes and points relative to their anchors, and (n,) logits."""
    with _LOCK:
        network = _network(file)
        network.setInput(blob)
        outputs = network.forward(list(network.getUnconnectedOutLayersNames()))
    boxes = next(one for one in outputs if one.shape[-1] == 16)
    logits = next(one for one in outputs if one.shape[-1] == 1)
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
    """(n, 2) centres of the cells, 0..1: near, 2 per 8 px and 6 per 16 px; far, 1 per 4 px."""
    grids = ((side // 8, 2), (side // 16, 6)) if is_near else ((side // 4, 1),)
    centres = []
    for cells, each in grids:
        steps = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        x, y = np.meshgrid(steps, steps)
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), each, axis=0))
    return np.concatenate(centres)
