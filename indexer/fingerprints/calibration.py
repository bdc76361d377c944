"""Calibration: how often two unrelated pictures reach a similarity.

The rates are measured on pairs that are no copies. Rarer ones than so many pairs can show are extrapolated
by a generalised Pareto tail (Pickands, 1975), and are marked as such. A calibration belongs to one kind.
"""

import json
from bisect import bisect_right
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

WEIGHTS = Path(__file__).parents[1] / "weights"
TAIL_SHARE = 1e-3  # the highest similarities, to which the tail is fitted
POSSIBLE_RATE, MATCH_RATE = 1e-4, 1e-6  # false matches per compared pair


@dataclass(frozen=True)
class Calibration:
    """False-match rates of the similarities of one kind."""

    kind: str
    pairs: int  # that are no copies
    pictures: int
    similarities: tuple[float, ...]  # rising; each is reached by the share of pairs in `rates`
    rates: tuple[float, ...]
    tail_from: float  # similarity where the fitted tail begins
    tail_rate: float  # share of pairs beyond it
    tail_scale: float
    tail_shape: float

    def rate_of(self, similarity: float) -> float:
        """Returns the share of unrelated pairs that are at least so similar."""
        if similarity > self.tail_from:
            return self.tail_rate * survival(similarity - self.tail_from, self.tail_scale, self.tail_shape)
        place = bisect_right(self.similarities, similarity)
        if not place or place == len(self.similarities):
            return self.rates[min(place, len(self.rates) - 1)]
        # As `numpy.interp`, which would read all values for each one that is asked.
        below, above = self.similarities[place - 1 : place + 1]
        share = (similarity - below) / (above - below)
        return self.rates[place - 1] + share * (self.rates[place] - self.rates[place - 1])

    def similarity_at(self, rate: float) -> float:
        """Returns the similarity that this share of pairs reaches; above 1 where the tail expects none."""
        if rate < self.tail_rate:
            share = rate / self.tail_rate
            if abs(self.tail_shape) < 1e-6:
                return self.tail_from - self.tail_scale * float(np.log(share))
            return self.tail_from + self.tail_scale / self.tail_shape * (float(share**-self.tail_shape) - 1)
        return float(np.interp(-rate, [-known for known in self.rates], self.similarities))

    @property
    def is_extrapolated_below(self) -> float:
        """The rate below which fewer than ten pairs were measured, so that it is extrapolated."""
        return 10 / self.pairs

    @property
    def possible(self) -> float:
        """The similarity from which two pictures may be related, for a person to look at."""
        return self.similarity_at(POSSIBLE_RATE)

    @property
    def match(self) -> float:
        """The similarity from which two pictures match by fingerprints alone."""
        return self.similarity_at(MATCH_RATE)

    def save(self, path: Path) -> None:
        """Writes the calibration as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def fit(kind: str, similarities: npt.NDArray[np.floating], pictures: int) -> Calibration:
    """Fits a calibration to the similarities of unrelated pairs.

    The tail is fitted by probability-weighted moments (Hosking and Wallis, 1987), which are stable for the
    few thousand values that there are.
    """
    ordered = np.sort(np.asarray(similarities, np.float64))
    beyond = max(20, int(len(ordered) * TAIL_SHARE))
    start = float(ordered[-beyond - 1])
    scale, shape = fit_tail(ordered[-beyond:] - start)
    rates = np.array([1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 5e-3, 2e-3, beyond / len(ordered)])
    places = np.clip((len(ordered) * (1 - rates)).astype(int), 0, len(ordered) - 1)
    return Calibration(
        kind=kind,
        pairs=len(ordered),
        pictures=pictures,
        similarities=tuple(round(float(similarity), 5) for similarity in ordered[places]),
        rates=tuple(map(float, rates)),
        tail_from=start,
        tail_rate=beyond / len(ordered),
        tail_scale=scale,
        tail_shape=shape,
    )


@cache
def calibration_of(kind: str) -> Calibration | None:
    """Returns the calibration that ships for a kind; None for a kind that an operator brought."""
    path = WEIGHTS / f"{kind}.calibration.json"
    if not path.exists():
        return None
    card = json.loads(path.read_text(encoding="utf-8"))
    card |= {name: tuple(card[name]) for name in ("similarities", "rates")}
    return Calibration(**card)


def fit_tail(excess: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Returns (scale, shape) of the tail of rising, positive excesses."""
    count = len(excess)
    first = excess.mean()
    weights = (count - np.arange(1, count + 1)) / (count - 1)
    second = float((weights * excess).mean())
    ratio = first / max(first - 2 * second, 1e-12)
    shape = float(2 - ratio)
    scale = float(2 * first * second / max(first - 2 * second, 1e-12))
    return scale, shape


def survival(excess: float, scale: float, shape: float) -> float:
    """Returns the share of a generalised Pareto tail beyond an excess."""
    if abs(shape) < 1e-6:
        return float(np.exp(-excess / scale))
    return float(max(0.0, 1 + shape * excess / scale) ** (-1 / shape))
