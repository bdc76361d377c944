"""Decodes a video to small luma frames and sampled sRGB frames, in the order of time.

It is meant to run inside the limited process of `sandbox` and only sees bytes. It allows for frames stored
turned or mirrored, pixels that are not square, variable frame rates, missing timestamps, joined recordings
and files that are cut off.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice

import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from indexer.media.containers import (
    AUDIO_DECODERS,
    VIDEO_DECODERS,
    allow_one_decoder,
    decoder_name,
    media_type_of,
    open_container,
)
from indexer.media.display_matrix import orientation_of
from indexer.media.errors import TooLarge, Undecodable, UnsupportedFormat
from indexer.media.frames import Frame, Sampler, VideoInfo, track_size, working_size
from indexer.media.images import Pixels, megapixels
from indexer.media.limits import VideoLimits
from indexer.media.played_tracks import choice_in_words, played_audio, played_video, track_duration_s

SEEK_BEYOND_MS = 4000  # a wanted frame that is farther ahead is reached from its key frame
THREADS = 2
WHOLE_SHARE = 0.9  # of the stated duration; audio may outlast the pictures a little
MOST_REFUSED_PACKETS = 500
# A clock that jumps farther than this begins a recording that was joined to the one before (FFmpeg's own
# bound is ten seconds); a few frames out of order jump by less.
BACK_MS, AHEAD_MS = 500, 10_000
USUAL_MOST_RATE = 60.0
DECODED_PER_SHOWN = 2  # decoders count whole blocks of pixels, also those at the edge that are not shown


class OpenVideo:
    """A video opened over bytes in memory. Raises UnsupportedFormat, TooLarge or Undecodable."""

    def __init__(self, payload: bytes, limits: VideoLimits) -> None:
        self.limits = limits
        self.notes: list[str] = []
        self.end_ms = 0  # when the last frame that was decoded ceases to be shown
        self._container, self._format = open_container(payload)
        self.notes += choice_in_words(self._container)
        self._stream = self._allowed_stream()
        self._rate = self._stream.average_rate or self._stream.guessed_rate
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = THREADS
        self._clock = _Clock(self._rate or Fraction(25), self._format.clock_jumps)
        # One for each form: a scaler that goes on as it was begins at once.
        self._scalers = {"gray": VideoReformatter(), "rgb24": VideoReformatter()}
        self._pixels_in_all = 0  # of the frames decoded so far
        self._frames: Iterator[VideoFrame] = self._decoded()
        first = next(self._frames, None)
        if first is None:
            raise Undecodable("not one frame of this video can be decoded")
        self._frames = chain([first], self._frames)
        self.first_time_s = first.time or 0.0  # on the clock of the file
        self._orientation = orientation_of(first)
        self.info = self._info(first)
        self._check()

    def _allowed_stream(self) -> VideoStream:
        """Picks the pictures that a player shows, once it is known that their decoder may run."""
        stream = played_video(self._container, self._format)
        if stream is None:
            raise UnsupportedFormat("there is no picture in this file, only sound or data")
        decoder = decoder_name(stream)
        if decoder not in VIDEO_DECODERS:
            raise UnsupportedFormat(
                f"the pictures of this {self._format.name} file are coded as {decoder}, which is not read"
            )
        self._require_size(stream.codec_context.width, stream.codec_context.height)
        # Also of frames that turn out larger than the file states, before memory is taken for them.
        allow_one_decoder(stream, max_pixels=str(DECODED_PER_SHOWN * self.limits.max_pixels))
        return stream

    def _info(self, first: VideoFrame) -> VideoInfo:
        width, height = self._orientation.size(*_square_size(first, self._stream))
        duration = self._container.duration
        audio = played_audio(self._container, self._format, self._stream)
        unread = self._unread_decoder(audio)
        return VideoInfo(
            media_type=media_type_of(self._container, self._format, decoder_name(self._stream)),
            width=width,
            height=height,
            duration_ms=None if duration is None else round(duration / 1000),
            frame_rate=None if self._rate is None else float(self._rate),
            has_audio=audio is not None and unread is None,
            has_unread_audio=unread is not None,
        )

    def _unread_decoder(self, stream: AudioStream | None) -> str | None:
        """Returns the name of a decoder of sound that may not run, and notes it; None: there is none."""
        decoder = None if stream is None else decoder_name(stream)
        if decoder is None or decoder in AUDIO_DECODERS:
            return None
        self._note(f"its sound is coded as {decoder}, which is not read")
        return decoder

    def _require_size(self, width: int, height: int) -> None:
        if max(width, height) > self.limits.max_side or width * height > self.limits.max_pixels:
            raise TooLarge(f"frames of {width} x {height} pixels; at most {self.limits.max_pixels}")

    def _check(self) -> None:
        info, limits = self.info, self.limits
        self._require_size(info.width, info.height)
        if self._stream.frames > limits.max_frames:
            raise TooLarge(f"{self._stream.frames} frames; at most {limits.max_frames} of a video are read")
        self._require_cost(self._stated_frames() * info.width * info.height)
        if info.duration_ms is None or self._format.clock_jumps:
            return  # a guess from a clock that may jump refuses nothing; the frames themselves are counted
        if info.duration_ms > 1000 * limits.max_seconds:
            seconds = info.duration_ms // 1000
            raise TooLarge(f"{seconds} seconds of video; at most {limits.max_seconds} are read")

    def _stated_ms(self) -> int | None:
        """How long the pictures last; where the file does not state it, how long all of it does."""
        own = track_duration_s(self._stream)
        return self.info.duration_ms if own is None else round(1000 * own)

    def _stated_frames(self) -> int:
        """How many frames there will be, as far as the file says so before they are decoded."""
        if self._stream.frames:
            return self._stream.frames
        duration_ms, rate = self.info.duration_ms, self.info.frame_rate
        if duration_ms is None or rate is None or self._format.clock_jumps:
            return 0
        # Where every frame has a time of its own, the rate may be no more than how finely time is counted.
        return round(duration_ms / 1000 * min(rate, USUAL_MOST_RATE))

    def _require_cost(self, pixels: int) -> None:
        most = self.limits.max_pixels_in_all
        if pixels > most:
            raise TooLarge(
                f"frames with {megapixels(pixels)} together; at most {megapixels(most)} of a video are read"
            )

    def only_frame(self) -> Pixels | None:
        """The (h, w, 3) frame of a video that has no other, and no sound: a picture; None: it has more."""
        if self.info.has_audio:
            return None
        begin = list(islice(self._frames, 2))
        self._frames = chain(begin, self._frames)
        return self._rgb(begin[0]) if len(begin) == 1 else None

    def sampled(self) -> Iterator[Frame]:
        """Yields every frame of the track; those that are sampled come with their pixels.

        Raises TooLarge where the file is longer than it states.
        """
        sampler = Sampler(self.limits)
        count = 0
        for time_ms, frame in self._timed():
            count += 1
            if count > self.limits.max_frames or time_ms > 1000 * self.limits.max_seconds:
                raise TooLarge(f"more than {self.limits.max_seconds} seconds or {count - 1} frames")
            if not sampler.wants(time_ms):
                continue
            luma = self._luma(frame)
            sampled, cut = sampler.look(time_ms, luma)
            yield Frame(time_ms, luma, self._rgb(frame) if sampled else None, cut)
        stated_ms = None if self._format.clock_jumps else self._stated_ms()
        if stated_ms is not None and self.end_ms < WHOLE_SHARE * stated_ms:
            self._note(f"of {stated_ms / 1000:.1f} seconds {self.end_ms / 1000:.1f} could be decoded")

    def at(self, times_ms: list[int]) -> Iterator[Frame]:
        """Yields for each of these times, in rising order, the frame that a player shows then."""
        wanted = iter(sorted(times_ms))
        target = next(wanted, None)
        last: tuple[int, VideoFrame] | None = None
        frames = self._timed()
        sought: int | None = None
        while target is not None:
            far = last is not None and target - last[0] > SEEK_BEYOND_MS and self._format.seeks_exactly
            if far and target != sought and self._seek(target):
                frames, last = self._timed(), None
            sought = target  # its key frame may lie that far before it, so it is sought only once
            following = next(frames, None)
            while target is not None and (following is None or following[0] > target):
                shown = last or following
                if shown is None:
                    return
                yield Frame(target, None, self._rgb(shown[1]))
                target = next(wanted, None)
            last = following or last

    def _seek(self, time_ms: int) -> bool:
        try:
            self._container.seek(round(1000 * (time_ms + 1000 * (self._clock.first_time_s or 0.0))))
        except av.error.FFmpegError:
            return False
        self._frames = self._decoded()
        return True

    def _timed(self) -> Iterator[tuple[int, VideoFrame]]:
        """Yields frames with their time since the first one, in milliseconds, strictly rising."""
        self._clock.restart()
        for frame in self._frames:
            time_ms = self._clock.time_ms(frame.time)
            if time_ms is not None:
                self.end_ms = time_ms + self._clock.step_ms
                yield time_ms, frame

    def _decoded(self) -> Iterator[VideoFrame]:
        lost = damaged = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    for frame in packet.decode():
                        self._require_size(frame.width, frame.height)
                        self._pixels_in_all += frame.width * frame.height
                        self._require_cost(self._pixels_in_all)
                        damaged += frame.is_corrupt
                        yield frame
                except av.error.FFmpegError:
                    lost += 1
                    if lost > MOST_REFUSED_PACKETS:
                        break
        except av.error.FFmpegError:
            self._note("the file breaks off or is damaged; what came before was read")
        if lost:
            self._note(f"{lost} damaged packet{'s were' if lost > 1 else ' was'} left out")
        if damaged:
            self._note(f"{damaged} frame{'s are' if damaged > 1 else ' is'} damaged")

    def _note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)

    def _luma(self, frame: VideoFrame) -> Pixels:
        return self._pixels(frame, "gray", track_size(self.info.width, self.info.height, self.limits))

    def _rgb(self, frame: VideoFrame) -> Pixels:
        return self._pixels(frame, "rgb24", working_size(self.info.width, self.info.height, self.limits))

    def _pixels(self, frame: VideoFrame, form: str, shown_size: tuple[int, int]) -> Pixels:
        width, height = self._orientation.size(*shown_size)
        try:
            small = self._scalers[form].reformat(frame, width, height, form, interpolation="AREA")
        except (av.error.FFmpegError, ValueError) as error:
            raise Undecodable(
                f"its frames cannot be shown: {frame.format.name} is not converted"
            ) from error
        return self._orientation.upright(np.asarray(small.to_ndarray(), np.uint8))


class _Clock:
    """Turns the times that a file gives its frames into milliseconds since the first, which never jump."""

    def __init__(self, rate: Fraction, jumps: bool) -> None:
        self.step_ms = max(1, round(1000 / rate))
        self.first_time_s: float | None = None
        self._jumps = jumps
        self._shift_ms = 0  # what joined recordings are moved by, to follow one another
        self._previous_ms = -1

    def restart(self) -> None:
        """Begins again, at the first frame or at one that was sought."""
        self._previous_ms = -1

    def time_ms(self, seconds: float | None) -> int | None:
        """Returns the time of the next frame; None if it is shown for no time, or out of order."""
        previous_ms = self._previous_ms
        if self.first_time_s is None:
            self.first_time_s = seconds or 0.0
        if seconds is None:
            time_ms = previous_ms + self.step_ms if previous_ms >= 0 else 0
        else:
            time_ms = round(1000 * (seconds - self.first_time_s)) + self._shift_ms
        if self._jumps and previous_ms >= 0 and not -BACK_MS < time_ms - previous_ms < AHEAD_MS:
            self._shift_ms += previous_ms + self.step_ms - time_ms
            time_ms = previous_ms + self.step_ms
        if time_ms <= previous_ms:
            return None
        self._previous_ms = time_ms
        return time_ms


def _square_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Returns width and height with square pixels; the container's word on their shape goes first."""
    aspect = stream.sample_aspect_ratio
    ratio = float(aspect) if aspect else 1.0
    width = round(frame.width * ratio) if 0.2 < ratio < 5.0 else frame.width
    return max(2, width), frame.height
