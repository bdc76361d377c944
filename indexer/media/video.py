"""Decodes a video to small luma frames and sampled sRGB frames, in the order of time.

It is meant to run inside the limited process of `sandbox` and only sees bytes. It allows for rotation,
pixels that are not square, variable frame rates, missing timestamps and files that are cut off.
"""

import io
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from indexer.media.errors import TooLarge, Undecodable, UnsupportedFormat
from indexer.media.frames import Frame, Sampler, VideoInfo, track_size, working_size
from indexer.media.images import Pixels
from indexer.media.limits import VideoLimits

# Never all of FFmpeg's demuxers: some open further files and addresses (concat, hls, dash).
DEMUXERS = {
    "mov,mp4,m4a,3gp,3g2,mj2": "video/mp4",
    "matroska,webm": "video/x-matroska",
    "avi": "video/x-msvideo",
}
# The decoders that such containers need in practice; FFmpeg has four hundred more.
DECODERS = (
    "h264,hevc,vp8,libvpx-vp8,vp9,libvpx-vp9,av1,libdav1d,mpeg4,msmpeg4v3,msmpeg4v2,msmpeg4,mpeg1video,"
    "mpeg2video,h263,mjpeg,prores,theora,rawvideo,png,dvvideo,aac,aac_latm,mp3,mp3float,opus,libopus,"
    "vorbis,libvorbis,ac3,eac3,flac,alac,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,pcm_s16le,"
    "pcm_s16be,pcm_s24le,pcm_f32le,pcm_u8,pcm_alaw,pcm_mulaw"
)
SEEK_BEYOND_MS = 4000  # a wanted frame that is farther ahead is reached from its key frame
THREADS = 2
WHOLE_SHARE = 0.9  # of the stated duration; audio may outlast the pictures a little
MOST_REFUSED_PACKETS = 500


def looks_like_video(payload: bytes) -> bool:
    """Whether the first bytes are those of a container that this module reads."""
    head = payload[:16]
    if head[4:8] == b"ftyp":
        return head[8:12] not in (b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return True
    return head[:4] == b"\x1a\x45\xdf\xa3" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


class OpenVideo:
    """A video opened over bytes in memory. Raises UnsupportedFormat, TooLarge or Undecodable."""

    def __init__(self, payload: bytes, limits: VideoLimits) -> None:
        self.limits = limits
        self.notes: list[str] = []
        self.end_ms = 0  # when the last frame that was decoded ceases to be shown
        self._container = open_container(io.BytesIO(payload))
        if not self._container.streams.video:
            raise UnsupportedFormat("there is no picture in this file, only sound or data")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = THREADS
        self._first_time: float | None = None
        self._frames: Iterator[VideoFrame] = self._decoded()
        first = next(self._frames, None)
        if first is None:
            raise Undecodable("not one frame of this video can be decoded")
        self._frames = chain([first], self._frames)
        self._turns = round(first.rotation / 90) % 4
        self.info = self._info(first)
        self._check()

    def _info(self, first: VideoFrame) -> VideoInfo:
        width, height = _square_size(first)
        if self._turns % 2:
            width, height = height, width
        duration = self._container.duration
        rate = self._stream.average_rate
        return VideoInfo(
            media_type=_media_type(self._container, self._stream),
            width=width,
            height=height,
            duration_ms=None if duration is None else round(duration / 1000),
            frame_rate=None if rate is None else float(rate),
            has_audio=bool(self._container.streams.audio),
        )

    def _check(self) -> None:
        info, limits = self.info, self.limits
        if max(info.width, info.height) > limits.max_side or info.width * info.height > limits.max_pixels:
            raise TooLarge(f"frames of {info.width} x {info.height} pixels; at most {limits.max_pixels}")
        if info.duration_ms is not None and info.duration_ms > 1000 * limits.max_seconds:
            seconds = info.duration_ms // 1000
            raise TooLarge(f"{seconds} seconds of video; at most {limits.max_seconds} are read")

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
        stated_ms = self.info.duration_ms
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
            far = last is not None and target - last[0] > SEEK_BEYOND_MS
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
            self._container.seek(round(1000 * (time_ms + 1000 * (self._first_time or 0.0))))
        except av.error.FFmpegError:
            return False
        self._frames = self._decoded()
        return True

    def _timed(self) -> Iterator[tuple[int, VideoFrame]]:
        """Yields frames with their time since the first one, in milliseconds, strictly rising."""
        rate = self._stream.average_rate or Fraction(25)
        previous = -1
        for frame in self._frames:
            seconds = frame.time
            if self._first_time is None:
                self._first_time = seconds or 0.0
            if seconds is None:
                time_ms = previous + max(1, round(1000 / rate)) if previous >= 0 else 0
            else:
                time_ms = round(1000 * (seconds - self._first_time))
            if time_ms <= previous:
                continue  # a frame that is shown for no time, or out of order
            previous = time_ms
            self.end_ms = time_ms + max(1, round(1000 / rate))
            yield time_ms, frame

    def _decoded(self) -> Iterator[VideoFrame]:
        refused = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except av.error.FFmpegError:
                    refused += 1
                    if refused > MOST_REFUSED_PACKETS:
                        break
        except av.error.FFmpegError as error:
            self._note(f"the file breaks off or is damaged ({error.strerror}); what came before was read")
        if refused:
            self._note(f"{refused} damaged packets were left out")

    def _note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)

    def _luma(self, frame: VideoFrame) -> Pixels:
        width, height = track_size(*_unturned(self.info, self._turns), self.limits)
        small = frame.reformat(width=width, height=height, format="gray", interpolation="AREA")
        return self._turned(np.asarray(small.to_ndarray(), np.uint8))

    def _rgb(self, frame: VideoFrame) -> Pixels:
        width, height = working_size(*_unturned(self.info, self._turns), self.limits)
        rgb = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
        return self._turned(np.asarray(rgb.to_ndarray(), np.uint8))

    def _turned(self, pixels: Pixels) -> Pixels:
        return np.ascontiguousarray(np.rot90(pixels, self._turns)) if self._turns else pixels


def open_container(content: io.BytesIO) -> InputContainer:
    """Opens a container that may refer to nothing outside itself. Raises Undecodable."""
    # The whitelists also hold for what a container refers to, and no protocol may reach it.
    options = {
        "format_whitelist": ",".join(DEMUXERS),
        "codec_whitelist": DECODERS,
        "protocol_whitelist": "none",
    }
    try:
        return av.open(content, "r", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Undecodable(f"the container cannot be read: {reason[:200]}") from error


def _media_type(container: InputContainer, stream: VideoStream) -> str:
    media_type = DEMUXERS.get(container.format.name, "video/mp4")
    if media_type == "video/mp4" and container.metadata.get("major_brand", "").strip() == "qt":
        return "video/quicktime"
    if media_type == "video/x-matroska" and stream.codec_context.name.startswith(
        ("vp8", "vp9", "av1", "libdav1d")
    ):
        return "video/webm"
    return media_type


def _square_size(frame: VideoFrame) -> tuple[int, int]:
    """Returns width and height as a player shows them, since pixels need not be square."""
    aspect = getattr(frame, "sample_aspect_ratio", None)
    ratio = float(aspect) if aspect else 1.0
    width = round(frame.width * ratio) if 0.2 < ratio < 5.0 else frame.width
    return max(2, width), frame.height


def _unturned(info: VideoInfo, turns: int) -> tuple[int, int]:
    return (info.height, info.width) if turns % 2 else (info.width, info.height)
