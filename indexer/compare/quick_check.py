"""A quick check whether two pictures may have something in common, before they are aligned properly.

It reads the features of `features` at 320 px on the long side, for a quarter of the cost. A SIFT keypoint
has a place, a size and an orientation, so each pair of keypoints alone says how the query would be turned,
scaled and shifted. Every such guess is tried, and counts the other pairs that agree with it: RANSAC from
one pair (Philbin et al., 2007), where nothing is drawn at random. Of 354 edited copies that geometry
confirms at 640 px all pass with four pairs, and of 2,160 pairs of different pictures 0.7 % do
(docs/performance.md).
"""

import struct
import zlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.features import (
    CONTRAST_THRESHOLD,
    inverted_descriptors,
    mirrored_descriptors,
    root_descriptors,
)
from indexer.compare.geometry import RATIO
from indexer.compare.lazy import LazyProperty
from indexer.media.images import Pixels

LONG_SIDE = 320
MAXIMUM_FEATURES = 384  # they find what 512 find, and pairing costs half
MOST_DESCRIBED = 640  # before those are chosen
GRID = 4  # cells in each direction that features are chosen from in turn
TOO_FEW = 20  # features of a picture that say nothing of what it shows
LEAST_AGREEING = 4  # pairs; of 3 twice as many different pictures have as many
# How far a place may lie from where a pair puts it: pixels, and a share of the way from that pair, because
# sizes and orientations are read roughly.
TOLERANCE_PX, TOLERANCE_SHARE = 4.0, 0.08
MOST_TURN, MOST_SCALING = 0.5, 0.5  # radians and natural logarithm, between two pairs that agree
SAME_PLACE_PX = 3.0
_HEADER = struct.Struct("<4sHHHI")  # format, count, width, height, CRC-32 of what follows
_FORMAT = b"TPQ2"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EitherWay:
    """Keypoints of a picture as it is and of its mirror image, and the descriptors of both, for pairing."""

    keypoints: tuple[Floats, Floats]  # (n, 4) each
    unit: Floats  # (2n, 128), of length 1


@dataclass(frozen=True)
class QuickFeatures:
    """At most 384 keypoints of one picture, in its pixels at 320 px on the long side."""

    keypoints: Floats  # (n, 4) x, y, size in pixels, orientation in radians
    descriptors: npt.NDArray[np.uint8]  # (n, 128) RootSIFT, scaled to 0..255
    width: int
    height: int

    @LazyProperty
    def either_way(self) -> "EitherWay":
        """What is held against other pictures, made when the first is."""
        flipped = self.keypoints.copy()
        flipped[:, 0] = self.width - 1 - flipped[:, 0]
        flipped[:, 3] = np.pi - flipped[:, 3]
        both = np.concatenate([self.descriptors, mirrored_descriptors(self.descriptors)])
        unit = both / np.maximum(_lengths(both), 1e-6)[:, None]
        return EitherWay((self.keypoints, flipped), np.asarray(unit, np.float32))

    def to_bytes(self) -> bytes:
        """Returns a header and both arrays, little-endian."""
        arrays = self.keypoints.astype("<f4").tobytes() + self.descriptors.tobytes()
        size = len(self.keypoints), self.width, self.height
        return _HEADER.pack(_FORMAT, *size, zlib.crc32(arrays)) + arrays

    @staticmethod
    def from_bytes(content: bytes) -> "QuickFeatures":
        """Reads what `to_bytes` wrote. Raises ValueError."""
        if len(content) < _HEADER.size or not content.startswith(_FORMAT):
            raise ValueError("no quick features, or of another version")
        _, count, width, height, checksum = _HEADER.unpack_from(content)
        ends = _HEADER.size + 16 * count
        if len(content) != ends + 128 * count or count > MAXIMUM_FEATURES:
            raise ValueError("quick features that were cut off, or too many")
        if zlib.crc32(content[_HEADER.size :]) != checksum:
            raise ValueError("quick features that were damaged")
        keypoints = np.frombuffer(content, "<f4", 4 * count, _HEADER.size).reshape(count, 4)
        descriptors = np.frombuffer(content, np.uint8, 128 * count, ends).reshape(count, 128)
        return QuickFeatures(keypoints.astype(np.float32), descriptors, width, height)


def extract_quick_features(pixels: Pixels) -> QuickFeatures:
    """Extracts keypoints of (h, w, 3) uint8 sRGB."""
    height, width = pixels.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if scale < 1.0:
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    sift = cv2.SIFT.create(nfeatures=MOST_DESCRIBED, contrastThreshold=CONTRAST_THRESHOLD)
    found, raw = sift.detectAndCompute(grey, None)
    if not found or raw is None:
        return QuickFeatures(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8), width, height)
    keypoints = np.array([(*one.pt, one.size, np.deg2rad(one.angle)) for one in found], np.float32)
    responses = np.array([one.response for one in found], np.float32)
    # OpenCV keeps all that tie with the last: of a grid of dots twenty thousand.
    kept = _spread_first(keypoints[:, :2], (width, height), responses)[:MAXIMUM_FEATURES]
    descriptors = root_descriptors(np.asarray(raw, np.float32)[kept])
    return QuickFeatures(keypoints[kept], descriptors, width, height)


def _spread_first(points: Floats, size: tuple[int, int], responses: Floats) -> npt.NDArray[np.int64]:
    """Orders keypoints: the strongest of every cell of the picture first, then the second of every cell.

    What is small in the picture keeps some, however strong those around it are. `points`: (n, 2) in pixels.
    """
    across, down = np.clip((points * GRID / np.array(size)).astype(int), 0, GRID - 1).T
    cells = down * GRID + across
    by_cell = np.lexsort((-responses, cells))
    starts = np.searchsorted(cells[by_cell], np.arange(GRID * GRID))
    turns = np.empty(len(cells), int)
    turns[by_cell] = np.arange(len(cells)) - starts[cells[by_cell]]
    return np.lexsort((-responses, turns))


def of_either_polarity(features: QuickFeatures) -> QuickFeatures:
    """Returns the features with those of the picture whose light and dark are exchanged."""
    turned = features.keypoints + np.array([0, 0, 0, np.pi], np.float32)
    return replace(
        features,
        keypoints=np.concatenate([features.keypoints, turned]),
        descriptors=np.concatenate([features.descriptors, inverted_descriptors(features.descriptors)]),
    )


def may_show_the_same(query: QuickFeatures, reference: QuickFeatures) -> bool:
    """Whether some of the query, mirrored or not, may be some of the reference, or too little is there."""
    too_few = min(len(query.keypoints), len(reference.keypoints)) < TOO_FEW
    return too_few or agreeing_pairs(query, reference) >= LEAST_AGREEING


def agreeing_pairs(query: QuickFeatures, reference: QuickFeatures) -> int:
    """Returns the most pairs of features that agree on one similarity, of the query mirrored or not.

    In different places of both pictures; 0 where there are fewer than `LEAST_AGREEING`.
    """
    count = len(query.keypoints)
    if min(count, len(reference.keypoints)) < LEAST_AGREEING:
        return 0
    cosines = query.either_way.unit @ reference.descriptors.T.astype(np.float32)
    cosines /= np.maximum(_lengths(reference.descriptors), 1e-6)
    most = 0
    for keypoints, cosine in zip(query.either_way.keypoints, np.split(cosines, 2), strict=True):
        left, right = _mutual_pairs(cosine)
        if len(left) >= LEAST_AGREEING:
            most = max(most, _most_agreeing(keypoints[left], reference.keypoints[right]))
    return most


def _most_agreeing(one: Floats, other: Floats) -> int:
    """Returns how many of (n, 4) paired keypoints agree on the best similarity that one pair says."""
    source, target = one[:, 0] + 1j * one[:, 1], other[:, 0] + 1j * other[:, 1]
    scaling, turn = np.log(other[:, 2] / one[:, 2]), other[:, 3] - one[:, 3]
    factor = np.exp(scaling + 1j * turn).astype(np.complex64)
    # Row: the pair that guesses; column: the pair that is looked at.
    expected = factor[:, None] * (source[None] - source[:, None]) + target[:, None]
    tolerance = TOLERANCE_PX + TOLERANCE_SHARE * np.abs(target[None] - target[:, None])
    agreeing = np.abs(expected - target[None]) < tolerance
    agreeing &= np.abs(scaling[None] - scaling[:, None]) < MOST_SCALING
    agreeing &= np.abs(np.angle(np.exp(1j * (turn[None] - turn[:, None])))) < MOST_TURN
    likely = agreeing[agreeing.sum(axis=1) >= LEAST_AGREEING]
    if not len(likely):
        return 0
    # Many pairs on one spot must not hide fewer that are spread: places count, not pairs.
    return max(min(_places(source[row]), _places(target[row])) for row in np.unique(likely, axis=0))


def _places(points: npt.NDArray[np.complexfloating]) -> int:
    """Counts places; several keypoints on one spot count once."""
    rounded = np.round(points / SAME_PLACE_PX)
    return len(np.unique(rounded))


def _mutual_pairs(cosine: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the rows and columns of mutual nearest neighbours that pass the ratio test.

    `cosine`: (n, m) between descriptors of both pictures; it is written to.
    """
    rows, best = np.arange(len(cosine)), cosine.argmax(axis=1)
    nearest = cosine[rows, best]
    cosine[rows, best] = -1.0
    second = cosine.max(axis=1)
    cosine[rows, best] = nearest
    # Of unit vectors the squared distance is two less twice the cosine.
    distinct = np.flatnonzero(np.maximum(1 - nearest, 0.0) < RATIO**2 * np.maximum(1 - second, 0.0))
    mutual = cosine[:, best[distinct]].argmax(axis=0) == distinct
    kept = distinct[mutual]
    return kept, best[kept]


def _lengths(descriptors: npt.NDArray[np.uint8]) -> Floats:
    """Returns the (n,) lengths of descriptors: their whole squares fit 32 bits."""
    values = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", values, values)), np.float32)
