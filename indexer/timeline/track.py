"""A track: small luma frames of a video with their times, as they are stored and as two are compared."""

import io
import zipfile
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.media.images import Pixels

SIDE = 32  # px of a stored luma frame, whatever its shape was
LEAST_CONTRAST = 3.0  # standard deviation in grey levels, below which a frame cannot be told from others
LEAST_SHOWN = 0.02  # share of the reference's frame that both videos must show
Matrix = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]  # (n, pixels), each centred and of length one, or all zero


@dataclass(frozen=True)
class Track:
    """Luma frames of one video in the order of time."""

    times_ms: npt.NDArray[np.int64]  # (n,) rising
    luma: Pixels  # (n, h, w) uint8
    end_ms: int  # when the last frame ceases to be shown

    def __len__(self) -> int:
        return len(self.times_ms)

    def reduced(self) -> "Track":
        """Returns the track as it is stored, with luma of (n, SIDE, SIDE)."""
        small = [cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for frame in self.luma]
        return Track(self.times_ms, np.array(small, np.uint8).reshape(-1, SIDE, SIDE), self.end_ms)

    def to_bytes(self) -> bytes:
        """Encodes the track as a compressed NumPy archive, which `from_bytes` reads back."""
        buffer = io.BytesIO()
        # Little changes from frame to frame, so differences compress to half the size.
        steps = np.diff(self.luma, axis=0, prepend=np.zeros_like(self.luma[:1]))
        np.savez_compressed(buffer, times_ms=self.times_ms, steps=steps, end_ms=np.int64(self.end_ms))
        return buffer.getvalue()

    @staticmethod
    def from_bytes(stored: bytes) -> "Track":
        """Reads what `to_bytes` wrote. Raises ValueError, KeyError or OSError on damaged bytes."""
        try:
            with np.load(io.BytesIO(stored), allow_pickle=False) as archive:
                luma = np.cumsum(archive["steps"], axis=0, dtype=np.uint8)
                return Track(archive["times_ms"], luma, int(archive["end_ms"]))
        except zipfile.BadZipFile as error:
            raise ValueError("not a track") from error


def vectors_of(luma: Pixels, mask: npt.NDArray[np.bool_]) -> Vectors:
    """Turns (n, SIDE, SIDE) uint8 frames into vectors of masked pixels, whose products are correlations."""
    rows = luma[:, mask].astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    least = LEAST_CONTRAST * np.sqrt(max(1, rows.shape[1]))
    return np.where(norms > least, rows / np.maximum(norms, 1e-6), 0.0).astype(np.float32)


def warp_track(
    track: Track, homography: Matrix, size: tuple[int, int], reference_size: tuple[int, int]
) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """Warps a query's track to the frame of its reference.

    Returns the (n, SIDE, SIDE) luma and a (SIDE, SIDE) mask of the pixels that the query shows.
    `homography` maps query pixels to reference pixels of frames of the given sizes (width, height).
    """
    height, width = track.luma.shape[1:]
    zoom = 4 * SIDE  # warped large and then averaged, because a query may be larger than SIDE in this frame
    to_query = np.diag([(size[0] - 1) / max(1, width - 1), (size[1] - 1) / max(1, height - 1), 1.0])
    to_small = np.diag([zoom / reference_size[0], zoom / reference_size[1], 1.0])
    matrix = to_small @ homography @ to_query
    frames = np.empty((len(track), SIDE, SIDE), np.uint8)
    for number, luma in enumerate(track.luma):
        warped = cv2.warpPerspective(luma, matrix, (zoom, zoom), borderMode=cv2.BORDER_REPLICATE)
        frames[number] = cv2.resize(warped, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    shown = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, (zoom, zoom))
    mask = cv2.resize(shown, (SIDE, SIDE), interpolation=cv2.INTER_AREA) > 250
    return frames, mask if mask.mean() >= LEAST_SHOWN else np.zeros_like(mask)
