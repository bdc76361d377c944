"""Measures how good retrieval is, by the measures of the Image Similarity Challenge (Douze et al., 2021).

All pairs of all queries are pooled and ranked by confidence, and most queries have no true reference: micro
average precision (µAP), recall at a precision, and recall@1.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

NORMAL_95 = 1.96  # standard deviations of an interval of 95 %


@dataclass(frozen=True)
class Guess:
    """One pair that retrieval claims to belong together."""

    query: str
    reference: str
    confidence: float


@dataclass(frozen=True)
class Quality:
    """How good a set of guesses is; shares 0..1."""

    queries: int
    positives: int
    micro_average_precision: float
    recall_at_precision_90: float
    recall_at_precision_100: float
    recall_at_1: float


def measure(guesses: Iterable[Guess], truth: dict[str, str | None]) -> Quality:
    """Ranks all guesses together. `truth` names the reference of every query, None where there is none.

    Of equal confidences the wrong guess is ranked first, so that a constant confidence earns nothing.
    """
    known = [guess for guess in guesses if guess.query in truth]
    right = np.array([truth[guess.query] == guess.reference for guess in known], dtype=bool)
    confidence = np.array([guess.confidence for guess in known], dtype=np.float64)
    positives = sum(reference is not None for reference in truth.values())
    order = np.lexsort((right, -confidence))
    found = np.cumsum(right[order])
    precision = found / np.arange(1, len(order) + 1)
    total = max(1, positives)
    return Quality(
        queries=len(truth),
        positives=positives,
        micro_average_precision=float((precision * right[order]).sum() / total),
        recall_at_precision_90=_recall_at(precision, found, 0.9) / total,
        recall_at_precision_100=_recall_at(precision, found, 1.0) / total,
        recall_at_1=_first_right(known, truth) / total,
    )


def _recall_at(precision: np.ndarray, found: np.ndarray, wanted: float) -> float:
    good = precision >= wanted
    return float(found[good].max()) if good.any() else 0.0


def _first_right(guesses: list[Guess], truth: dict[str, str | None]) -> int:
    best: dict[str, Guess] = {}
    for guess in guesses:
        if guess.query not in best or guess.confidence > best[guess.query].confidence:
            best[guess.query] = guess
    return sum(
        truth[query] is not None and truth[query] == guess.reference for query, guess in best.items()
    )


def wilson_interval(found: int, of: int) -> tuple[float, float]:
    """Returns the ends of Wilson's interval of 95 % (1927) of a share, 0..1; (0, 1) of nothing."""
    if of == 0:
        return 0.0, 1.0
    share, weight = found / of, NORMAL_95 * NORMAL_95 / of
    middle = (share + weight / 2) / (1 + weight)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / of + weight / (4 * of)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)
