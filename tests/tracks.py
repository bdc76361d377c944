"""Files of several tracks, which begin when they are told to."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Disposition

from indexer.media.audio import SAMPLE_RATE, Samples
from indexer.media.images import Pixels
from tests.videos import RATE, clip

DEFAULT, NOT_DEFAULT, ATTACHED = Disposition.default, Disposition(0), Disposition.attached_pic
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@dataclass(frozen=True)
class Shown:
    """A track of pictures."""

    frames: Sequence[Pixels]
    codec: str = "libx264"
    at_s: float = 0.0
    disposition: Disposition | None = None


@dataclass(frozen=True)
class Heard:
    """A track of sound: channels of samples, each piece at its time."""

    pieces: Sequence[tuple[float, npt.NDArray[np.int16]]]  # seconds, (channels, n)
    codec: str = "aac"
    disposition: Disposition | None = None
    rate: int = field(default=44_100)


def sound(*channels: Samples, at_s: float = 0.0, codec: str = "aac", **options: Disposition) -> Heard:
    """Returns a track of these channels."""
    rate = 48_000 if codec == "libopus" else 44_100
    return Heard([(at_s, np.stack(channels))], codec, rate=rate, **options)


def film(seconds: float = 0.4, **options: float) -> Shown:
    """Returns the first seconds of a clip as a track."""
    return Shown(clip("coffee").frames[: round(seconds * RATE)], **options)  # type: ignore[arg-type]


def written(container: str, *tracks: Shown | Heard) -> bytes:
    """Returns a file with these tracks, in this order."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        streams = [_stream(out, track) for track in tracks]
        packets = [
            packet
            for track, stream in zip(tracks, streams, strict=True)
            for packet in (
                _shown(track, stream)  # type: ignore[arg-type]
                if isinstance(track, Shown)
                else _heard(track, stream)  # type: ignore[arg-type]
            )
            if packet.dts is not None
        ]
        for packet in sorted(packets, key=lambda one: float((one.dts or 0) * one.time_base)):
            out.mux(packet)
    return buffer.getvalue()


def _stream(out: av.container.OutputContainer, track: Shown | Heard) -> av.VideoStream | AudioStream:
    if isinstance(track, Shown):
        shown = out.add_stream(track.codec, rate=RATE)
        assert isinstance(shown, av.VideoStream)
        shown.height, shown.width = track.frames[0].shape[:2]
        shown.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(track.codec, "yuv420p")
        shown.bit_rate = 1_000_000
        stream: av.VideoStream | AudioStream = shown
    else:
        heard = out.add_stream(track.codec, rate=track.rate, layout=LAYOUTS[len(track.pieces[0][1])])
        assert isinstance(heard, AudioStream)
        if track.codec == "vorbis":
            heard.codec_context.options = {"strict": "experimental"}  # FFmpeg's own encoder
        stream = heard
    if track.disposition is not None:
        stream.disposition = track.disposition
    return stream


def _shown(track: Shown, stream: av.VideoStream) -> "Iterator[Packet[Any]]":
    for number, pixels in enumerate(track.frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts, frame.time_base = number + round(track.at_s * RATE), Fraction(1, RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _heard(track: Heard, stream: AudioStream) -> "Iterator[Packet[Any]]":
    context = stream.codec_context
    size = context.frame_size or 1024
    for at_s, channels in track.pieces:
        layout = LAYOUTS[len(channels)]
        resampler = av.AudioResampler(context.format.name, layout, track.rate, frame_size=size)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(channels.T.reshape(1, -1)), format="s16", layout=layout
        )
        frame.sample_rate = SAMPLE_RATE
        at = round(at_s * track.rate)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            is_last = part.samples < size
            if is_last and at_s != track.pieces[-1][0]:
                continue  # an encoder takes a short frame at its end only
            part.pts, part.time_base = at, Fraction(1, track.rate)
            at += part.samples
            yield from stream.encode(part)
    yield from stream.encode(None)
