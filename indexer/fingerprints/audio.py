"""Audio fingerprints: the energy of sixty semitones, ten times a second, and 256 bits of how it changes.

The bits are the signs of differences in frequency and time (Haitsma and Kalker, 2002) over windows of
almost two seconds. They serve to retrieve candidates. Two audio tracks are aligned in time by their
spectrograms of semitones, in which a change of pitch is a shift.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from indexer.fingerprints.kinds import AUDIO, Fingerprint
from indexer.media.audio import SAMPLE_RATE

WINDOW = 4096  # samples, 0.37 s
HOP_S = 0.1
LOWEST_HZ, SEMITONES = 110.0, 60
QUIET_DB = 50.0  # a frame that lies farther below the loudest ones is not audible
SILENCE = 1e-5  # a tenth of the root mean square, of full scale 1, below which a frame is noise
SMOOTHING_S = 4.0  # what stays the same for so long comes from the room and the recorder
CODE_FRAMES, CODE_STEP = 8, 2  # eight frames, 0.2 s apart
CODE_BANDS = 33  # neighbouring bands are compared, which gives 32 bits a frame
CODE_EVERY_S = 0.2
LEAST_AUDIBLE = 0.6  # share of a window
QUANTUM_DB = 0.5

Bands = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Spectrogram:
    """The spectrogram of semitones of one audio track."""

    bands: Bands  # (n, SEMITONES) decibels, frame i at i * HOP_S seconds
    audible: npt.NDArray[np.bool_]  # (n,)
    in_step: bool = True  # whether frame 0 is known to be at the first frame of the pictures

    @property
    def is_silent(self) -> bool:
        """Whether hardly any frame is audible."""
        return float(self.audible.mean()) < 0.05 if len(self.audible) else True

    def vectors(self, semitones: int = 0) -> Bands:
        """Returns (n, SEMITONES) unit rows without the room's share, shifted up by so many semitones."""
        found = np.roll(self.bands, semitones, axis=1)
        found = found - found.mean(axis=1, keepdims=True)
        found = found - _smoothed(found, round(SMOOTHING_S / HOP_S))
        if semitones > 0:
            found[:, :semitones] = 0.0
        if semitones < 0:
            found[:, semitones:] = 0.0
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.where(self.audible[:, None], found / np.maximum(norms, 1e-6), 0.0).astype(np.float32)

    def stored(self) -> npt.NDArray[np.uint8]:
        """Returns (n, SEMITONES + 1) bytes, which `restored` reads back."""
        levels = np.clip(self.bands / QUANTUM_DB, 0, 255).astype(np.uint8)
        return np.concatenate([levels, self.audible[:, None].astype(np.uint8)], axis=1)

    @staticmethod
    def restored(stored: npt.NDArray[np.uint8], *, in_step: bool) -> "Spectrogram":
        """Reads what `stored` returned."""
        return Spectrogram(stored[:, :-1].astype(np.float32) * QUANTUM_DB, stored[:, -1] > 0, in_step)


def spectrogram_of(samples: npt.NDArray[np.int16]) -> Spectrogram:
    """Computes the spectrogram of mono samples at SAMPLE_RATE."""
    wave = samples.astype(np.float32) / 32768.0
    hop = SAMPLE_RATE * HOP_S
    count = max(0, int((len(wave) - WINDOW) / hop) + 1)
    if count == 0:
        return Spectrogram(np.zeros((0, SEMITONES), np.float32), np.zeros(0, np.bool_))
    starts = (np.arange(count) * hop).astype(int)
    window = np.hanning(WINDOW).astype(np.float32)
    weights = _semitone_weights()
    bands = np.empty((count, SEMITONES), np.float32)
    power = np.empty(count, np.float32)
    for first in range(0, count, 256):
        frames = np.stack([wave[start : start + WINDOW] for start in starts[first : first + 256]])
        spectrum = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
        bands[first : first + 256] = 10 * np.log10(spectrum @ weights + 1e-7) + 70.0
        power[first : first + 256] = (frames**2).mean(axis=1)
    loudest = max(float(np.quantile(power, 0.95)), 1e-12)
    return Spectrogram(bands, power > max(SILENCE**2 * 100, loudest * 10 ** (-QUIET_DB / 10)))


def audio_codes(spectrogram: Spectrogram) -> list[Fingerprint]:
    """Computes a code every fifth of a second, where enough of its window is audible."""
    reach = (CODE_FRAMES - 1) * CODE_STEP + CODE_STEP
    every = round(CODE_EVERY_S / HOP_S)
    edges = np.linspace(0, SEMITONES, CODE_BANDS + 1).astype(int)
    wide = np.stack(
        [spectrogram.bands[:, low:high].mean(axis=1) for low, high in pairwise(edges.tolist())],
        axis=1,
    )
    found = []
    for start in range(0, len(wide) - reach, every):
        if spectrogram.audible[start : start + reach].mean() < LEAST_AUDIBLE:
            continue
        frames = wide[start : start + reach : CODE_STEP][:CODE_FRAMES]
        later = wide[start + CODE_STEP : start + reach + CODE_STEP : CODE_STEP][:CODE_FRAMES]
        change = np.diff(later, axis=1) - np.diff(frames, axis=1)
        bits = np.packbits((change > 0).ravel())
        found.append(Fingerprint(AUDIO.name, bits.tobytes(), time_ms=round(1000 * start * HOP_S)))
    return found


def _semitone_weights() -> Bands:
    """Returns the (WINDOW // 2 + 1, SEMITONES) share of every frequency in every semitone."""
    frequencies = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    places = 12 * np.log2(np.maximum(frequencies, 1.0) / LOWEST_HZ)
    weights = np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(SEMITONES)[None, :]))
    return np.asarray(weights, np.float32)


def _smoothed(rows: Bands, width: int) -> Bands:
    padded = np.concatenate([rows[:1].repeat(width // 2, 0), rows, rows[-1:].repeat(width - width // 2, 0)])
    total = np.cumsum(padded, axis=0, dtype=np.float64)
    return np.asarray((total[width:] - total[:-width])[: len(rows)] / width, np.float32)
