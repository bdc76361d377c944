"""Joins the evidence of one face by a small model: two logistic regressions over named quantities.

`exchanged` says whether the face is another person's; `moved` says whether the person's expression, mouth
or pose was changed. Both were trained by `indexer.training.face_model`. The weights are a page of numbers
with a card beside it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from indexer.compare.faces.pairs import FaceMeasures

MODEL_NAME = "face-change.v1"
EXCHANGED, MOVED = "exchanged", "moved"

Numbers = npt.NDArray[np.float64]


def _lost(correlation: float) -> float:
    """Returns the logarithm of what is missing to 1, because correlations crowd just below it."""
    return float(np.log10(1.02 - min(1.0, correlation)))


def _motion(distance: float) -> float:
    """Returns the logarithm of a distance, counted from the error of measuring it (0.003 eye distances)."""
    return float(np.log10(max(distance, 3e-3) / 3e-3))


# Every quantity that a head may use, each bounded, so that one wild measurement cannot decide alone.
QUANTITIES: dict[str, Callable[[FaceMeasures], float]] = {
    # Read in place, a head that moved seems another person; read at its own landmarks, a turned one does.
    "identity": lambda m: min(m.identity, m.identity_in_place),
    "identity_in_place": lambda m: m.identity_in_place,
    "size": lambda m: float(np.log2(np.clip(m.eye_px, 8, 160) / 40)),
    "lost": lambda m: _lost(m.inside),
    "lost_mouth": lambda m: _lost(m.mouth),
    "lost_eyes": lambda m: _lost(m.eyes),
    "gained_by_following": lambda m: _lost(m.inside) - _lost(m.inside_moved),
    "touched": lambda m: 1.0 - m.kept,
    "fine_missing": lambda m: 1.0 - m.fine_inside,
    "fine_lost": lambda m: m.fine_around - m.fine_inside,
    "motion": lambda m: _motion(m.flow_inside),
    "residue": lambda m: float(np.log10((m.residue_inside + 1) / (m.residue_around + 1))),
    "lips": lambda m: min(m.lips, 0.2),
    "opening": lambda m: min(m.opening, 0.2),
    "lids": lambda m: min(m.lids, 0.1),
    "brows": lambda m: min(m.brows, 0.2),
    "pose": lambda m: min(m.pose, 0.2),
}
HEADS: dict[str, tuple[str, ...]] = {
    EXCHANGED: ("identity", "size", "lost", "touched"),
    MOVED: (
        *("identity_in_place", "lost", "lost_mouth", "lost_eyes", "gained_by_following"),
        *("touched", "fine_missing", "fine_lost", "motion", "residue"),
        *("lips", "opening", "lids", "brows", "pose"),
    ),
}


@dataclass(frozen=True)
class Head:
    """Logistic regression over standardised quantities."""

    names: tuple[str, ...]
    means: Numbers
    scales: Numbers
    weights: Numbers
    bias: float

    def probability(self, measures: FaceMeasures) -> float:
        """Returns the probability of this head's statement, 0..1, as calibrated on the training set."""
        values = quantities_of(measures, self.names)
        logit = float((values - self.means) / self.scales @ self.weights) + self.bias
        return float(1 / (1 + np.exp(-np.clip(logit, -30, 30))))

    def to_json(self) -> dict[str, object]:
        """Returns the head as it is kept in the weight file."""
        rows = zip(self.names, self.means, self.scales, self.weights, strict=True)
        quantities = {
            name: {
                "mean": round(float(mean), 5),
                "scale": round(float(scale), 5),
                "weight": round(float(weight), 5),
            }
            for name, mean, scale, weight in rows
        }
        return {"bias": round(self.bias, 5), "quantities": quantities}

    @staticmethod
    def from_json(head: dict[str, object]) -> "Head":
        """Reads what `to_json` returned."""
        quantities = head["quantities"]
        assert isinstance(quantities, dict)
        means, scales, weights = (
            np.array([quantity[key] for quantity in quantities.values()], np.float64)
            for key in ("mean", "scale", "weight")
        )
        return Head(tuple(quantities), means, scales, weights, float(str(head["bias"])))


def quantities_of(measures: FaceMeasures, names: tuple[str, ...]) -> Numbers:
    """Returns (len(names),) float64."""
    return np.array([QUANTITIES[name](measures) for name in names], np.float64)


@cache
def shipped_heads() -> dict[str, Head]:
    """Returns the heads that come with the package."""
    content = (files("indexer") / "weights" / f"{MODEL_NAME}.json").read_text(encoding="utf-8")
    return {name: Head.from_json(head) for name, head in json.loads(content)["heads"].items()}
