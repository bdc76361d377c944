"""Descriptors of requests that wait are made in one pass, and a device that fails is given up."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from torch import Tensor, nn

from indexer.fingerprints.dynamic_batching import DynamicBatcher
from indexer.fingerprints.embedders import TorchEmbedder
from indexer.fingerprints.kinds import Vectors
from indexer.fingerprints.lite0 import WrongWeights
from indexer.media.images import Pixels
from tests.pictures import pixels

# To torch the same place as "cpu", to the embedder a device like any other.
DEVICE = "cpu:0"


def frame(number: int) -> Pixels:
    return np.full((2, 2, 3), number, np.uint8)


class Passes:
    """Describes a frame by its value and remembers each batch; the first pass waits to be released."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, frames: list[Pixels]) -> Vectors:
        values = [int(one_frame[0, 0, 0]) for one_frame in frames]
        self.seen.append(values)
        if len(self.seen) == 1:
            self.begun.set()
            assert self.go_on.wait(10)
        if 13 in values:
            raise ValueError("thirteen")
        return np.array([[value, 2 * value] for value in values], np.float32)


def ask_while_one_runs(batcher: DynamicBatcher, passes: Passes, asked: list[list[int]]) -> list[object]:
    """Returns everybody's answer or error; all but the first wait until the first pass has begun."""
    with ThreadPoolExecutor(len(asked)) as pool:
        first = pool.submit(batcher, [frame(value) for value in asked[0]])
        assert passes.begun.wait(10)
        others = [pool.submit(batcher, [frame(value) for value in some]) for some in asked[1:]]
        deadline = time.monotonic() + 10
        while len(batcher._waiting) < len(others):
            assert time.monotonic() < deadline, "some do not wait"
            time.sleep(0.001)
        passes.go_on.set()
        return [future.exception(10) or future.result(10).tolist() for future in (first, *others)]


def test_who_waits_is_described_in_one_pass_and_gets_its_own_rows() -> None:
    passes = Passes()
    asked = [[1], [2, 3], [4], [5, 6, 7]]
    answers = ask_while_one_runs(DynamicBatcher(passes, 64), passes, asked)
    assert answers == [[[value, 2 * value] for value in some] for some in asked]
    assert [sorted(batch) for batch in passes.seen] == [[1], [2, 3, 4, 5, 6, 7]]


def test_a_pass_has_its_bound_and_one_caller_may_exceed_it() -> None:
    passes = Passes()
    ask_while_one_runs(DynamicBatcher(passes, 3), passes, [[1], [2, 3], [4, 5], [6], [7, 8, 9, 10]])
    assert all(len(batch) <= 3 or sorted(batch) == [7, 8, 9, 10] for batch in passes.seen)
    assert sorted(value for batch in passes.seen for value in batch) == list(range(1, 11))


def test_an_error_is_told_to_the_one_that_caused_it() -> None:
    passes = Passes()
    answers = ask_while_one_runs(DynamicBatcher(passes, 64), passes, [[1], [2], [13], [3]])
    assert [answers[0], answers[1], answers[3]] == [[[1, 2]], [[2, 4]], [[3, 6]]]
    assert isinstance(answers[2], ValueError)


def test_joined_descriptors_are_those_of_one_by_one() -> None:
    frames = [pixels("coffee"), pixels("astronaut"), pixels("cat")]
    alone = np.concatenate([TorchEmbedder("cpu").embed([one_frame]) for one_frame in frames])
    embedder = TorchEmbedder(DEVICE)
    with ThreadPoolExecutor(3) as pool:
        joined = np.concatenate(list(pool.map(lambda one_frame: embedder.embed([one_frame]), frames)))
    assert np.allclose(joined, alone, atol=1e-4)


class Full(nn.Module):
    """A network on a device that has no memory left."""

    def forward(self, batch: Tensor) -> Tensor:
        raise RuntimeError("out of memory")


def test_a_device_that_fails_is_given_up_for_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    embedder = TorchEmbedder(DEVICE)
    embedder._network = Full()
    with caplog.at_level(logging.WARNING):
        vectors = embedder.embed([pixels("coffee")])
    assert np.allclose(vectors, TorchEmbedder("cpu").embed([pixels("coffee")]), atol=1e-4)
    assert embedder.device == "cpu"
    assert "goes on on the CPU: out of memory" in caplog.text


def test_a_file_that_gives_nonsense_is_not_taken_for_a_failing_device() -> None:
    class Nothing(nn.Module):
        def forward(self, batch: Tensor) -> Tensor:
            return batch.new_zeros((len(batch), 256), dtype=batch.new_tensor(0.0).float().dtype)

    embedder = TorchEmbedder(DEVICE)
    embedder._network = Nothing()
    with pytest.raises(WrongWeights):
        embedder.embed([pixels("coffee")])
    assert embedder.device == DEVICE
