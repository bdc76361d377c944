"""What makes sealed segments fast finds what a scan finds; searches go on while everything changes."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.fingerprints.kinds import COLORHASH, DESCRIPTOR, DHASH, PDQ, Kind
from indexer.index import segments
from indexer.index.multi_index import build_multi_index
from indexer.index.port import BruteForceIndex, Index, Values, rows_of
from indexer.index.segmented_index import SegmentedIndex
from tests.indexer.index.test_index import codes, short_codes, vectors

ROWS = 6_000


@given(seed=st.integers(0, 2**32 - 1), radius=st.integers(0, 32), data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_code_within_the_radius_is_missed_wherever_its_bits_differ(
    seed: int, radius: int, data: st.DataObject
) -> None:
    rows = codes(300, seed)
    query = rows[:1].copy()
    flips = data.draw(st.lists(st.integers(0, 255), min_size=radius, max_size=radius, unique=True))
    bits = np.unpackbits(query[0])
    bits[flips] ^= 1
    asked, places = build_multi_index(rows).candidates(np.packbits(bits)[None], radius)
    assert set(asked.tolist()) == {0}
    assert 0 in places


def test_many_queries_at_once_are_told_apart() -> None:
    rows = codes(ROWS)
    asked, places = build_multi_index(rows).candidates(rows[:500], 22)
    found = set(zip(asked.tolist(), places.tolist(), strict=True))
    assert {(row, row) for row in range(500)} <= found


def sealed_and_exact(kind: Kind, rows: Values) -> tuple[SegmentedIndex, Index]:
    index, exact = SegmentedIndex(kind), BruteForceIndex(kind)
    index.seal_rows(np.arange(len(rows)) * 3, rows)
    exact.add(np.arange(len(rows)) * 3, rows)
    assert index.segments[0].accelerator is not None
    return index, exact


@pytest.mark.parametrize("radius", [0, 10, 11, 21, 22, 31, 32, 33, 80, 110])
def test_codes_of_a_sealed_segment_are_found_as_by_brute_force(radius: int) -> None:
    rows = codes(ROWS)
    near = np.unpackbits(rows[:60], axis=1)
    random = np.random.default_rng(radius)
    for row, bits in enumerate(near):
        bits[random.permutation(256)[:row]] ^= 1  # 0 to 59 bits away
    queries = np.packbits(near, axis=1)
    index, exact = sealed_and_exact(PDQ, rows)
    for either in (index, exact):
        either.remove(np.arange(0, 120, 9))
    assert index.within(queries, radius) == exact.within(queries, radius)


@pytest.mark.parametrize("kind", [DHASH, COLORHASH], ids=lambda kind: kind.name)
@pytest.mark.parametrize("radius", [0, 1, 5, 6, 8, 20])
def test_short_codes_of_a_sealed_segment_are_found_as_by_brute_force(kind: Kind, radius: int) -> None:
    rows = short_codes(ROWS, kind)
    near = np.unpackbits(rows[:40], axis=1)
    random = np.random.default_rng(radius)
    for row, bits in enumerate(near):
        bits[random.permutation(kind.size - kind.unused_bits)[: row // 2]] ^= 1
    queries = np.packbits(near, axis=1)
    index, exact = sealed_and_exact(kind, rows)
    for tested in (index, exact):
        tested.remove(np.arange(0, 120, 9))
    assert index.within(queries, radius) == exact.within(queries, radius)
    assert index.nearest(queries, 3) == exact.nearest(queries, 3)


def test_vectors_of_a_sealed_segment_are_retrieved_by_their_codes_and_scored_exactly() -> None:
    rows = vectors(ROWS)
    noise = vectors(40, 5)
    queries = 0.7 * rows[:40] + 0.71 * noise  # farther than any copy that is believed
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    index, exact = sealed_and_exact(DESCRIPTOR, rows)
    for either in (index, exact):
        either.remove(np.arange(0, 60, 9))
    found = [[hit for hit in either.nearest(queries, 1) if hit.distance < 0.5] for either in (index, exact)]
    assert [(hit.query, hit.id) for hit in found[0]] == [(hit.query, hit.id) for hit in found[1]]
    assert len(found[0]) >= 30
    assert np.allclose([hit.distance for hit in found[0]], [hit.distance for hit in found[1]], atol=1e-5)


def test_where_many_are_dead_enough_live_ones_are_found() -> None:
    rows = vectors(ROWS)
    index, exact = sealed_and_exact(DESCRIPTOR, rows)
    nearest = [hit.id for hit in exact.nearest(rows[:1], 800)]
    for either in (index, exact):
        either.remove(np.array(nearest))
    assert len(index.nearest(rows[:1], 5)) == 5
    index.remove(np.arange(3 * ROWS))
    assert index.nearest(rows[:1], 5) == []


def test_segments_are_merged_and_what_died_meanwhile_stays_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    index = SegmentedIndex(PDQ, tail_rows=16)
    real = segments.seal
    killed: list[int] = []

    def seal_slowly(*args: Any, **options: Any) -> Any:
        fresh = real(*args, **options)
        if len(args[3]) > 16 and not killed:  # while the files of the merged segment are written
            killed.append(int(args[3][5]))
            index.remove(np.array(killed))
        return fresh

    monkeypatch.setattr("indexer.index.segmented_index.seal", seal_slowly)
    rows = codes(16 * 8 + 5)
    index.add(np.arange(len(rows)), rows)
    index.compact()
    assert [segment.count for segment in index.segments] == [128, 5]
    assert killed
    assert killed[0] not in rows_of(index)[0]
    assert len(index) == len(rows) - 1


def test_a_segment_that_is_mostly_dead_is_written_anew() -> None:
    index = SegmentedIndex(PDQ, tail_rows=16)
    index.add(np.arange(40), codes(40))
    index.compact()
    index.remove(np.arange(0, 20))
    index.compact()
    assert [segment.count for segment in index.segments] == [12, 8]


def test_searches_see_whole_rows_while_others_are_added_removed_and_compacted() -> None:
    """FAISS crashes when a search runs during an add; here nothing that is searched is ever moved."""
    index = SegmentedIndex(PDQ, tail_rows=64)
    rows = codes(4_000)
    index.add(np.arange(100), rows[:100])
    failures: list[str] = []
    stopping = threading.Event()

    def search() -> None:
        while not stopping.is_set():
            hits = index.within(rows[:100], 0)
            if [hit.id for hit in hits] != list(range(100)):
                failures.append(f"{len(hits)} of 100 rows")
            if any(hit.distance for hit in index.nearest(rows[:4], 1)):
                failures.append("a row that is not the nearest")

    def compact() -> None:
        while not stopping.is_set():
            index.compact()

    threads = [threading.Thread(target=work) for work in (search, search, compact)]
    for thread in threads:
        thread.start()
    for start in range(100, 4_000, 10):
        index.add(np.arange(start, start + 10), rows[start : start + 10])
        index.remove(np.arange(start, start + 5))
    stopping.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(index) == 100 + 1_950
