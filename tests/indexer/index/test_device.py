"""Searches share passes over a device, and go on without it when it is full or fails."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.fingerprints.kinds import DESCRIPTOR, PDQ
from indexer.index.device import Device
from indexer.index.device_index import DeviceIndex
from indexer.index.engines import ENGINES, LocalEngine, open_device
from indexer.index.port import BruteForceIndex
from indexer.index.segmented_index import SegmentedIndex
from tests.indexer.index.test_index import codes, vectors


@pytest.fixture
def device() -> Any:
    device = Device("cpu")
    yield device
    device.close()


def test_searches_that_wait_are_asked_together_and_each_gets_its_own_hits(device: Device) -> None:
    index, exact = DeviceIndex(SegmentedIndex(PDQ), device), BruteForceIndex(PDQ)
    rows = codes(300)
    for either in (index, exact):
        either.add(np.arange(300), rows)
    begun, busy = threading.Event(), threading.Event()

    def take_long() -> None:
        begun.set()
        assert busy.wait(60)

    blocked = threading.Thread(target=lambda: device.run(take_long))
    blocked.start()
    assert begun.wait(60)
    found: dict[int, Any] = {}

    def search(number: int) -> None:
        found[number] = index.within(rows[number : number + 1 + number % 3], 110)

    threads = [threading.Thread(target=search, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while device._waiting.qsize() < 40:
        assert time.monotonic() < deadline, "some searches do not wait"
        time.sleep(0.001)
    before = device.passes
    busy.set()
    for thread in (*threads, blocked):
        thread.join()
    assert device.passes == before + 1
    for number in range(40):
        assert found[number] == exact.within(rows[number : number + 1 + number % 3], 110)


def test_a_full_device_is_given_up_with_a_warning_and_nothing_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device = Device("cpu", max_bytes=70_000 * 33)  # the first 65,536 codes, not their successors
    index = DeviceIndex(SegmentedIndex(PDQ), device)
    rows = codes(66_000)
    index.add(np.arange(60_000), rows[:60_000])
    assert index.is_on_device
    assert "CPU" not in caplog.text
    index.add(np.arange(60_000, 66_000), rows[60_000:])
    assert not index.is_on_device
    assert "pdq.v1 is searched on the CPU from now on" in caplog.text
    assert device.memory.used_bytes == 0
    assert [hit.id for hit in index.within(rows[[0, 65_999]], 0)] == [0, 65_999]
    index.host.compact()
    assert index.host.segments[0].accelerator is not None
    device.close()


def test_a_device_that_fails_in_a_search_does_not_fail_the_search(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = DeviceIndex(SegmentedIndex(DESCRIPTOR), device)
    rows = vectors(20)
    index.add(np.arange(20), rows)

    def fails(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr("indexer.index.gpu_index.scans.nearest_vectors", fails)
    assert [hit.id for hit in index.nearest(rows[:1], 1)] == [0]
    assert not index.is_on_device
    index.add(np.array([20]), vectors(1, 3))
    index.remove(np.array([0]))
    assert 0 not in [hit.id for hit in index.nearest(rows[:1], 3)]


def test_two_families_share_the_memory_of_a_device() -> None:
    device = Device("cpu", max_bytes=65_536 * 33 + 65_536 * 513)
    small, large = (DeviceIndex(SegmentedIndex(kind), device) for kind in (PDQ, DESCRIPTOR))
    small.add(np.arange(3), codes(3))
    large.add(np.arange(3), vectors(3))
    assert small.is_on_device
    assert large.is_on_device
    small.add(np.arange(3, 70_000), codes(69_997))
    assert not small.is_on_device
    assert large.is_on_device
    device.close()


def test_without_a_gpu_the_index_is_made_for_the_cpu_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    auto, cpu, gpu = (ENGINES[name] for name in ("auto", "cpu", "gpu"))
    assert isinstance(auto, LocalEngine)
    assert isinstance(cpu, LocalEngine)
    assert isinstance(gpu, LocalEngine)
    assert open_device(auto, None, None) is None
    assert open_device(cpu, None, None) is None
    assert caplog.text == ""
    assert open_device(gpu, None, None) is None
    assert "there is no GPU that torch can use" in caplog.text
    assert isinstance(gpu.make(PDQ, tmp_path, "r", None), SegmentedIndex)
