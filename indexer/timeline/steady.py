"""Compares sounds that stay as they are: a hum, a test tone, a held chord.

Audio is compared by how it changes. Of a sound that does not, all that changes is what coding adds to it,
which differs from copy to copy and says nothing. What is compared of it is the mean of what is loud in it.
"""

import numpy as np

from indexer.fingerprints.audio import HOP_S, WINDOW, Bands, Spectrogram
from indexer.media.audio import SAMPLE_RATE

LOUD_DB = 30.0  # below the loudest semitone of a moment; coding leaves that alone
MOST_CHANGE = 0.2  # of the typical moment, relative to the mean; speech and melodies have 0.5 and more
SAME_SPECTRUM = 0.8  # correlation of the means


def is_same_steady(
    query: Spectrogram,
    span: tuple[float, float],
    reference: Spectrogram,
    reference_span: tuple[float, float],
    semitones: int = 0,
) -> bool:
    """Whether both are one steady sound in these (start, end) seconds, the query raised by `semitones`."""
    means = [_steady_mean(query, span), _steady_mean(reference, reference_span)]
    if means[0] is None or means[1] is None:
        return False
    return float(np.roll(means[0], semitones) @ means[1]) >= SAME_SPECTRUM


def _steady_mean(audio: Spectrogram, span: tuple[float, float]) -> Bands | None:
    """Returns the unit mean of (SEMITONES,) levels; None where they change, or nothing is heard."""
    times = np.arange(len(audio.bands)) * HOP_S + WINDOW / SAMPLE_RATE / 2
    rows = audio.bands[audio.audible & (times >= span[0]) & (times < span[1])]
    if not len(rows):
        return None
    loud = np.maximum(0.0, rows - rows.max(axis=1, keepdims=True) + LOUD_DB)
    mean = loud.mean(axis=0)
    size = float(np.linalg.norm(mean))
    change = float(np.median(np.linalg.norm(loud - mean, axis=1)))
    return None if change > MOST_CHANGE * size else np.asarray(mean / size, np.float32)
