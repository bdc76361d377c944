"""From similarities to rates of false matches: measured where it can be, extrapolated and marked beyond."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.fingerprints.calibration import MATCH_RATE, POSSIBLE_RATE, calibration_of, fit
from indexer.fingerprints.kinds import DESCRIPTOR, DESCRIPTOR_V1, SSCD, Kind

PAIRS = 300_000
RNG = np.random.default_rng(1)
# Similarities, and the similarity that is truly reached at a rate.
TAILS: dict[str, tuple[npt.NDArray[np.float64], Callable[[float], float]]] = {
    "exponential": (RNG.exponential(0.03, PAIRS), lambda rate: -0.03 * math.log(rate)),
    "normal": (RNG.normal(0, 0.1, PAIRS), lambda rate: {1e-4: 0.3719, 1e-6: 0.4753}[rate]),
    "bounded": (1 - RNG.random(PAIRS) ** 0.5, lambda rate: 1 - rate**0.5),
}


@pytest.mark.parametrize("name", TAILS)
def test_rates_are_near_the_true_ones_also_where_they_are_extrapolated(name: str) -> None:
    values, true = TAILS[name]
    found = fit("x.v1", values, 10)
    assert found.similarity_at(POSSIBLE_RATE) == pytest.approx(true(POSSIBLE_RATE), rel=0.08)
    assert found.similarity_at(MATCH_RATE) == pytest.approx(true(MATCH_RATE), rel=0.2)
    assert MATCH_RATE < found.is_extrapolated_below < POSSIBLE_RATE


@given(st.floats(0.0001, 1e-1))
def test_similarity_and_rate_are_each_others_inverse(rate: float) -> None:
    found = fit("x.v1", TAILS["normal"][0], 10)
    assert found.rate_of(found.similarity_at(rate)) == pytest.approx(rate, rel=0.02)


def test_more_similar_is_never_more_frequent() -> None:
    found = fit("x.v1", TAILS["exponential"][0], 10)
    rates = [found.rate_of(similarity) for similarity in np.linspace(-1, 1, 400)]
    assert all(one >= other for one, other in pairwise(rates))
    assert found.match > found.possible


def test_a_calibration_is_stored_with_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fit("x.v1", TAILS["bounded"][0], 10)
    found.save(tmp_path / "x.v1.calibration.json")
    monkeypatch.setattr("indexer.fingerprints.calibration.WEIGHTS", tmp_path)
    assert calibration_of("x.v1") == found


@pytest.mark.parametrize("kind", [DESCRIPTOR, DESCRIPTOR_V1], ids=lambda kind: kind.name)
def test_what_ships_was_measured_on_enough_pairs(kind: Kind) -> None:
    found = calibration_of(kind.name)
    assert found is not None
    assert found.pairs >= 100_000
    assert 0.2 < found.possible < found.match < 1
    assert calibration_of(SSCD.name) is None
