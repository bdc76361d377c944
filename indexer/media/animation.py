"""Reads animated GIF, WebP, PNG and AVIF as a video, composed and timed as a browser shows them."""

from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from indexer.media.colours import to_srgb
from indexer.media.errors import MediaError, TooLarge, Undecodable
from indexer.media.frames import Frame, Sampler, VideoInfo, track_size, working_size
from indexer.media.images import (
    ANIMATED,
    MEDIA_TYPES,
    Pixels,
    as_browsers_read,
    check_size,
    open_frames,
    refusal,
)
from indexer.media.limits import VideoLimits

# Browsers show a frame whose stated duration is shorter than this for a tenth of a second.
LEAST_DURATION_MS, DEFAULT_DURATION_MS = 11, 100
MOST_FRAMES = 6000


def is_animated(payload: bytes) -> bool:
    """Whether the payload opens as an image with more than one frame in time."""
    try:
        readable, _ = as_browsers_read(payload)
        image, frames = open_frames(readable, VideoLimits().max_pixels)
        with image:
            return image.format in ANIMATED and frames > 1
    except Exception:  # Pillow's parsers raise nearly anything; `decode_image` says what is wrong
        return False


class OpenAnimation:
    """An animated image, with the interface of `OpenVideo`. Raises TooLarge or Undecodable."""

    def __init__(self, payload: bytes, limits: VideoLimits) -> None:
        self.limits = limits
        self.notes: list[str] = []
        self.end_ms = 0  # when the last frame ceases to be shown
        readable, notes = as_browsers_read(payload)
        self.notes += notes
        try:
            self._image, self._count = open_frames(readable, limits.max_pixels)
            width, height = self._image.size
        except Exception as error:
            raise refusal(payload, error, limits) from error
        check_size(width, height, limits)
        if self._count > MOST_FRAMES:
            raise TooLarge(f"{self._count} frames; at most {MOST_FRAMES} are read")
        kind = MEDIA_TYPES[self._image.format or ""]
        self.info = VideoInfo(kind, width, height, None, None, has_audio=False)

    def sampled(self) -> Iterator[Frame]:
        """Yields every frame of the track; those that are sampled come with their pixels."""
        sampler = Sampler(self.limits)
        for time_ms, pixels in self._timed():
            if time_ms > 1000 * self.limits.max_seconds:
                raise TooLarge(f"more than {self.limits.max_seconds} seconds")
            if not sampler.wants(time_ms):
                continue
            luma = self._luma(pixels)
            sampled, cut = sampler.look(time_ms, luma)
            yield Frame(time_ms, luma, pixels if sampled else None, cut)

    def at(self, times_ms: list[int]) -> Iterator[Frame]:
        """Yields for each of these times, in rising order, the frame that is shown then."""
        wanted = sorted(times_ms)
        shown: Pixels | None = None
        for time_ms, pixels in self._timed():
            while wanted and shown is not None and time_ms > wanted[0]:
                yield Frame(wanted.pop(0), None, shown)
            if not wanted:
                return
            shown = pixels
        for target in wanted:
            yield Frame(target, None, shown)

    def _timed(self) -> Iterator[tuple[int, Pixels]]:
        time_ms = 0
        for number in range(self._count):
            try:
                self._image.seek(number)
                pixels = self._pixels()
            except MediaError:
                raise
            except Exception as error:
                if number == 0:
                    raise Undecodable("the first frame of this animation is damaged") from error
                self.notes.append(f"the file breaks off after {number} of {self._count} frames")
                return
            yield time_ms, pixels
            duration_ms = self._image.info.get("duration", 0)
            time_ms += round(duration_ms) if duration_ms >= LEAST_DURATION_MS else DEFAULT_DURATION_MS
            self.end_ms = time_ms

    def _pixels(self) -> Pixels:
        rgb = to_srgb(self._image, self._image.info.get("icc_profile"))
        size = working_size(*rgb.size, self.limits)
        if size != rgb.size:
            rgb = rgb.resize(size, Image.Resampling.HAMMING, reducing_gap=3.0)
        return np.asarray(rgb, np.uint8).copy()

    def _luma(self, pixels: Pixels) -> Pixels:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        size = track_size(self.info.width, self.info.height, self.limits)
        return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
