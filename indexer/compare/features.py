"""Local features: RootSIFT keypoints of a frame, and those of its mirror image without a second extraction.

SIFT after Lowe (2004), square-rooted after Arandjelović and Zisserman (2012). Features are derived from the
preview and can be extracted from it again at any time.
"""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.fingerprints.regions import Region
from indexer.media.images import Pixels

WORKING_LONG_SIDE = 640
MAXIMUM_FEATURES = 1024
# Low, because low-contrast uploads still have structure; RANSAC removes the extra noise.
CONTRAST_THRESHOLD = 0.02
# Where a blur, noise or a pattern left nothing at 640 px, coarse copies of both pictures have features.
COARSE_LONG_SIDE, COARSE_CONTRAST_THRESHOLD, COARSE_BLUR = 240, 0.01, 1.0
CELLS, BINS = 4, 8  # SIFT: 4 x 4 cells of 8 orientation bins


@dataclass(frozen=True)
class LocalFeatures:
    """Keypoints of one frame, at most 1024, strongest first."""

    points: npt.NDArray[np.float32]  # (n, 2) x, y in units of the frame's own pixels
    descriptors: npt.NDArray[np.uint8]  # (n, 128), the square root of SIFT, scaled to 0..255
    width: int
    height: int

    def to_bytes(self) -> bytes:
        """Returns a plain .npz file without pickled objects."""
        buffer = io.BytesIO()
        size = np.array([self.width, self.height], np.int32)
        np.savez(buffer, points=self.points.astype(np.float32), descriptors=self.descriptors, size=size)
        return buffer.getvalue()

    @staticmethod
    def from_bytes(payload: bytes) -> "LocalFeatures":
        """Reads what `to_bytes` wrote. Raises ValueError."""
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            width, height = (int(side) for side in arrays["size"])
            return LocalFeatures(arrays["points"], arrays["descriptors"], width, height)


def extract_features(pixels: Pixels) -> LocalFeatures:
    """Extracts RootSIFT features of (h, w, 3) uint8 sRGB, at 640 px on the long side."""
    return _extract(pixels, WORKING_LONG_SIDE, CONTRAST_THRESHOLD, 0.0)


def extract_coarse_features(pixels: Pixels) -> LocalFeatures:
    """Extracts the same at 240 px, blurred: what is left where fine detail was lost or covered."""
    return _extract(pixels, COARSE_LONG_SIDE, COARSE_CONTRAST_THRESHOLD, COARSE_BLUR)


def _extract(pixels: Pixels, long_side: int, contrast_threshold: float, blur: float) -> LocalFeatures:
    height, width = pixels.shape[:2]
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, long_side / max(height, width))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    if blur > 0.0:
        grey = cv2.GaussianBlur(grey, (0, 0), blur)
    sift = cv2.SIFT.create(nfeatures=MAXIMUM_FEATURES, contrastThreshold=contrast_threshold)
    keypoints, raw = sift.detectAndCompute(grey, None)
    if not keypoints or raw is None:
        return LocalFeatures(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), width, height)
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32) / scale
    return LocalFeatures(points, root_descriptors(np.asarray(raw, np.float32)), width, height)


def extract_features_in(pixels: Pixels, region: Region) -> LocalFeatures:
    """Extracts the features of a part, itself at 640 px, in the coordinates of the whole frame."""
    return _in_frame(extract_features(region.cut(pixels)), pixels, region)


def extract_coarse_features_in(pixels: Pixels, region: Region) -> LocalFeatures:
    """Extracts the coarse features of a part, itself at 240 px, in the coordinates of the whole frame."""
    return _in_frame(extract_coarse_features(region.cut(pixels)), pixels, region)


def _in_frame(part: LocalFeatures, pixels: Pixels, region: Region) -> LocalFeatures:
    height, width = pixels.shape[:2]
    corner = np.array([region.left, region.top], np.float32)
    return LocalFeatures(part.points + corner, part.descriptors, width, height)


def root_descriptors(raw: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Returns RootSIFT of (n, 128) SIFT descriptors, scaled to 0..255."""
    shares = raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-7)
    scaled = np.minimum(np.sqrt(shares) * 512, 255)
    return np.asarray(scaled, dtype=np.uint8)


def resized(features: LocalFeatures, width: int, height: int) -> LocalFeatures:
    """Returns the features in the coordinates of another size of the frame; both are read at 640 px."""
    scale = np.array([width / features.width, height / features.height], np.float32)
    return LocalFeatures(features.points * scale, features.descriptors, width, height)


def mirrored(features: LocalFeatures) -> LocalFeatures:
    """Returns the features of the horizontally mirrored frame, without extracting them again."""
    points = features.points.copy()
    points[:, 0] = features.width - 1 - points[:, 0]
    descriptors = mirrored_descriptors(features.descriptors)
    return LocalFeatures(points, descriptors, features.width, features.height)


def mirrored_descriptors(descriptors: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns the (n, 128) descriptors of the mirrored frame.

    A mirrored patch, turned to its own orientation, is the old patch upside down: rows of cells swap
    and each gradient direction changes sign. So the new descriptor is a permutation of the old one.
    """
    cells = descriptors.reshape(-1, CELLS, CELLS, BINS)
    turned = cells[:, ::-1, :, :][..., (-np.arange(BINS)) % BINS]
    return np.ascontiguousarray(turned.reshape(-1, CELLS * CELLS * BINS))


def of_either_polarity(features: LocalFeatures) -> LocalFeatures:
    """Returns the features with those of the frame whose light and dark are exchanged, not read again."""
    inverted = inverted_descriptors(features.descriptors)
    return LocalFeatures(
        np.concatenate([features.points, features.points]),
        np.concatenate([features.descriptors, inverted]),
        features.width,
        features.height,
    )


def inverted_descriptors(descriptors: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns the (n, 128) descriptors of the frame whose light and dark are exchanged.

    Every gradient of an inverted patch turns round, and with them the patch's own orientation: it is
    described from behind, and the new descriptor is a permutation of the old one.
    """
    cells = descriptors.reshape(-1, CELLS, CELLS, BINS)
    return np.ascontiguousarray(cells[:, ::-1, ::-1, :]).reshape(-1, CELLS * CELLS * BINS)
