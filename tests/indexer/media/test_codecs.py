"""Every codec that FFmpeg can write here, against the lists of those that are read."""

import io
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import av
import av.error
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.codec import Codec
from av.video.stream import VideoStream

from indexer.media.audio import decode_audio
from indexer.media.containers import (
    AUDIO_DECODERS,
    VIDEO_DECODERS,
    container_of,
    decoder_name,
    open_container,
)
from indexer.media.errors import UnsupportedFormat
from indexer.media.limits import VideoLimits
from indexer.media.video import OpenVideo
from tests.videos import speech

CONTAINERS = ("matroska", "mov", "avi", "asf", "mpegts", "flv", "ogg", "mpeg")
# Some encoders take these alone.
SIZES = ((352, 288), (128, 128), (720, 576))
RATES = (44_100, 8_000, 48_000, 16_000)
# The encoders of graphics cards, which look for one.
NOT_TRIED = (
    "_qsv",
    "_amf",
    "_nvenc",
    "_vaapi",
    "_v4l2m2m",
    "_vulkan",
    "_omx",
    "_mf",
    "_d3d12va",
    "_videotoolbox",
)
UNKNOWN = "an unknown codec"


@cache
def codecs(kind: str) -> tuple[Codec, ...]:
    """All encoders of pictures or of sound."""
    found = []
    for name in sorted(av.codecs_available):
        try:
            codec = Codec(name, "w")
        except ValueError:  # a decoder only
            continue
        if codec.type == kind and not name.endswith(NOT_TRIED):
            found.append(codec)
    return tuple(found)


@cache
def written(codec: Codec, write: Callable[[Codec, str], bytes]) -> tuple[bytes, str]:
    """A file of this codec, in the first of CONTAINERS from which it is known again, and its decoder."""
    for container in CONTAINERS:
        try:
            payload = write(codec, container)
        except (av.error.FFmpegError, ValueError):
            continue
        if container_of(payload) and (decoder := decoder_of(payload, codec.type)) != UNKNOWN:
            return payload, decoder
    return b"", UNKNOWN


def pictures(codec: Codec, container: str) -> bytes:
    for size in SIZES:
        try:
            return _pictures(codec, container, size)
        except (av.error.FFmpegError, ValueError):
            continue
    raise ValueError(codec.name)


def _pictures(codec: Codec, container: str, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec.name, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = codec.video_formats[0].name if codec.video_formats else "yuv420p"
        stream.codec_context.options = {"strict": "experimental"}
        for number in range(3):
            ramp = np.linspace(0, 80 * number, size[0] * size[1] * 3).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(ramp.reshape(size[1], size[0], 3), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def sound(codec: Codec, container: str) -> bytes:
    for rate in codec.audio_rates or RATES:
        for layout in ("mono", "stereo"):
            try:
                return _sound(codec, container, rate, layout)
            except (av.error.FFmpegError, ValueError):
                continue
    raise ValueError(codec.name)


def _sound(codec: Codec, container: str, rate: int, layout: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec.name, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        stream.codec_context.options = {"strict": "experimental"}
        stream.codec_context.format = codec.audio_formats[0].name if codec.audio_formats else "s16"
        frame = av.AudioFrame.from_ndarray(speech(0.5, 1)[None], "s16", "mono")
        frame.sample_rate = 11_025
        resampler = av.AudioResampler(
            stream.codec_context.format.name,
            layout,
            rate,
            frame_size=stream.codec_context.frame_size or None,
        )
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def decoder_of(payload: bytes, kind: Any) -> str:
    container, _ = open_container(payload)
    with container:
        stream = container.streams.best(kind)
        return decoder_name(stream) if isinstance(stream, (VideoStream, AudioStream)) else UNKNOWN


def test_pictures_are_decoded_by_listed_decoders_and_by_no_other() -> None:
    read: set[str] = set()
    refused: set[str] = set()
    for codec in codecs("video"):
        payload, decoder = written(codec, pictures)
        if decoder in VIDEO_DECODERS:
            read.add(decoder)
            assert next(OpenVideo(payload, VideoLimits()).sampled()).pixels is not None
        elif payload:
            refused.add(decoder)
            with pytest.raises(UnsupportedFormat, match=f"coded as {decoder}, which is not read"):
                OpenVideo(payload, VideoLimits())
    assert len(read) > 25, read
    assert len(refused) > 20, refused


def test_sound_is_decoded_by_listed_decoders_and_by_no_other() -> None:
    read: set[str] = set()
    refused: set[str] = set()
    for codec in codecs("audio"):
        payload, decoder = written(codec, sound)
        if payload:
            (read if decoder in AUDIO_DECODERS else refused).add(decoder)
            heard = sum(map(len, decode_audio(payload, VideoLimits())))
            assert (heard > 0) == (decoder in AUDIO_DECODERS), decoder
    assert len(read) > 20, read
    assert len(refused) > 10, refused


@pytest.mark.parametrize(("kind", "write"), [("video", pictures), ("audio", sound)])
def test_the_list_reaches_the_decoder_itself(kind: Any, write: Callable[[Codec, str], bytes]) -> None:
    """Whoever asks for a stream without looking at its decoder first gets nothing of it either."""
    tried = set()
    for codec in codecs(kind):
        payload, decoder = written(codec, write)
        if not payload:
            continue
        tried.add(decoder)
        container, _ = open_container(payload)
        with container:
            stream = container.streams.best(kind)
            assert isinstance(stream, (VideoStream, AudioStream))
            stream.codec_context.options = {"codec_whitelist": "another"}
            with pytest.raises(av.error.FFmpegError):
                list(container.decode(stream))
    assert len(tried) > 30, tried


def test_of_all_decoders_that_ffmpeg_has_it_opens_listed_ones_only() -> None:
    listed = VIDEO_DECODERS | AUDIO_DECODERS
    opened, names = set(), sorted(av.codecs_available)
    for name in names:
        try:
            context = av.CodecContext.create(name, "r")
        except (ValueError, av.error.FFmpegError):  # an encoder only
            continue
        context.options = {"codec_whitelist": ",".join(listed)}
        try:
            context.open()
        except (ValueError, av.error.FFmpegError):  # it needs more than its name, or is not listed
            continue
        opened.add(name)
    assert opened <= listed
    assert len(opened) > len(listed) / 2 > 30
    assert len(names) > 300


def test_looking_into_a_container_runs_no_other_decoder() -> None:
    """FFmpeg decodes the first frames when a container does not say what they are like."""
    [codec] = [codec for codec in codecs("video") if codec.name == "magicyuv"]
    payload, _ = written(codec, pictures)
    with av.open(io.BytesIO(payload)) as careless, open_container(payload)[0] as careful:
        assert careless.streams.video[0].codec_context.pix_fmt is not None
        assert careful.streams.video[0].codec_context.pix_fmt is None
