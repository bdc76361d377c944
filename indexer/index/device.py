"""One device: the thread that owns it, its memory, and how searches that wait are asked together.

A pass over all rows costs nearly the same for one query and for dozens. Searches that arrive while a pass
runs are therefore asked in the next one: a search waits for the pass in hand and for its own, never for
company, and a pass is never of more than `MOST_QUERIES`.
"""

import queue
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from indexer.index.port import Hit, Values

MOST_QUERIES = 512

T = TypeVar("T")
Scan = Callable[[Values], list[Hit]]


class DeviceFull(RuntimeError):
    """No room within the memory that may be used."""


class DeviceMemory:
    """What all indexes of one device may take together. Touched by the owner thread only."""

    def __init__(self, max_bytes: int | None = None) -> None:
        """`max_bytes`: None, as much as there is."""
        self.max_bytes = max_bytes
        self.used_bytes = 0

    def take(self, count: int) -> None:
        """Raises DeviceFull before anything is taken."""
        after = self.used_bytes + count
        if self.max_bytes is not None and after > self.max_bytes:
            raise DeviceFull(f"{after} bytes of device memory are needed; {self.max_bytes} may be used")
        self.used_bytes = after

    def give_back(self, count: int) -> None:
        """What is not held any more."""
        self.used_bytes -= count


@dataclass(frozen=True)
class _Search:
    key: Hashable  # searches of one key may be asked together
    queries: Values
    scan: Scan
    answer: Future[list[Hit]]


@dataclass(frozen=True)
class _Work:
    run: Callable[[], None]


class Device:
    """Everything on it is done by one thread; callers wait."""

    def __init__(self, name: str, max_bytes: int | None = None) -> None:
        """`name`: as torch writes it, `cuda` or `cpu`."""
        self.name = name
        self.memory = DeviceMemory(max_bytes)
        self.passes = 0  # for measurements
        self._waiting: queue.SimpleQueue[_Search | _Work | None] = queue.SimpleQueue()
        self._owner = threading.Thread(target=self._own, name=f"index-{name}", daemon=True)
        self._owner.start()

    def close(self) -> None:
        """After everything that waits."""
        self._waiting.put(None)
        self._owner.join()

    def run(self, work: Callable[[], T]) -> T:
        """Done by the owner; raises what it raises."""
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(work())
            except BaseException as error:
                answer.set_exception(error)

        self._waiting.put(_Work(run))
        return answer.result()

    def search(self, key: Hashable, queries: Values, scan: Scan) -> list[Hit]:
        """Hits of `scan` for (q, ...) queries, asked together with others of the same `key`."""
        answer: Future[list[Hit]] = Future()
        self._waiting.put(_Search(key, queries, scan, answer))
        return answer.result()

    def _own(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while True:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            together: dict[Hashable, list[_Search]] = {}
            for one in batch:
                if isinstance(one, _Search):
                    together.setdefault(one.key, []).append(one)
            for searches in together.values():
                self._ask(searches)
            for one in batch:
                if isinstance(one, _Work):
                    one.run()
            if None in batch:
                return

    def _ask(self, searches: list[_Search]) -> None:
        while searches:
            group = [searches.pop(0)]
            rows = len(group[0].queries)
            while searches and rows + len(searches[0].queries) <= MOST_QUERIES:
                group.append(searches.pop(0))
                rows += len(group[-1].queries)
            self.passes += 1
            try:
                hits = group[0].scan(np.concatenate([one.queries for one in group]))
                answers = _told_apart(hits, group)
            except BaseException as error:  # whatever it is, its callers get it and the owner goes on
                for one in group:
                    one.answer.set_exception(error)
            else:
                for one, found in zip(group, answers, strict=True):
                    one.answer.set_result(found)


def _told_apart(hits: list[Hit], group: list[_Search]) -> list[list[Hit]]:
    """For each search its own hits, in order, its queries counted from 0."""
    of_query = [(which, row) for which, one in enumerate(group) for row in range(len(one.queries))]
    own: list[list[Hit]] = [[] for _ in group]
    for hit in hits:
        which, row = of_query[hit.query]
        own[which].append(replace(hit, query=row))
    return own
