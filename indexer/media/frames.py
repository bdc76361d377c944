"""The parts of a decoded video: what the file states about itself, and its frames in the order of time."""

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.media.images import Pixels
from indexer.media.limits import VideoLimits

# At a cut the small luma frame changes by more grey levels on average than motion changes it by, and by a
# multiple of what it changed by from frame to frame just before.
CUT_LEVELS, CUT_RATIO = 18.0, 3.0


@dataclass(frozen=True)
class VideoInfo:
    """What the container states, which is known before the frames are decoded."""

    media_type: str
    width: int  # of the upright frame with square pixels
    height: int
    duration_ms: int | None  # None: the file does not state it
    frame_rate: float | None
    has_audio: bool
    has_unread_audio: bool = False  # there is sound, but no decoder for it may run


@dataclass(frozen=True)
class Frame:
    """One frame, with the pixels that were asked for."""

    time_ms: int  # from the first frame on
    luma: Pixels | None  # (h, w) uint8, small; makes the track
    pixels: Pixels | None  # (h, w, 3) uint8 sRGB of the working size, if the frame is sampled
    starts_shot: bool = False


class Sampler:
    """Decides which of the decoded frames are kept, and whether with full pixels or as luma only."""

    def __init__(self, limits: VideoLimits) -> None:
        self._limits = limits
        self._next_track_ms = self._next_sample_ms = 0
        self._extra_left = limits.max_extra_samples
        self._luma: Pixels | None = None
        self._usual_change = 0.0

    def wants(self, time_ms: int) -> bool:
        """Whether this frame belongs to the track; the others need not be converted."""
        return time_ms >= self._next_track_ms

    def look(self, time_ms: int, luma: Pixels) -> tuple[bool, bool]:
        """Returns (sampled, starts a shot) of a wanted frame, judged by its small (h, w) luma."""
        cut = self._is_cut(luma)
        self._luma = luma
        # Times lie on a grid, so that jitter of the timestamps does not add up.
        self._next_track_ms = _next_tick(time_ms, self._limits.track_interval_ms)
        in_turn = time_ms >= self._next_sample_ms
        sampled = in_turn or (cut and self._extra_left > 0)
        if sampled:
            self._extra_left -= not in_turn
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
    """Returns width and height of the small luma frame."""
    return _fit(width, height, limits.track_long_side)


def working_size(width: int, height: int, limits: VideoLimits) -> tuple[int, int]:
    """Returns width and height of a sampled frame, which is never enlarged."""
    return _fit(width, height, limits.working_long_side)


def _fit(width: int, height: int, long_side: int) -> tuple[int, int]:
    scale = min(1.0, long_side / max(width, height))
    return max(2, round(width * scale)), max(2, round(height * scale))
