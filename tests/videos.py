"""Videos drawn from real photographs: a window that wanders over each, shot after shot."""

import io
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from PIL import Image

from indexer.media.audio import SAMPLE_RATE, Samples
from indexer.media.images import Pixels
from samples.audio_edits import write_audio
from samples.video_edits import Clip, Piece, write_pieces
from samples.video_looks import Look
from tests.pictures import picture

RATE = 30
SIZE = 320, 240


def wandering(name: str, seconds: float, seed: int) -> list[Pixels]:
    """Returns frames of a shaky camera over one photograph."""
    image = picture(name)
    scale = max(1.5 * SIZE[0] / image.width, 1.5 * SIZE[1] / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    room = np.array([image.width - SIZE[0], image.height - SIZE[1]])
    rng = np.random.default_rng(seed)
    speeds, phases = rng.uniform(0.5, 1.4, (2, 2)), rng.uniform(0, 6, (2, 2))
    frames = []
    for number in range(round(seconds * RATE)):
        second = number / RATE
        path = np.sin(speeds * second + phases).sum(axis=1) / 4 + 0.5
        left, top = (room * path.clip(0, 1)).round().astype(int)
        frames.append(np.asarray(image.crop((left, top, left + SIZE[0], top + SIZE[1]))))
    return frames


@cache
def clip(*names: str, shot_s: float = 4.0) -> Clip:
    """Returns a clip with one shot of each photograph."""
    frames = [frame for seed, name in enumerate(names) for frame in wandering(name, shot_s, seed)]
    return Clip("-".join(names), frames, [number / RATE for number in range(len(frames))])


def whole(source: Clip) -> Piece:
    return Piece(source, 0.0, source.seconds)


@cache
def original(*names: str) -> bytes:
    """Returns the video that a publisher registers."""
    return write_pieces([whole(clip(*names))], crf=18)


def edited(*pieces: Piece, look: Look | None = None, crf: int = 26) -> bytes:
    return write_pieces(list(pieces), look, crf=crf)


def animation(source: Clip, kind: str, *, every: int = 3, **options: object) -> bytes:
    """Returns the first two seconds as an animated image."""
    frames = [Image.fromarray(frame).resize((240, 180)) for frame in source.frames[: 2 * RATE : every]]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, kind, save_all=True, append_images=frames[1:], duration=1000 * every // RATE, **options
    )
    return buffer.getvalue()


def speech(seconds: float, seed: int) -> Samples:
    """Returns samples that are like speech: syllables of changing pitch, vowel and loudness."""
    rng = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    wave = np.zeros(count)
    at = 0.0
    while at < seconds:
        length = rng.uniform(0.12, 0.4)
        inside = (time >= at) & (time < at + length)
        here = (time[inside] - at) / length
        pitch = rng.uniform(110, 260) * (1 + rng.uniform(-0.2, 0.2) * here)
        phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
        formants = rng.uniform(300, 2800, 3)
        loud = np.sin(np.pi * here) * rng.uniform(0.3, 1.0)
        for harmonic in range(1, 12):
            strength = np.exp(-((harmonic * pitch.mean() - formants[:, None]) ** 2) / 2e5).sum()
            wave[inside] += loud * (0.05 + strength) * np.sin(harmonic * phase)
        at += length * rng.uniform(0.8, 1.2)
    wave += 0.003 * rng.normal(size=count)
    loudest: float = np.abs(wave).max()
    return (wave / loudest * 12000).astype(np.int16)


def with_audio(*names: str, audio: Samples, content: bytes | None = None) -> bytes:
    """Returns a video, by default the original of these photographs, with an audio track."""
    buffer = io.BytesIO()
    with (
        av.open(io.BytesIO(content or original(*names)), "r") as pictures,
        av.open(buffer, "w", format="mp4") as out,
    ):
        shown = pictures.streams.video[0]
        stream = out.add_stream_from_template(shown)
        heard = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for packet in pictures.demux(shown):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
        write_audio(out, heard, audio)
    return buffer.getvalue()


def muxed(
    container: str,
    codec: str = "libx264",
    sound: str | None = None,
    *,
    frames: Sequence[Pixels] = (),
    pixel: Fraction | None = None,
    matrix: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """Returns frames, by default a second of a clip, in another container; `sound`: the codec of a voice.

    `pixel`: the shape of its pixels; `matrix`: how players are to lay its frames down.
    """
    frames = frames or clip("coffee").frames[:RATE]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=RATE)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        if pixel is not None:
            stream.codec_context.sample_aspect_ratio = pixel
        if matrix is not None:
            stream.set_display_matrix(matrix)
        heard = _sound(out, sound) if sound else None
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if heard is not None:
            write_audio(out, heard, speech(len(frames) / RATE, seed=1))
    return buffer.getvalue()


def _sound(out: OutputContainer, codec: str) -> AudioStream:
    stream = out.add_stream(codec, rate=48_000 if codec == "libopus" else 44_100, layout="stereo")
    assert isinstance(stream, AudioStream)
    stream.bit_rate = 128_000
    if codec == "vorbis":
        stream.codec_context.options = {"strict": "experimental"}  # FFmpeg's own encoder
    return stream
