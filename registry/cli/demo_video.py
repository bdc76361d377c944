"""Slows some seconds of a video on the spot, with the pitch of its sound corrected."""

import io
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.error
import av.filter

TICKS = 1000  # in a second
AUDIO_RATE = 22050  # Hz


def slowed(path: Path, start: float, end: float, factor: float) -> bytes:
    """Slows the seconds [start, end) of a file with pictures and audio; returns a coarser MP4."""
    buffer = io.BytesIO()
    with av.open(str(path)) as source, av.open(buffer, "w", format="mp4") as target:
        picture = source.streams.video[0]
        shown = target.add_stream("libx264", rate=picture.average_rate, options={"crf": "28"})
        shown.width, shown.height, shown.pix_fmt = picture.width, picture.height, "yuv420p"
        heard = target.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        for frame in source.decode(picture):
            second = float(frame.time or 0.0)
            if start <= second < end:
                frame.pts, frame.time_base = round((second - start) / factor * TICKS), Fraction(1, TICKS)
                target.mux(shown.encode(frame))
        target.mux(shown.encode(None))
        for part in _slowed_audio(path, start, end, factor):
            target.mux(heard.encode(part))
        target.mux(heard.encode(None))
    return buffer.getvalue()


def _slowed_audio(path: Path, start: float, end: float, factor: float) -> Iterator[av.AudioFrame]:
    graph = av.filter.Graph()
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        steps = [
            graph.add_abuffer(template=stream),
            graph.add("atrim", f"start={start}:end={end}"),
            graph.add("asetpts", "PTS-STARTPTS"),
            graph.add("atempo", str(factor)),
            graph.add("aformat", f"sample_fmts=fltp:sample_rates={AUDIO_RATE}:channel_layouts=mono"),
            graph.add("asetnsamples", "n=1024:p=0"),  # what the encoder takes at once
            graph.add("abuffersink"),
        ]
        for step, following in pairwise(steps):
            step.link_to(following)
        graph.configure()
        for frame in source.decode(stream):
            if float(frame.time or 0.0) >= end:
                break
            steps[0].push(frame)
    steps[0].push(None)
    while True:
        try:
            part = steps[-1].pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(part, av.AudioFrame)
        yield part
