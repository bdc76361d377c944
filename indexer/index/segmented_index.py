"""The index of one kind on a CPU: sealed segments, and a tail that takes new rows.

Threads that add, remove or compact take turns; searches hold no lock. A search reads the tuple of segments
once, and the row count of each segment once; both stay valid for it while new segments replace the old.
"""

import logging
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from indexer.fingerprints.kinds import Family, Kind
from indexer.index import segments
from indexer.index.port import Hit, Ids, Values, dtype_of
from indexer.index.segments import Segment, SegmentHits, load_or_build_accelerator, new_tail, seal

TAIL_ROWS = {Family.BINARY: 65_536, Family.VECTOR: 16_384}
# A segment is merged with all later ones once they have at least one row for so many of its own: every
# segment slows every search, and merging codes is cheap. A code is written 17 times, a vector 5 times.
MERGE_AT_ONE_IN = {Family.BINARY: 16, Family.VECTOR: 4}
# The largest merged segment. A fast scan costs the same in several segments and retrieves more candidates,
# and smaller segments are merged sooner.
MOST_ROWS = {Family.BINARY: 1 << 22, Family.VECTOR: 1 << 18}
REWRITE_AT_DEAD_SHARE = 0.15
ROWS_PER_BLOCK = 16_384
_log = logging.getLogger(__name__)


class SegmentedIndex:
    """See Index. Exact for codes; of vectors it misses what a fast scan misses (docs/performance.md)."""

    def __init__(
        self, kind: Kind, folder: Path | None = None, registry: str = "", tail_rows: int | None = None
    ) -> None:
        """`folder`: where sealed segments lie; a temporary folder when none is given."""
        self.kind = kind
        self.registry = registry
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="trueprint-index-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = folder
        self.accelerates = True  # False while a device answers: no accelerators are built then
        self._tail_rows = tail_rows or TAIL_ROWS[kind.family]
        # Held while segments are changed or replaced, never while a search runs.
        self._changing = threading.Lock()
        self._compacting = threading.Lock()
        self._segments: tuple[Segment, ...] = (new_tail(kind, self._tail_rows),)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Segments in the order in which their rows came; the last one is the tail."""
        return self._segments

    def __len__(self) -> int:
        return sum(segment.live_rows for segment in self._segments)

    def add(self, ids: Ids, values: Values) -> None:
        """See Index."""
        with self._changing:
            start = 0
            while start < len(ids):
                tail = self._segments[-1]
                if tail.count == len(tail.ids):
                    tail = new_tail(self.kind, self._tail_rows)
                    self._segments = (*self._segments, tail)
                end = tail.count + min(len(tail.ids) - tail.count, len(ids) - start)
                part, stop = slice(tail.count, end), start + end - tail.count
                tail.ids[part], tail.values[part] = ids[start:stop], values[start:stop]
                tail.alive[part] = True
                tail.count, start = end, stop

    def remove(self, ids: Ids) -> None:
        """See Index."""
        ids = np.unique(ids)
        with self._changing:
            for segment in self._segments:
                segment.remove(ids)

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        if not len(queries):
            return []
        queries = np.ascontiguousarray(queries, dtype_of(self.kind))
        return sorted(
            hit
            for segment in self._segments
            for hit in _hits(segment, segments.within(self.kind, segment, queries, radius))
        )

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        if not len(queries) or k < 1:
            return []
        queries = np.ascontiguousarray(queries, dtype_of(self.kind))
        found = [(segment, segments.nearest(self.kind, segment, queries, k)) for segment in self._segments]
        query_rows = np.concatenate([hits[0] for _, hits in found])
        ids = np.concatenate([segment.ids[hits[1]] for segment, hits in found])
        distances = np.concatenate([hits[2] for _, hits in found])
        order = np.lexsort((ids, distances, query_rows))
        rank = np.arange(len(order)) - np.searchsorted(query_rows[order], query_rows[order], "left")
        return sorted(
            Hit(float(distances[place]), int(ids[place]), int(query_rows[place]))
            for place in order[rank < k]
        )

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """See Index."""
        for segment in self._segments:
            places = segment.live_places()
            for start in range(0, len(places), ROWS_PER_BLOCK):
                part = places[start : start + ROWS_PER_BLOCK]
                yield segment.ids[part], segment.values[part].astype(dtype_of(self.kind), copy=False)

    def adopt(self, sealed: list[Segment]) -> None:
        """Start with these segments; only for an empty index."""
        with self._changing:
            self._segments = (*sealed, new_tail(self.kind, self._tail_rows))

    def seal_rows(self, ids: Ids, values: Values) -> None:
        """Add many rows at once, as a sealed segment of their own after all others."""
        sealed = self._seal(ids, values)
        with self._changing:
            tail = self._segments[-1]
            before = self._segments if tail.count else self._segments[:-1]
            self._segments = (*before, sealed, new_tail(self.kind, self._tail_rows))

    def compact(self) -> None:
        """Seal full tails, merge small segments and rewrite those with many dead rows.

        This is slow and belongs into a thread of its own; searches, additions and removals go on meanwhile.
        """
        with self._compacting:
            while neighbours := self._next_to_compact():
                self._replace(neighbours)
            for segment in self._segments:
                if self.accelerates and segment.name is not None and segment.accelerator is None:
                    folder = self.folder / segment.name
                    segment.accelerator = load_or_build_accelerator(
                        folder, self.registry, self.kind, segment.values
                    )

    def _seal(self, ids: Ids, values: Values) -> Segment:
        return seal(self.folder, self.registry, self.kind, ids, values, accelerate=self.accelerates)

    def _next_to_compact(self) -> list[Segment]:
        """Neighbouring segments to be written as one; none when there is nothing to do."""
        full = self._segments[:-1]
        for start, segment in enumerate(full):
            later = sum(following.count for following in full[start + 1 :])
            due = later * MERGE_AT_ONE_IN[self.kind.family] >= segment.count
            if later and due and segment.count + later <= MOST_ROWS[self.kind.family]:
                return list(full[start:])
            if not segment.is_sealed or segment.live_rows < (1 - REWRITE_AT_DEAD_SHARE) * segment.count:
                return [segment]
        return []

    def _replace(self, neighbours: list[Segment]) -> None:
        """Write the live rows of neighbouring segments as one sealed segment, which takes their place."""
        live = [(segment, segment.live_places()) for segment in neighbours]
        ids = np.concatenate([segment.ids[places] for segment, places in live])
        sealed = []
        if len(ids):
            values = np.concatenate([segment.values[places] for segment, places in live])
            sealed = [self._seal(ids, values)]
        with self._changing:
            for merged in sealed:  # rows that were removed while the files were written
                merged.mark(np.concatenate([segment.alive[places] for segment, places in live]))
            at = self._segments.index(neighbours[0])
            self._segments = (*self._segments[:at], *sealed, *self._segments[at + len(neighbours) :])
        _log.debug("%s: %d segments became one of %d rows", self.kind.name, len(neighbours), len(ids))


def _hits(segment: Segment, hits: SegmentHits) -> list[Hit]:
    query_rows, places, distances = hits
    return [
        Hit(float(distance), int(row_id), int(query))
        for query, row_id, distance in zip(query_rows, segment.ids[places], distances, strict=True)
    ]
