"""One device: the thread that owns it, its memory, and dynamic batching of the searches that wait for it.

A pass over all rows costs nearly the same for one query and for dozens. Searches that arrive while a pass
runs therefore share the next one: a search waits for the current pass and for its own, never for further
searches to come, and a pass takes at most `MOST_QUERIES` queries.
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
    """The memory that may be used has no room."""


class DeviceMemory:
    """The memory that all indexes of one device may take together. Only the owner thread touches it."""

    def __init__(self, max_bytes: int | None = None) -> None:
        """`max_bytes`: None allows as much as there is."""
        self.max_bytes = max_bytes
        self.used_bytes = 0

    def take(self, count: int) -> None:
        """Count memory that is about to be allocated. Raises DeviceFull, and then counts nothing."""
        after = self.used_bytes + count
        if self.max_bytes is not None and after > self.max_bytes:
            raise DeviceFull(f"{after} bytes of device memory are needed; {self.max_bytes} may be used")
        self.used_bytes = after

    def give_back(self, count: int) -> None:
        """Count memory as free again."""
        self.used_bytes -= count


@dataclass(frozen=True)
class _Search:
    key: Hashable  # searches with the same key may share a pass
    queries: Values
    scan: Scan
    answer: Future[list[Hit]]


@dataclass(frozen=True)
class _Work:
    run: Callable[[], None]


class Device:
    """One thread, the owner, does everything on the device; callers wait for it."""

    def __init__(self, name: str, max_bytes: int | None = None) -> None:
        """`name`: torch's name for it, such as `cuda` or `cpu`."""
        self.name = name
        self.memory = DeviceMemory(max_bytes)
        self.passes = 0  # how many there were, for measurements
        self._waiting: queue.SimpleQueue[_Search | _Work | None] = queue.SimpleQueue()
        self._owner = threading.Thread(target=self._own, name=f"index-{name}", daemon=True)
        self._owner.start()

    def close(self) -> None:
        """Stop the owner once it has done everything that waits."""
        self._waiting.put(None)
        self._owner.join()

    def run(self, work: Callable[[], T]) -> T:
        """Let the owner do `work`; raises what `work` raises."""
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(work())
            except BaseException as error:
                answer.set_exception(error)

        self._waiting.put(_Work(run))
        return answer.result()

    def search(self, key: Hashable, queries: Values, scan: Scan) -> list[Hit]:
        """Hits of `scan` for (q, ...) queries, in a pass that searches with the same `key` may share."""
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
            by_key: dict[Hashable, list[_Search]] = {}
            for item in batch:
                if isinstance(item, _Search):
                    by_key.setdefault(item.key, []).append(item)
            for searches in by_key.values():
                self._scan(searches)
            for item in batch:
                if isinstance(item, _Work):
                    item.run()
            if None in batch:
                return

    def _scan(self, searches: list[_Search]) -> None:
        """Answer searches with the same key, as many in one pass as `MOST_QUERIES` allows."""
        while searches:
            group = [searches.pop(0)]
            rows = len(group[0].queries)
            while searches and rows + len(searches[0].queries) <= MOST_QUERIES:
                group.append(searches.pop(0))
                rows += len(group[-1].queries)
            self.passes += 1
            try:
                hits = group[0].scan(np.concatenate([search.queries for search in group]))
                hits_of_each = _split_hits(hits, group)
            except BaseException as error:  # the callers get it, whatever it is, and the owner goes on
                for search in group:
                    search.answer.set_exception(error)
            else:
                for search, own_hits in zip(group, hits_of_each, strict=True):
                    search.answer.set_result(own_hits)


def _split_hits(hits: list[Hit], group: list[_Search]) -> list[list[Hit]]:
    """The hits of each search, in their order; `query` counts from 0 within the search."""
    origins = [(number, row) for number, search in enumerate(group) for row in range(len(search.queries))]
    hits_of_each: list[list[Hit]] = [[] for _ in group]
    for hit in hits:
        number, row = origins[hit.query]
        hits_of_each[number].append(replace(hit, query=row))
    return hits_of_each
