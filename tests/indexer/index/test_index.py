"""Every index gives the same answers as brute force, ties included."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from indexer.fingerprints.kinds import COLORHASH, DESCRIPTOR, DHASH, PDQ, Codes, Kind, Vectors
from indexer.index import segments
from indexer.index.device import Device, DeviceFull, DeviceMemory
from indexer.index.device_index import DeviceIndex
from indexer.index.faiss_package import FaissUnavailable, import_faiss
from indexer.index.gpu_index import GpuIndex
from indexer.index.port import BruteForceIndex, Ids, Index, Values, rows_of
from indexer.index.segmented_index import SegmentedIndex
from indexer.index.snapshot import Loaded, load_snapshot, take_snapshot, write_snapshot


def segmented(kind: Kind) -> SegmentedIndex:
    return SegmentedIndex(kind)


class CompactedIndex(SegmentedIndex):
    """Its tails are so short, and it is compacted so often, that all rows lie in merged segments."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind, tail_rows=4)

    def add(self, ids: Ids, values: Values) -> None:
        super().add(ids, values)
        self.compact()

    def remove(self, ids: Ids) -> None:
        super().remove(ids)
        self.compact()


def torch_on_the_cpu(kind: Kind) -> GpuIndex:
    return GpuIndex(kind, "cpu", rows_per_segment=16)


def gpu(kind: Kind) -> GpuIndex:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return GpuIndex(kind, "cuda", rows_per_segment=16)


DEVICE = Device("cpu")


def on_device(kind: Kind) -> DeviceIndex:
    return DeviceIndex(SegmentedIndex(kind), DEVICE, rows_per_segment=16)


ACCELERATED = [
    segmented,
    CompactedIndex,
    on_device,
    torch_on_the_cpu,
    pytest.param(gpu, marks=pytest.mark.gpu),
]
IMPLEMENTATIONS = [BruteForceIndex, *ACCELERATED]
parametrized = pytest.mark.parametrize("make", IMPLEMENTATIONS, ids=lambda make: make.__name__)
accelerated = pytest.mark.parametrize("make", ACCELERATED, ids=lambda make: make.__name__)


def codes(count: int, seed: int = 0) -> Codes:
    return np.random.default_rng(seed).integers(0, 256, (count, 32), np.uint8)


def flipped(code: Codes, bits: int) -> Codes:
    unpacked = np.unpackbits(code)
    unpacked[:bits] ^= 1
    return np.packbits(unpacked)


def short_codes(count: int, kind: Kind, seed: int = 0) -> Codes:
    """(count, 8); the unused bits of a kind are zero."""
    rows = codes(count, seed)[:, :8].copy()
    rows[:, 8 - kind.unused_bits // 8 :] = 0
    rows[:, 7 - kind.unused_bits // 8] &= 0xFF << kind.unused_bits % 8 & 0xFF
    return rows


def vectors(count: int, seed: int = 0) -> Vectors:
    """Returns vectors as they are stored: rounded to float16."""
    raw = np.random.default_rng(seed).normal(size=(count, 256)).astype(np.float32)
    of_length_one: Vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return of_length_one.astype(np.float16).astype(np.float32)


@parametrized
def test_an_empty_index_finds_nothing(make: Callable[[Kind], Index]) -> None:
    assert make(PDQ).within(codes(2), 256) == []
    assert make(PDQ).nearest(codes(2), 3) == []
    assert make(DESCRIPTOR).nearest(vectors(1), 3) == []
    assert make(DESCRIPTOR).within(vectors(1), 2.0) == []


@parametrized
def test_one_row_is_found_again(make: Callable[[Kind], Index]) -> None:
    """Meta's matcher never finds the only hash of a bank (its issue 1318)."""
    index, code = make(PDQ), codes(1)
    index.add(np.array([7]), code)
    assert [(hit.id, hit.distance) for hit in index.within(code, 0)] == [(7, 0.0)]


@parametrized
def test_the_radius_is_inclusive_and_exact(make: Callable[[Kind], Index]) -> None:
    index, base = make(PDQ), codes(1)[0]
    index.add(np.arange(5), np.stack([flipped(base, bits) for bits in (0, 30, 31, 32, 80)]))
    assert [hit.id for hit in index.within(base[None], 31)] == [0, 1, 2]
    assert [hit.distance for hit in index.within(base[None], 80)] == [0, 30, 31, 32, 80]


@parametrized
def test_ties_at_the_cut_go_to_the_smallest_ids(make: Callable[[Kind], Index]) -> None:
    index, same = make(PDQ), np.repeat(codes(1), 40, axis=0)
    index.add(np.arange(40)[::-1].copy(), same)
    assert [hit.id for hit in index.nearest(same[:1], 5)] == [0, 1, 2, 3, 4]


@parametrized
@pytest.mark.parametrize("kind", [PDQ, DESCRIPTOR], ids=lambda kind: kind.name)
def test_removed_rows_are_never_found_and_the_rest_stays(make: Callable[[Kind], Index], kind: Kind) -> None:
    index, rows = make(kind), (codes if kind is PDQ else vectors)(50)
    index.add(np.arange(50), rows)
    index.remove(np.arange(0, 50, 2))
    assert len(index) == 25
    assert {hit.id for hit in index.nearest(rows, 3)} <= set(range(1, 50, 2))
    index.remove(np.array([1, 999]))
    ids, values = rows_of(index)
    assert ids.tolist() == list(range(3, 50, 2))
    assert np.array_equal(values, rows[3::2])


@accelerated
@pytest.mark.parametrize("kind", [PDQ, DESCRIPTOR], ids=lambda kind: kind.name)
def test_the_accelerated_index_agrees_with_brute_force(make: Callable[[Kind], Index], kind: Kind) -> None:
    make_rows = codes if kind is PDQ else vectors
    rows, queries = make_rows(500, 1), make_rows(9, 2)
    exact, fast = BruteForceIndex(kind), make(kind)
    for index in (exact, fast):
        index.add(np.arange(500), rows)
        index.remove(np.arange(0, 500, 7))
    radius = 118 if kind is PDQ else 0.88
    for one, other in (
        (exact.within(queries, radius), fast.within(queries, radius)),
        (exact.nearest(queries, 12), fast.nearest(queries, 12)),
    ):
        assert [(hit.query, hit.id) for hit in one] == [(hit.query, hit.id) for hit in other]
        assert np.allclose([hit.distance for hit in one], [hit.distance for hit in other], atol=1e-5)


@accelerated
@pytest.mark.parametrize("kind", [DHASH, COLORHASH], ids=lambda kind: kind.name)
def test_short_codes_agree_with_brute_force(make: Callable[[Kind], Index], kind: Kind) -> None:
    rows, queries = short_codes(500, kind, 1), short_codes(9, kind, 2)
    rows[:40] = rows[0]
    exact, fast = BruteForceIndex(kind), make(kind)
    for index in (exact, fast):
        index.add(np.arange(500), rows)
        index.remove(np.arange(0, 500, 7))
    for asked in (queries, rows[:3]):
        for radius in (0, 1, 8, 22, 64):
            assert exact.within(asked, radius) == fast.within(asked, radius)
        assert exact.nearest(asked, 50) == fast.nearest(asked, 50)


class IndexesAgree(RuleBasedStateMachine):
    """Random additions, removals and searches; few distinct codes, so that ties are common."""

    def __init__(self) -> None:
        super().__init__()
        self.exact, self.fast = BruteForceIndex(PDQ), self.empty()
        self.next_id = 0
        self.pool = codes(6, 3)

    def empty(self) -> Index:
        return segmented(PDQ)

    @rule(picks=st.lists(st.integers(0, 5), min_size=1, max_size=8))
    def add(self, picks: list[int]) -> None:
        ids = np.arange(self.next_id, self.next_id + len(picks))
        self.next_id += len(picks)
        for index in (self.exact, self.fast):
            index.add(ids, self.pool[picks])

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        ids = np.array(data.draw(st.lists(st.integers(0, max(0, self.next_id)), max_size=6)), np.int64)
        for index in (self.exact, self.fast):
            index.remove(ids)

    @rule(query=st.integers(0, 5), k=st.integers(1, 9), radius=st.integers(0, 256))
    def search(self, query: int, k: int, radius: int) -> None:
        asked = self.pool[query : query + 1]
        assert self.exact.nearest(asked, k) == self.fast.nearest(asked, k)
        assert self.exact.within(asked, radius) == self.fast.within(asked, radius)

    @invariant()
    def same_rows(self) -> None:
        assert len(self.exact) == len(self.fast)
        for one, other in zip(rows_of(self.exact), rows_of(self.fast), strict=True):
            assert np.array_equal(one, other)


class TorchAgrees(IndexesAgree):
    def empty(self) -> Index:
        return torch_on_the_cpu(PDQ)


class CompactedAgrees(IndexesAgree):
    def empty(self) -> Index:
        return CompactedIndex(PDQ)


class RestartedAgrees(IndexesAgree):
    """Compacted at any time, with accelerators for all segments, and loaded again from its files."""

    def __init__(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(segments, "LEAST_ROWS", 1)
        self.folder = Path(tempfile.mkdtemp(prefix="tpi"))
        self.position = 0
        super().__init__()

    def empty(self) -> SegmentedIndex:
        return SegmentedIndex(PDQ, self.folder, "a registry", tail_rows=3)

    @rule()
    def compact(self) -> None:
        assert isinstance(self.fast, SegmentedIndex)
        self.fast.compact()

    @rule()
    def restart(self) -> None:
        assert isinstance(self.fast, SegmentedIndex)
        self.position += 1
        write_snapshot(self.fast, take_snapshot(self.fast, self.position))
        self.fast = self.empty()
        loaded = load_snapshot(self.fast)
        assert loaded == Loaded(self.position) or not len(self.exact)

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.folder)


class DeviceAgrees(IndexesAgree):
    def empty(self) -> Index:
        return on_device(PDQ)


for machine in (IndexesAgree, CompactedAgrees, RestartedAgrees, DeviceAgrees, TorchAgrees):
    machine.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestIndexesAgree = IndexesAgree.TestCase
TestCompactedAgrees = CompactedAgrees.TestCase
TestRestartedAgrees = RestartedAgrees.TestCase
TestDeviceAgrees = DeviceAgrees.TestCase
TestTorchAgrees = TorchAgrees.TestCase


def test_an_index_that_may_use_no_more_memory_says_so_and_adds_nothing() -> None:
    index = GpuIndex(PDQ, "cpu", rows_per_segment=16, memory=DeviceMemory(40 * 33))
    index.add(np.arange(30), codes(30))
    with pytest.raises(DeviceFull, match="may be used"):
        index.add(np.arange(30, 50), codes(20))
    assert len(index) == 30
    assert index.device_bytes() == 32 * 33


def test_two_packages_that_own_the_same_folder_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "indexer.index.faiss_package.installed_flavours", lambda: ["faiss-cpu", "faiss-gpu"]
    )
    import_faiss.cache_clear()
    with pytest.raises(FaissUnavailable, match="same folder"):
        import_faiss()
    monkeypatch.setattr("indexer.index.faiss_package.installed_flavours", list)
    with pytest.raises(FaissUnavailable, match=r"trueprint\[cpu\]"):
        import_faiss()
