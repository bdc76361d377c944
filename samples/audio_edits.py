"""Edits of audio tracks: played at a factor, with the pitch kept or not, and cut or filled with silence."""

from fractions import Fraction
from itertools import pairwise

import av
import av.error
import av.filter
import numpy as np

from indexer.media.audio import SAMPLE_RATE, Samples, decode_audio
from indexer.media.limits import VideoLimits

HEARD = 100  # of 32767: below, a track is silence


def read_audio(payload: bytes, longest_s: float) -> Samples | None:
    """Reads the mono samples of a file at `SAMPLE_RATE`; None where nothing is heard."""
    chunks = list(decode_audio(payload, VideoLimits()))
    samples = np.concatenate([np.zeros(0, np.int16), *chunks])[: round(longest_s * SAMPLE_RATE)]
    return samples if np.any(np.abs(samples.astype(int)) > HEARD) else None


def stretched(samples: Samples, factor: float, *, pitch_kept: bool) -> Samples:
    """Plays samples at a factor, with the pitch corrected or moved along (by FFmpeg's filters)."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=SAMPLE_RATE, format="s16", layout="mono")
    if pitch_kept:
        steps = [graph.add("atempo", str(factor))]
    else:
        steps = [
            graph.add("asetrate", str(round(SAMPLE_RATE * factor))),
            graph.add("aresample", str(SAMPLE_RATE)),
        ]
    steps.append(graph.add("aformat", f"sample_fmts=s16:sample_rates={SAMPLE_RATE}:channel_layouts=mono"))
    sink = graph.add("abuffersink")
    for one, other in pairwise([source, *steps, sink]):
        one.link_to(other)
    graph.configure()
    source.push(audio_frame(samples))
    source.push(None)
    found: list[Samples] = []
    while True:
        try:
            frame = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return np.concatenate(found)
        assert isinstance(frame, av.AudioFrame), "the sink is one of audio"
        found.append(np.asarray(frame.to_ndarray(), np.int16).ravel())


def audio_frame(samples: Samples) -> av.AudioFrame:
    """Puts all samples into one frame that starts at zero."""
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.int16), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
    return frame


def fitted(samples: Samples, seconds: float) -> Samples:
    """Cuts samples, or fills them with silence, to so many seconds."""
    count = round(seconds * SAMPLE_RATE)
    return np.pad(samples[:count], (0, max(0, count - len(samples))))


def write_audio(out: av.container.OutputContainer, stream: av.AudioStream, samples: Samples) -> None:
    """Encodes all samples into a stream of a file that is being written."""
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
    for frame in resampler.resample(audio_frame(samples)):
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
