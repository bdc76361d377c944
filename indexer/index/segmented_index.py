"""The index of one kind on a CPU: a tail that takes new rows, and sealed segments behind it.

Adding, removing and tending go one at a time; searches hold no lock. They take the tuple of segments once,
and a segment's row count once, and what they hold stays true while others are made.
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
from indexer.index.segments import Scored, Segment, accelerator_of, new_tail, seal

TAIL_ROWS = {Family.BINARY: 65_536, Family.VECTOR: 16_384}
# A segment is joined with all later ones once they have one in so many of its rows: each segment costs
# every search, and joining codes costs little. A row is written about 17 and 5 times in its life.
MERGED_AT_ONE_IN = {Family.BINARY: 16, Family.VECTOR: 4}
# Of a joined segment. A fast scan costs the same in several, nominates more, and less is joined at once.
MOST_ROWS = {Family.BINARY: 1 << 22, Family.VECTOR: 1 << 18}
REWRITTEN_AT_DEAD_SHARE = 0.15
ROWS_PER_BLOCK = 16_384
_log = logging.getLogger(__name__)


class SegmentedIndex:
    """Exact for codes; for vectors but for what a fast scan does not nominate (docs/performance.md)."""

    def __init__(
        self, kind: Kind, folder: Path | None = None, registry: str = "", tail_rows: int | None = None
    ) -> None:
        """`folder`: where sealed segments lie; a temporary one when it is not given."""
        self.kind = kind
        self.registry = registry
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="trueprint-index-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = folder
        self.accelerates = True  # False: somebody else answers, nothing is built that makes this one fast
        self._tail_rows = tail_rows or TAIL_ROWS[kind.family]
        # Held while segments are changed or replaced, never while a search runs.
        self._changing = threading.Lock()
        self._compacting = threading.Lock()
        self._segments: tuple[Segment, ...] = (new_tail(kind, self._tail_rows),)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """In the order of their rows; the last one is the tail."""
        return self._segments

    def __len__(self) -> int:
        return sum(one.live_rows for one in self._segments)

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
        found = [(one, segments.within(self.kind, one, queries, radius)) for one in self._segments]
        return sorted(hit for segment, scored in found for hit in _hits(segment, scored))

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        if not len(queries) or k < 1:
            return []
        queries = np.ascontiguousarray(queries, dtype_of(self.kind))
        found = [(one, segments.nearest(self.kind, one, queries, k)) for one in self._segments]
        merged = [np.concatenate(parts) for parts in zip(*(scored for _, scored in found), strict=True)]
        asked, distances = merged[0], merged[2]
        ids = np.concatenate([segment.ids[scored[1]] for segment, scored in found])
        order = np.lexsort((ids, distances, asked))
        rank = np.arange(len(order)) - np.searchsorted(asked[order], asked[order], "left")
        chosen = order[rank < k]
        return sorted(Hit(float(distances[one]), int(ids[one]), int(asked[one])) for one in chosen)

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """See Index."""
        for segment in self._segments:
            places = segment.kept()
            for start in range(0, len(places), ROWS_PER_BLOCK):
                part = places[start : start + ROWS_PER_BLOCK]
                yield segment.ids[part], segment.values[part].astype(dtype_of(self.kind), copy=False)

    def adopt(self, sealed: list[Segment]) -> None:
        """Begin with these segments; only for an index that is empty."""
        with self._changing:
            self._segments = (*sealed, new_tail(self.kind, self._tail_rows))

    def seal_rows(self, ids: Ids, values: Values) -> None:
        """Add many rows at once, as a segment of their own behind all others."""
        fresh = self._seal(ids, values)
        with self._changing:
            tail = self._segments[-1]
            before = self._segments if tail.count else self._segments[:-1]
            self._segments = (*before, fresh, new_tail(self.kind, self._tail_rows))

    def compact(self) -> None:
        """Seal what is full, join what is small, drop what is dead. Slow: for a thread of its own.

        Searches, additions and removals go on meanwhile.
        """
        with self._compacting:
            while run := self._next_to_compact():
                self._replace(run)
            for segment in self._segments:
                if self.accelerates and segment.name is not None and segment.accelerator is None:
                    folder = self.folder / segment.name
                    segment.accelerator = accelerator_of(folder, self.registry, self.kind, segment.values)

    def _seal(self, ids: Ids, values: Values) -> Segment:
        return seal(self.folder, self.registry, self.kind, ids, values, accelerate=self.accelerates)

    def _next_to_compact(self) -> list[Segment]:
        """Neighbours to be written as one segment; none: all is well."""
        full = self._segments[:-1]
        for start, segment in enumerate(full):
            later = sum(one.count for one in full[start + 1 :])
            due = later * MERGED_AT_ONE_IN[self.kind.family] >= segment.count
            if later and due and segment.count + later <= MOST_ROWS[self.kind.family]:
                return list(full[start:])
            if not segment.is_sealed or segment.live_rows < (1 - REWRITTEN_AT_DEAD_SHARE) * segment.count:
                return [segment]
        return []

    def _replace(self, run: list[Segment]) -> None:
        kept = [(one, one.kept()) for one in run]
        ids = np.concatenate([one.ids[places] for one, places in kept])
        fresh = []
        if len(ids):
            values = np.concatenate([one.values[places] for one, places in kept])
            fresh = [self._seal(ids, values)]
        with self._changing:
            for one in fresh:  # what was removed while the files were written
                one.mark(np.concatenate([old.alive[places] for old, places in kept]))
            at = self._segments.index(run[0])
            self._segments = (*self._segments[:at], *fresh, *self._segments[at + len(run) :])
        _log.debug("%s: %d segments became one of %d rows", self.kind.name, len(run), len(ids))


def _hits(segment: Segment, scored: Scored) -> list[Hit]:
    asked, places, distances = scored
    return [
        Hit(float(distance), int(id_), int(query))
        for query, id_, distance in zip(asked, segment.ids[places], distances, strict=True)
    ]
