"""Reads animated GIF, WebP, PNG and AVIF as a video, composed and timed as a browser shows them."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from PIL import Image

from indexer.media.colours import to_srgb
from indexer.media.errors import MediaError, TooLarge, Undecodable
from indexer.media.frames import Frame, Sampler, VideoInfo, track_size, working_size
from indexer.media.gif import count_frames
from indexer.media.images import (
    ANIMATED,
    MEDIA_TYPES,
    Pixels,
    as_browsers_read,
    check_size,
    megapixels,
    open_frames,
    refusal,
)
from indexer.media.limits import VideoLimits

# Browsers show a frame whose stated duration is shorter than this for a tenth of a second.
LEAST_DURATION_MS, DEFAULT_DURATION_MS = 11, 100
END_OF_TIME_MS = 1 << 40


def is_animated(payload: bytes, limits: VideoLimits) -> bool:
    """Whether the payload opens as an image with more than one frame in time."""
    try:
        if count_frames(payload, limits.max_animation_frames) > limits.max_animation_frames:
            return True  # Pillow would count them all, however many there are
        readable, _ = as_browsers_read(payload)
        image, frames = open_frames(readable, limits.max_pixels)
        with image:
            return image.format in ANIMATED and frames > 1
    except Exception:  # Pillow's parsers raise nearly anything; `decode_image` says what is wrong
        return False


class OpenAnimation:
    """An animated image, with the interface of `OpenVideo`. Raises TooLarge or Undecodable.

    What it will cost is known before a frame is decoded: so many frames, each composed on the whole canvas.
    """

    def __init__(self, payload: bytes, limits: VideoLimits) -> None:
        self.limits = limits
        self.notes: list[str] = []
        self.end_ms = 0  # when the last frame ceases to be shown
        self._check_frames(count_frames(payload, limits.max_animation_frames))
        readable, notes = as_browsers_read(payload)
        self.notes += notes
        try:
            self._image, self._count = open_frames(readable, limits.max_pixels)
            width, height = self._image.size
        except Exception as error:
            raise refusal(payload, error, limits) from error
        check_size(width, height, limits)
        self._check_frames(self._count)
        self._check_cost(self._count * width * height)
        kind = MEDIA_TYPES[self._image.format or ""]
        self.info = VideoInfo(kind, width, height, None, None, has_audio=False)

    def _check_frames(self, count: int) -> None:
        most = self.limits.max_animation_frames
        if count > most:
            raise TooLarge(f"more than {most} frames; at most {most} of an animated image are read")

    def _check_cost(self, pixels: int) -> None:
        most = self.limits.max_animation_pixels
        if pixels > most:
            raise TooLarge(
                f"{self._count} frames with {megapixels(pixels)} together; "
                f"at most {megapixels(most)} of an animated image are read"
            )

    def sampled(self) -> Iterator[Frame]:
        """Yields every frame of the track; those that are sampled come with their pixels."""
        sampler = Sampler(self.limits)
        for time_ms, _, pixels in self._timed(lambda start_ms, _: sampler.wants(start_ms)):
            if time_ms > 1000 * self.limits.max_seconds:
                raise TooLarge(f"more than {self.limits.max_seconds} seconds")
            if pixels is None:
                continue
            luma = self._luma(pixels)
            sampled, cut = sampler.look(time_ms, luma)
            yield Frame(time_ms, luma, pixels if sampled else None, cut)

    def at(self, times_ms: list[int]) -> Iterator[Frame]:
        """Yields for each of these times, in rising order, the frame that is shown then."""
        wanted = sorted(times_ms)
        for _, end_ms, pixels in self._timed(lambda _, end_ms: wanted[0] < end_ms):
            while wanted and pixels is not None and wanted[0] < end_ms:
                yield Frame(wanted.pop(0), None, pixels)
            if not wanted:
                return

    def _timed(self, wants: Callable[[int, int], bool]) -> Iterator[tuple[int, int, Pixels | None]]:
        """Yields when each frame begins and ends to be shown, in milliseconds, and its pixels if wanted.

        The last frame is shown for ever.
        """
        time_ms = pixels_in_all = 0
        for number in range(self._count):
            try:
                self._image.seek(number)
                self._image.load()
                # Pillow enlarges the canvas for a frame that lies beyond it.
                pixels_in_all += self._image.width * self._image.height
                self._check_cost(pixels_in_all)
                duration_ms = self._image.info.get("duration", 0)
                shown_ms = round(duration_ms) if duration_ms >= LEAST_DURATION_MS else DEFAULT_DURATION_MS
                end_ms = END_OF_TIME_MS if number + 1 == self._count else time_ms + shown_ms
                pixels = self._pixels() if wants(time_ms, end_ms) else None
            except MediaError:
                raise
            except Exception as error:
                if number == 0:
                    raise Undecodable("the first frame of this animation is damaged") from error
                self.notes.append(f"the file breaks off after {number} of {self._count} frames")
                return
            self.end_ms = time_ms + shown_ms
            yield time_ms, end_ms, pixels
            time_ms = self.end_ms

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
