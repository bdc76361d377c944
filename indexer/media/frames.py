"""What a video is once it is decoded: what the file says of itself, and its frames in the order of time."""

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.media.images import Pixels
from indexer.media.limits import VideoLimits

# A cut: the mean change of the small luma frame, in grey levels, that no motion reaches ...
CUT_LEVELS = 18.0
# ... and that is so many times what changed from frame to frame just before.
CUT_RATIO = 3.0


@dataclass(frozen=True)
class VideoInfo:
    """What is known before the frames are decoded."""

    media_type: str
    width: int  # of the upright frame with square pixels
    height: int
    duration_ms: int | None  # as the file says; None: it does not
    frame_rate: float | None
    has_audio: bool


@dataclass(frozen=True)
class Frame:
    """One frame, as far as it was asked for."""

    time_ms: int  # from the first frame on
    luma: Pixels | None  # (h, w) uint8, small: the track
    pixels: Pixels | None  # (h, w, 3) uint8 sRGB of the working size: sampled
    starts_shot: bool = False


class Sampler:
    """Decides which of the frames that go by are kept, and in which form."""

    def __init__(self, limits: VideoLimits) -> None:
        self._limits = limits
        self._next_track_ms = self._next_sample_ms = 0
        self._luma: Pixels | None = None
        self._usual_change = 0.0

    def wants(self, time_ms: int) -> bool:
        """Whether this frame is looked at at all; the others need not be converted."""
        return time_ms >= self._next_track_ms

    def look(self, time_ms: int, luma: Pixels) -> tuple[bool, bool]:
        """(sampled, starts a shot) of a wanted frame, by its small (h, w) luma."""
        cut = self._is_cut(luma)
        self._luma = luma
        # On the grid of the interval, so that no jitter of the timestamps adds up.
        self._next_track_ms = _next_tick(time_ms, self._limits.track_interval_ms)
        sampled = cut or time_ms >= self._next_sample_ms
        if sampled:
            self._next_sample_ms = _next_tick(time_ms, self._limits.sample_interval_ms)
        return sampled, cut

    def _is_cut(self, luma: Pixels) -> bool:
        if self._luma is None or self._luma.shape != luma.shape:
            return True
        change = float(np.mean(cv2.absdiff(self._luma, luma)))
        cut = change > CUT_LEVELS and change > CUT_RATIO * self._usual_change
        if not cut:
            self._usual_change = 0.7 * self._usual_change + 0.3 * change
        return cut


def _next_tick(time_ms: int, interval_ms: int) -> int:
    return (time_ms // interval_ms + 1) * interval_ms


def track_size(width: int, height: int, limits: VideoLimits) -> tuple[int, int]:
    """Width and height of the small luma frame."""
    return _fit(width, height, limits.track_long_side)


def working_size(width: int, height: int, limits: VideoLimits) -> tuple[int, int]:
    """Width and height of a sampled frame; never enlarged."""
    return _fit(width, height, limits.working_long_side)


def _fit(width: int, height: int, long_side: int) -> tuple[int, int]:
    scale = min(1.0, long_side / max(width, height))
    return max(2, round(width * scale)), max(2, round(height * scale))
