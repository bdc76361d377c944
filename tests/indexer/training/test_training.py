import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.training.edits import EDITS_WITH_ANOTHER, PLAIN_EDITS, Edit, edited_copy
from indexer.training.evaluation import Guess, measure
from indexer.training.whitening import learn_projection
from tests.pictures import picture


def guess(query: str, reference: str, confidence: float) -> Guess:
    return Guess(query, reference, confidence)


def test_a_perfect_ranking_is_worth_one() -> None:
    truth = {"a": "1", "b": "2", "c": None}
    quality = measure([guess("a", "1", 0.9), guess("b", "2", 0.8), guess("c", "1", 0.1)], truth)
    assert quality.micro_average_precision == 1
    assert quality.recall_at_precision_100 == 1
    assert quality.recall_at_1 == 1


def test_a_wrong_guess_on_top_costs_precision_everywhere() -> None:
    truth = {"a": "1", "b": "2", "c": None}
    quality = measure([guess("c", "1", 0.95), guess("a", "1", 0.9), guess("b", "2", 0.8)], truth)
    assert quality.micro_average_precision == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert quality.recall_at_precision_90 == 0
    assert quality.recall_at_1 == 1


def test_a_constant_confidence_earns_nothing_for_luck() -> None:
    truth = {"a": "1", "b": None}
    assert measure([guess("a", "1", 0.5), guess("b", "2", 0.5)], truth).recall_at_precision_100 == 0


def test_no_guess_is_no_recall_and_unknown_queries_are_ignored() -> None:
    assert measure([], {"a": "1"}).micro_average_precision == 0
    assert measure([guess("x", "1", 1.0)], {"a": None}).micro_average_precision == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0, 1)), max_size=40))
def test_every_measure_is_a_share(raw: list[tuple[int, int, float]]) -> None:
    unique = {(query, reference): confidence for query, reference, confidence in raw}
    guesses = [guess(str(query), str(reference), c) for (query, reference), c in unique.items()]
    quality = measure(guesses, {str(query): str(query) if query % 2 else None for query in range(6)})
    shares = (
        quality.micro_average_precision,
        quality.recall_at_precision_90,
        quality.recall_at_precision_100,
        quality.recall_at_1,
    )
    assert all(0 <= share <= 1 for share in shares)


@pytest.mark.parametrize(
    "edit",
    [*dict.fromkeys(PLAIN_EDITS), *(edit(picture("cat")) for edit in EDITS_WITH_ANOTHER)],
    ids=lambda edit: edit.__qualname__,
)
def test_every_edit_changes_the_picture_and_repeats_with_its_seed(edit: Edit) -> None:
    first, again = (edit(picture("coffee"), random.Random(3)) for _ in range(2))
    assert first.mode == "RGB"
    assert first.tobytes() == again.tobytes()
    assert first.size != picture("coffee").size or first.tobytes() != picture("coffee").tobytes()


def test_chained_edits_repeat_with_their_seed() -> None:
    for seed in range(20):
        first = edited_copy(picture("coffee"), picture("cat"), random.Random(seed))
        again = edited_copy(picture("coffee"), picture("cat"), random.Random(seed))
        assert first.tobytes() == again.tobytes()


def test_the_learned_projection_shrinks_what_edits_change() -> None:
    rng = np.random.default_rng(0)
    subjects = rng.normal(size=(800, 300))
    nuisance = np.zeros((800, 300))
    nuisance[:, :20] = rng.normal(scale=40, size=(800, 20))
    clean, edited = subjects, subjects + nuisance
    mean, projection = learn_projection(clean, edited, shrinkage=0.01)

    def share_found(project: bool) -> float:
        rows = [(part - mean) @ projection if project else part for part in (edited, clean)]
        unit = [row / np.linalg.norm(row, axis=1, keepdims=True) for row in rows]
        return float(((unit[0] @ unit[1].T).argmax(axis=1) == np.arange(800)).mean())

    assert projection.shape == (300, 256)
    assert share_found(project=True) > share_found(project=False)
