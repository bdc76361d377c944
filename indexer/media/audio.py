"""Decodes the audio of a file to mono samples on the clock of its pictures, inside the limited process of
`sandbox`."""

from collections.abc import Iterator

import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from indexer.media.containers import AUDIO_DECODERS, allow_one_decoder, decoder_name, open_container
from indexer.media.errors import MediaError
from indexer.media.limits import VideoLimits
from indexer.media.mixdown import Mixdown, Rows, one_channel
from indexer.media.played_tracks import played_audio, played_video
from indexer.media.video import AHEAD_MS, BACK_MS, OpenVideo

SAMPLE_RATE = 11025  # Hz, enough for speech and melody
CHUNK_SAMPLES = 10 * SAMPLE_RATE
# Encoders begin a few hundredths of a second early, and clocks are coarse. Sound that is less out of step
# is left where it is, which also keeps the values of what was registered before this was looked at.
OUT_OF_STEP_S = 0.1
Samples = npt.NDArray[np.int16]


def decode_audio(payload: bytes, limits: VideoLimits) -> Iterator[Samples]:
    """Yields the audio track that is played in resampled chunks; nothing where none can be decoded.

    Sample 0 is the moment of the first frame of the pictures, as far as the file tells: what is heard
    before it is left out, and where the track begins later or pauses, there is silence.
    """
    container, known = open_container(payload)
    stream = played_audio(container, known, played_video(container, known))
    if stream is None or decoder_name(stream) not in AUDIO_DECODERS:
        return
    allow_one_decoder(stream)
    clock = _SoundClock(_begin_of_pictures_s(payload, limits), known.clock_jumps, limits.max_seconds)
    mixdown = Mixdown(SAMPLE_RATE)
    kept: list[Rows] = []
    samples = 0
    for frame in _decoded(container, stream):
        try:
            rows = mixdown.rows(frame)
        except (av.error.FFmpegError, ValueError):
            continue  # of a form that is not converted, as damaged frames may have
        for part in clock.placed(frame, rows):
            kept.append(part)
            samples += part.shape[1]
            if samples >= CHUNK_SAMPLES:
                yield one_channel(np.concatenate(kept, axis=1), SAMPLE_RATE)
                kept, samples = [], 0
        if clock.count + clock.dropped > limits.max_seconds * SAMPLE_RATE:
            break
    if kept:
        yield one_channel(np.concatenate(kept, axis=1), SAMPLE_RATE)


def _decoded(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            yield from frames
    except av.error.FFmpegError:
        pass  # the file breaks off; what came before counts


def _begin_of_pictures_s(payload: bytes, limits: VideoLimits) -> float | None:
    """Returns the time of the first frame that can be decoded, which is that of the track of frames."""
    try:
        return OpenVideo(payload, limits).first_time_s
    except MediaError:
        return None  # sound alone


class _SoundClock:
    """Places decoded sound by the times that the file gives it, as players do."""

    def __init__(self, begin_s: float | None, jumps: bool, max_seconds: int) -> None:
        self.count = 0  # samples that were placed so far
        self.dropped = 0  # samples that were left out
        self._begin_s = begin_s
        self._jumps = jumps
        self._most = max_seconds * SAMPLE_RATE
        self._to_drop = 0  # samples that come before the pictures, or a second time
        self._shift_s: float | None = None  # from the time in the file to that of the pictures

    def placed(self, frame: AudioFrame, rows: Rows) -> Iterator[Rows]:
        """Yields what comes next: silence where samples are missing, and those of the frame."""
        silence = 0
        if frame.time is not None:
            late = self._late_s(frame.time)
            if abs(late) >= OUT_OF_STEP_S:
                ahead = round(late * SAMPLE_RATE) - self._to_drop
                self._to_drop = max(0, -ahead)
                silence = max(0, min(ahead, self._most + SAMPLE_RATE - self.count))
        dropped = min(self._to_drop, rows.shape[1])
        self._to_drop -= dropped
        self.dropped += dropped
        self.count += silence + rows.shape[1] - dropped
        for start in range(0, silence, CHUNK_SAMPLES):
            yield np.zeros((2, min(CHUNK_SAMPLES, silence - start)), np.int16)
        if dropped < rows.shape[1]:
            yield rows[:, dropped:]

    def _late_s(self, time_s: float) -> float:
        """Returns by how much this time lies behind the end of what was decoded."""
        placed_s = (self.count - self._to_drop) / SAMPLE_RATE
        if self._shift_s is None:
            late = 0.0 if self._begin_s is None else time_s - self._begin_s
            if abs(late) < OUT_OF_STEP_S or (self._jumps and 1000 * abs(late) > AHEAD_MS):
                late = 0.0
            self._shift_s = late - time_s
            return late
        late = time_s + self._shift_s - placed_s
        if self._jumps and not -BACK_MS < 1000 * late < AHEAD_MS:
            self._shift_s -= late  # joined recordings: the next follows the one before
            return 0.0
        return late
