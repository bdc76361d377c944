"""Indexes in engines that nodes share agree with brute force as well. Milvus runs for real where it is
installed (`make milvus`), in an environment of its own."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import settings

from indexer.fingerprints.kinds import COLORHASH, DESCRIPTOR, DHASH, PDQ, Kind
from indexer.index.milvus_index import MilvusIndex
from indexer.index.pgvector_index import PgvectorIndex
from indexer.index.port import BruteForceIndex, EngineUnavailable, Index, rows_of
from indexer.index.shared_index import SharedIndex
from registry.storage import db
from tests.indexer.index import test_index as cases
from tests.indexer.index.test_index import IndexesAgree, codes, flipped, vectors
from tests.world import DatabaseServer

Make = Callable[[Kind], Index]


@pytest.fixture(scope="module", params=["pgvector", "milvus"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Empty indexes in one engine."""
    made: list[SharedIndex] = []
    numbers = itertools.count()
    if request.param == "pgvector":
        server: DatabaseServer = request.getfixturevalue("database_server")
        where = db.conninfo(db.connect(server.new_database()))

        def fresh(kind: Kind) -> Index:
            index = PgvectorIndex(kind, where)
            index.clear()
            made.append(index)
            return index

    else:
        address: str = request.getfixturevalue("milvus")

        def fresh(kind: Kind) -> Index:
            made.append(MilvusIndex(kind, address, f"t{next(numbers)}"))
            return made[-1]

    yield fresh
    for index in made:
        index.close()


def test_an_empty_index_finds_nothing(make: Make) -> None:
    cases.test_an_empty_index_finds_nothing(make)


def test_the_radius_is_inclusive_and_exact(make: Make) -> None:
    cases.test_the_radius_is_inclusive_and_exact(make)


def test_ties_at_the_cut_go_to_the_smallest_ids(make: Make) -> None:
    cases.test_ties_at_the_cut_go_to_the_smallest_ids(make)


@pytest.mark.parametrize("kind", [PDQ, DESCRIPTOR], ids=lambda kind: kind.name)
def test_removed_rows_are_never_found_and_the_rest_stays(make: Make, kind: Kind) -> None:
    cases.test_removed_rows_are_never_found_and_the_rest_stays(make, kind)


@pytest.mark.parametrize("kind", [PDQ, DESCRIPTOR], ids=lambda kind: kind.name)
def test_it_agrees_with_brute_force(make: Make, kind: Kind) -> None:
    cases.test_the_accelerated_index_agrees_with_brute_force(make, kind)


@pytest.mark.parametrize("kind", [DHASH, COLORHASH], ids=lambda kind: kind.name)
def test_short_codes_agree_with_brute_force(make: Make, kind: Kind) -> None:
    cases.test_short_codes_agree_with_brute_force(make, kind)


def test_random_additions_removals_and_searches_agree(make: Make) -> None:
    class EngineAgrees(IndexesAgree):
        def empty(self) -> Index:
            return make(PDQ)

    # Milvus takes a fifth of a second for each call that must see all others.
    examples = 1 if isinstance(make(PDQ), MilvusIndex) else 25
    EngineAgrees.TestCase.settings = settings(max_examples=examples, stateful_step_count=10, deadline=None)
    EngineAgrees.TestCase("runTest").runTest()


def test_a_known_id_is_replaced(make: Make) -> None:
    index = make(PDQ)
    index.add(np.array([5]), codes(1))
    index.add(np.array([5]), codes(1, 9))
    assert len(index) == 1
    assert [hit.id for hit in index.within(codes(1, 9), 0)] == [5]
    assert index.within(codes(1), 31) == []


def test_a_radius_with_more_rows_than_one_answer_holds_misses_none(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.index.milvus_index.MOST_HITS", 40)
    base = codes(1)[0]
    rows = np.stack([flipped(base, number % 6) for number in range(120)])
    index, exact = make(PDQ), BruteForceIndex(PDQ)
    for either in (index, exact):
        either.add(np.arange(120), rows)
    assert index.within(base[None], 7) == exact.within(base[None], 7)


def test_what_another_process_wrote_is_there(make: Make) -> None:
    index = make(DESCRIPTOR)
    index.add(np.arange(5), vectors(5))
    same = make(DESCRIPTOR) if isinstance(index, PgvectorIndex) else index
    assert isinstance(same, PgvectorIndex | MilvusIndex)
    if same is not index:
        assert len(same) == 0  # cleared by the maker: seen at once by the other
        same.add(np.arange(5), vectors(5))
    assert np.array_equal(rows_of(index)[1], vectors(5))


def test_an_engine_that_is_away_is_said_to_be() -> None:
    with pytest.raises(EngineUnavailable, match="Milvus"):
        MilvusIndex(PDQ, "http://127.0.0.1:9", "t")
