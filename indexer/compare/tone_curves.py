"""Curves of tone: what gamma, contrast or equalising made of each level of each channel."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Curves = npt.NDArray[np.float64]  # (256, 3): the new level of each level of each channel

LEVELS = np.arange(256.0)
SMOOTHING = np.array([0.25, 0.5, 0.25])  # over neighbouring levels
LEAST_SAID = 4.0  # samples of a level, below which it is read from its neighbours


def median_curves(values: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32]) -> Curves:
    """Returns for each level of each channel the median of what is wanted; both (n, 3), 0..255.

    Beyond the levels that occur a curve goes on by its last difference.
    """
    curves = np.empty((256, 3))
    before, after = (np.asarray(levels + 0.5, np.int32) for levels in (values, wanted))
    for channel in range(3):
        pairs = before[:, channel] * 256 + after[:, channel]
        joint = np.bincount(pairs, minlength=1 << 16).reshape(256, 256).astype(np.float32)
        curves[:, channel] = _medians(
            np.asarray(cv2.sepFilter2D(joint, -1, np.ones(1), SMOOTHING), np.float32)
        )
    return curves


def _medians(joint: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Returns (256,): the median of each row of a joint histogram."""
    occurs = joint.sum(axis=1) > LEAST_SAID
    if not occurs.any():
        return LEVELS
    counts = joint[occurs]
    cumulated = counts.cumsum(axis=1)
    half = cumulated[:, -1:] / 2
    level = (cumulated < half).sum(axis=1)
    rows = np.arange(len(counts))
    share = (half[:, 0] - cumulated[rows, level] + counts[rows, level]) / counts[rows, level]
    known, medians = LEVELS[occurs], level - 0.5 + share
    curve = np.asarray(np.interp(LEVELS, known, medians), np.float64)
    for end, beyond in ((0, known[0] > LEVELS), (-1, known[-1] < LEVELS)):
        curve[beyond] = medians[end] + LEVELS[beyond] - known[end]
    return curve


def curved(curves: Curves | None, values: Any) -> npt.NDArray[np.float32]:
    """Returns the values, (..., 3) 0..255, each channel by its curve; None leaves them as they are."""
    if curves is None:
        return np.asarray(values, np.float32)
    bent = [np.interp(values[..., channel], LEVELS, curves[:, channel]) for channel in range(3)]
    return np.stack(bent, axis=-1).astype(np.float32)
