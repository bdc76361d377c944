"""One channel of several, in which no sound is lost that listeners hear.

The mean of two channels of which one is inverted is silence, though loudspeakers and headphones let both be
heard. There half of their difference is taken, which is what their mean would be with that channel turned
back. Of ordinary stereo the mean holds more than the difference, and stays what it is.
"""

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

BLOCK_S = 0.5  # for so long one of the two is taken
# How many times the energy of the mean the difference must have: in the block alone (a correlation of the
# channels below -0.8), or also over the blocks around it (-1/3). In a moment much may be out of phase.
LOST_RATIO, LOST_RATIO_AROUND = 9.0, 2.0
AROUND = 2  # blocks before and after
FAINT = 30.0**2  # mean square, of full scale 32768, below which neither is heard

Rows = npt.NDArray[np.int16]  # (2, n): the mean of the channels, half their difference


class Mixdown:
    """Resamples the frames of one track, whose format may change on the way."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._form: tuple[str, str, int] | None = None
        self._mean: AudioResampler
        self._both: AudioResampler | None

    def rows(self, frame: AudioFrame) -> Rows:
        """Returns (2, n) samples, n about the length of the frame; with one channel row 1 is silence.

        Raises FFmpegError or ValueError where the form of the frame is not converted.
        """
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form != self._form:
            self._form = form
            self._mean = self._resampler("mono")
            self._both = self._resampler("stereo") if frame.layout.nb_channels > 1 else None
        mean = _samples(self._mean, frame, 1)
        rows = np.zeros((2, mean.shape[1]), np.int16)
        rows[0] = mean[0]
        if self._both is not None:
            left, right = _samples(self._both, frame, 2).astype(np.int32)[:, : rows.shape[1]]
            rows[1, : len(left)] = (left - right) // 2
        return rows

    def _resampler(self, layout: str) -> AudioResampler:
        return av.AudioResampler(format="s16", layout=layout, rate=self._rate)


def one_channel(rows: Rows, rate: int) -> npt.NDArray[np.int16]:
    """Returns (n,) samples of (2, n): the mean, or the difference where the mean lost what is heard."""
    size = rows.shape[1]
    starts = np.arange(0, max(1, size - round(BLOCK_S * rate) + 1), round(BLOCK_S * rate))
    lengths = np.diff(starts, append=size)  # the last block takes the rest
    squares = np.square(rows, dtype=np.float32)
    energy = np.add.reduceat(squares, starts, axis=1) / lengths if size else np.zeros((2, 1))
    padded = np.pad(energy, ((0, 0), (AROUND, AROUND)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1, axis=1).mean(axis=2)
    mean, difference = energy
    is_lost = difference > LOST_RATIO * mean
    is_lost |= (difference > mean) & (around[1] > LOST_RATIO_AROUND * around[0])
    taken = np.repeat(is_lost & (difference > FAINT), lengths)
    return np.asarray(np.where(taken, rows[1], rows[0]), np.int16)


def _samples(resampler: AudioResampler, frame: AudioFrame, channels: int) -> npt.NDArray[np.int16]:
    parts = [np.asarray(part.to_ndarray(), np.int16) for part in resampler.resample(frame)]
    packed = np.concatenate([np.zeros((1, 0), np.int16), *parts], axis=1)
    return packed.reshape(-1, channels).T
