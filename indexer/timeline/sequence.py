"""The frames of one video as vectors in time, and frames between them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.timeline.track import Vectors

Times = npt.NDArray[np.float64]  # seconds
Shares = npt.NDArray[np.float32]  # (2, n) of a frame and of the next one
OUTSIDE_S = 0.12  # farther than this before its first frame or after its last, a video shows nothing


@dataclass(frozen=True)
class Sequence:
    """Frames of one video, over the pixels that both videos show."""

    times: Times  # (n,) seconds, rising
    vectors: Vectors  # (n, pixels), of length one, or zero where a frame has insufficient detail
    end: float  # when the last frame ceases to be shown

    def every(self, step_s: float) -> "Sequence":
        """Returns at most one frame per step of `step_s` seconds."""
        ticks = np.floor(self.times / step_s + 1e-6)
        kept = np.flatnonzero(np.diff(ticks, prepend=-1.0) > 0)
        return Sequence(self.times[kept], self.vectors[kept], self.end)

    def at(self, seconds: Times) -> Vectors:
        """Interpolates frames at any seconds; they are zero outside the video."""
        if len(self.times) == 1:
            return np.repeat(self.vectors, len(seconds), axis=0)
        before, (own, next_one) = self.between(seconds)
        rows = own[:, None] * self.vectors[before] + next_one[:, None] * self.vectors[before + 1]
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        return np.asarray(rows, np.float32)

    def between(self, seconds: Times) -> tuple[npt.NDArray[np.intp], Shares]:
        """Returns the frame before each second, and the shares of it and of the next one.

        Outside the video both shares are 0. A video of one frame shows it always.
        """
        if len(self.times) == 1:
            always = np.zeros(len(seconds), np.intp)
            return always, np.stack([np.ones(len(seconds), np.float32), np.zeros(len(seconds), np.float32)])
        after = np.clip(np.searchsorted(self.times, seconds), 1, len(self.times) - 1)
        before = after - 1
        share = (seconds - self.times[before]) / (self.times[after] - self.times[before])
        share = np.clip(share, 0.0, 1.0).astype(np.float32)
        shares = np.stack([1 - share, share])
        shares[:, (seconds < self.times[0] - OUTSIDE_S) | (seconds > self.end + OUTSIDE_S)] = 0.0
        return before, np.asarray(shares, np.float32)

    def frames_around(self, first_s: float, last_s: float) -> tuple[int, int]:
        """Returns (first, last + 1) of the frames that any second between these two needs."""
        first, last = np.searchsorted(self.times, [first_s, last_s])
        count = len(self.times)
        return max(0, min(int(first) - 1, count - 2)), min(count, max(int(last) + 1, 2))
