"""What is computed from products of frames is what their pixels say, on every line."""

import numpy as np
import pytest

from indexer.timeline import line_similarity
from indexer.timeline.line_similarity import LineSimilarity
from indexer.timeline.sequence import Sequence, Times
from indexer.timeline.track import Vectors

STEP_S = 0.08
LINES = [(1.0, 0.0), (1.02, 0.3), (0.75, -3.0), (1.25, 5.0), (-1.0, 9.0), (0.0, 3.2), (1.0, 40.0)]


def sequence(frames: int, pixels: int = 60) -> Sequence:
    rows = np.cumsum(np.random.default_rng(0).normal(size=(frames, pixels)), axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[frames // 2 : frames // 2 + 2] = 0.0  # without detail
    times = np.asarray(np.arange(frames) * STEP_S, np.float64)
    return Sequence(times, rows.astype(np.float32), frames * STEP_S)


def by_pixels(rows: Vectors, reference: Sequence, seconds: Times) -> tuple[float, float]:
    frames = reference.at(seconds).astype(np.float64)
    moving = frames - frames.mean(axis=0)
    return float((rows * frames).sum() / len(rows)), float(np.sqrt((moving**2).sum(axis=1).mean()))


@pytest.mark.parametrize("frames", [1, 2, 90])
@pytest.mark.parametrize("most", [0, 20, 1024])  # products of no frames, of few, of all
def test_products_say_what_pixels_say(frames: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_similarity, "MOST_REFERENCE_FRAMES", most)
    reference = sequence(frames)
    times = np.asarray(np.arange(40) * STEP_S + 0.4, np.float64)
    rows = sequence(120).vectors[20:60]
    compared = LineSimilarity(rows, reference)
    for factor, centre in LINES:
        seconds = np.asarray(factor * times + centre, np.float64)
        assert compared.product_and_size(seconds) == pytest.approx(
            by_pixels(rows, reference, seconds), abs=2e-4
        )


def test_seconds_outside_a_video_show_nothing() -> None:
    reference = sequence(90)
    before, shares = reference.between(np.array([-1.0, 0.0, 0.04, 7.3, 30.0]))
    assert shares.sum(axis=0).tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert shares[:, 2] == pytest.approx([0.5, 0.5])
    assert before.max() < 89
