"""Decodes the audio of a file to mono samples, inside the limited process of `sandbox`."""

from collections.abc import Iterator

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream

from indexer.media.containers import AUDIO_DECODERS, allow_one_decoder, decoder_name, open_container
from indexer.media.limits import VideoLimits

SAMPLE_RATE = 11025  # Hz, enough for speech and melody
CHUNK_SAMPLES = 10 * SAMPLE_RATE
Samples = npt.NDArray[np.int16]


def decode_audio(payload: bytes, limits: VideoLimits) -> Iterator[Samples]:
    """Yields the audio track that is played in resampled chunks; nothing where none can be decoded.

    Sample 0 is the moment of the first frame of the pictures, as far as the file tells.
    """
    container, _ = open_container(payload)
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream) or decoder_name(stream) not in AUDIO_DECODERS:
        return
    allow_one_decoder(stream)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    kept: list[Samples] = []
    count = 0
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                for part in resampler.resample(frame):
                    kept.append(np.asarray(part.to_ndarray(), np.int16).ravel())
                    count += len(kept[-1])
            if sum(map(len, kept)) >= CHUNK_SAMPLES:
                yield np.concatenate(kept)
                kept = []
            if count > limits.max_seconds * SAMPLE_RATE:
                break
    except av.error.FFmpegError:
        pass  # the file breaks off; what came before counts
    if kept:
        yield np.concatenate(kept)
