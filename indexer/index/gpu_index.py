"""An index with all rows in device memory: appended in place, scanned exactly, removed at once.

Segments are allocated once and never moved, so that an addition costs no more than what it copies, and no
row is held twice. A removed row keeps its place and loses its mark `alive`; once half of a segment is dead,
its live rows are moved together. Everything runs on any torch device; on CUDA with Triton, kernels scan.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from indexer.fingerprints.kinds import Family, Kind
from indexer.index.device import DeviceFull, DeviceMemory
from indexer.index.gpu import scans
from indexer.index.gpu.rows import CodeRows, Hits, VectorRows
from indexer.index.port import Hit, Ids, Values
from indexer.index.shared_index import first_of_each

ROWS_PER_SEGMENT = 1 << 20
FIRST_ROWS = 1 << 16
PACK_AT_DEAD_SHARE = 0.5
# A scan rounds queries to float16, which moves the products of unit vectors by less than this. Distances of
# hits are computed again in float32.
SCAN_SLACK = 2e-3


@dataclass
class _Segment:
    values: torch.Tensor  # int32 (words, capacity), or float16 (capacity, dimensions)
    alive: torch.Tensor  # int8 (capacity,)
    ids: Ids  # (capacity,) on the host
    is_live: npt.NDArray[np.bool_]  # (capacity,) on the host
    count: int = 0
    dead: int = 0
    ids_rise: bool = True  # as they nearly always do: ids are then found by binary search

    @property
    def capacity(self) -> int:
        return len(self.ids)

    def places_of(self, ids: Ids) -> Ids:
        """Places of live rows with these ids."""
        known = self.ids[: self.count]
        if self.ids_rise and self.count:
            places = np.searchsorted(known, ids)
            places = np.unique(places[known[np.minimum(places, self.count - 1)] == ids])
        else:
            places = np.nonzero(np.isin(known, ids))[0]
        return np.asarray(places[self.is_live[places]])


class GpuIndex:
    """See Index. Exact: the same hits as BruteForceIndex, ties included."""

    def __init__(
        self,
        kind: Kind,
        device: str | torch.device | None = None,
        *,
        memory: DeviceMemory | None = None,
        rows_per_segment: int = ROWS_PER_SEGMENT,
    ) -> None:
        """`device`: CUDA by default, where it exists. `memory`: the bound that it shares with others."""
        self.kind = kind
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._is_binary = kind.family is Family.BINARY
        self._memory = memory or DeviceMemory()
        self._rows_per_segment = rows_per_segment
        self._segments: list[_Segment] = []
        # One thread at a time uses the device: kernels of two searches would only wait for each other.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(segment.count - segment.dead for segment in self._segments)

    @property
    def bytes_per_row(self) -> int:
        """The device memory that a row takes."""
        return (self.kind.size // 8 if self._is_binary else self.kind.size * 2) + 1

    def device_bytes(self) -> int:
        """The device memory of all segments, filled or not."""
        return sum(segment.capacity for segment in self._segments) * self.bytes_per_row

    def add(self, ids: Ids, values: Values) -> None:
        """See Index. Raises DeviceFull before anything is added."""
        with self._lock:
            start, last = 0, max(0, len(self._segments) - 1)
            self._make_room(len(ids))
            for segment in self._segments[last:]:
                part = slice(start, start + segment.capacity - segment.count)
                self._append(segment, ids[part], values[part])
                start = part.stop

    def remove(self, ids: Ids) -> None:
        """See Index."""
        with self._lock:
            for segment in self._segments:
                places = segment.places_of(ids)
                if len(places):
                    segment.is_live[places] = False
                    segment.alive[torch.from_numpy(places).to(self.device)] = 0
                    segment.dead += len(places)
                if segment.dead > PACK_AT_DEAD_SHARE * segment.capacity:
                    self._pack(segment)
            empty = [segment for segment in self._segments if not segment.count]
            self._memory.give_back(sum(segment.capacity for segment in empty) * self.bytes_per_row)
            self._segments = [segment for segment in self._segments if segment.count]

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        if not len(queries):
            return []
        with self._lock:
            if self._is_binary:
                radii = torch.full((len(queries),), int(radius), dtype=torch.int32, device=self.device)
                return self._code_hits(queries, radii)
            floors = torch.full((len(queries),), 1 - radius - SCAN_SLACK, device=self.device)
            vectors = self._to_device(queries)
            found = [
                scans.vectors_above(self._rows(segment), vectors, floors) for segment in self._segments
            ]
            slack = 1e-6  # every index allows it, since the oracle sums products in another order
            return [hit for hit in self._vector_hits(found, queries) if hit.distance <= radius + slack]

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        if not len(queries) or k < 1:
            return []
        with self._lock:
            if self._is_binary:
                hits = self._nearest_codes(queries, k)
            else:
                vectors = self._to_device(queries)
                found = [
                    scans.nearest_vectors(self._rows(segment), vectors, k, 2 * SCAN_SLACK)
                    for segment in self._segments
                ]
                hits = self._vector_hits(found, queries)
        return first_of_each(hits, k)

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """See Index."""
        for segment in self._segments:
            with self._lock:
                block = (
                    segment.ids[: segment.count][segment.is_live[: segment.count]],
                    self._live_values(segment),
                )
            yield block

    def _make_room(self, wanted: int) -> None:
        """Allocate segments until the last ones have room for `wanted` rows. Raises DeviceFull."""
        free = self._segments[-1].capacity - self._segments[-1].count if self._segments else 0
        capacities = self._capacities(wanted - free)
        bytes_taken = sum(capacities) * self.bytes_per_row
        self._memory.take(bytes_taken)
        try:
            fresh = [self._new_segment(capacity) for capacity in capacities]
        except torch.OutOfMemoryError as error:
            self._memory.give_back(bytes_taken)
            raise DeviceFull(f"the device has no room for {wanted} more rows") from error
        self._segments += fresh

    def _capacities(self, missing: int) -> list[int]:
        """Sizes of the segments to come, each as large as all before it: few rows take little memory."""
        capacities: list[int] = []
        total = sum(segment.capacity for segment in self._segments)
        while missing > 0:
            capacity = min(self._rows_per_segment, max(total, FIRST_ROWS))
            capacities.append(capacity)
            total, missing = total + capacity, missing - capacity
        return capacities

    def release(self) -> None:
        """Give all memory back; the index must not be used any more."""
        with self._lock:
            self._memory.give_back(self.device_bytes())
            self._segments = []

    def _new_segment(self, capacity: int) -> _Segment:
        if self._is_binary:
            values = torch.zeros((self.kind.size // 32, capacity), dtype=torch.int32, device=self.device)
        else:
            values = torch.zeros((capacity, self.kind.size), dtype=torch.float16, device=self.device)
        alive = torch.zeros(capacity, dtype=torch.int8, device=self.device)
        return _Segment(values, alive, np.zeros(capacity, np.int64), np.zeros(capacity, np.bool_))

    def _append(self, segment: _Segment, ids: Ids, values: Values) -> None:
        start, end = segment.count, segment.count + len(ids)
        if self._is_binary:
            segment.values[:, start:end] = self._words(values).T
        else:
            segment.values[start:end] = torch.from_numpy(np.ascontiguousarray(values)).to(
                self.device, torch.float16
            )
        segment.alive[start:end] = 1
        segment.ids[start:end] = ids
        if len(ids):
            appended = segment.ids[max(0, start - 1) : end]
            segment.ids_rise = segment.ids_rise and bool(np.all(appended[1:] > appended[:-1]))
        segment.is_live[start:end] = True
        segment.count = end  # raised last: rows beyond it do not exist for a reader

    def _pack(self, segment: _Segment) -> None:
        """Move the live rows of a segment to its front, in their order."""
        kept = np.nonzero(segment.is_live[: segment.count])[0]
        places = torch.from_numpy(kept).to(self.device)
        if self._is_binary:
            segment.values[:, : len(kept)] = segment.values[:, places]
        else:
            segment.values[: len(kept)] = segment.values[places]
        segment.alive.zero_()
        segment.alive[: len(kept)] = 1
        segment.ids[: len(kept)] = segment.ids[kept]
        segment.is_live[:] = False
        segment.is_live[: len(kept)] = True
        segment.count, segment.dead = len(kept), 0

    def _rows(self, segment: _Segment) -> VectorRows:
        return VectorRows(segment.values, segment.alive, segment.count)

    def _words(self, codes: Values) -> torch.Tensor:
        words = np.ascontiguousarray(codes, np.uint8).view("<i4")
        return torch.from_numpy(words).to(self.device)

    def _to_device(self, queries: Values) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(queries)).to(self.device, torch.float16)

    def _code_hits(self, queries: Values, radii: torch.Tensor) -> list[Hit]:
        words = self._words(queries)
        hits: list[Hit] = []
        for segment in self._segments:
            rows = CodeRows(segment.values, segment.alive, segment.count)
            places, query_rows, distances = scans.codes_within(rows, words, radii)
            hits += _hits(segment.ids[places], query_rows, distances)
        return sorted(hits)

    def _nearest_codes(self, queries: Values, k: int) -> list[Hit]:
        """Search with a radius that grows for the queries that have too few hits."""
        wanted = min(k, len(self))
        complete: list[Hit] = []
        open_queries = np.arange(len(queries))
        radius = min(32, self.kind.size // 8)
        while len(open_queries):
            radii = torch.full((len(open_queries),), radius, dtype=torch.int32, device=self.device)
            hits = self._code_hits(queries[open_queries], radii)
            counts = np.bincount([hit.query for hit in hits], minlength=len(open_queries))
            enough = counts >= wanted
            complete += [
                Hit(hit.distance, hit.id, int(open_queries[hit.query])) for hit in hits if enough[hit.query]
            ]
            open_queries = open_queries[~enough]
            radius += max(4, self.kind.size // 32)
        return sorted(complete)

    def _vector_hits(self, found: list[Hits], queries: Values) -> list[Hit]:
        """Hits with their distances in float32, from what each segment's scan found."""
        hits: list[Hit] = []
        for segment, (places, query_rows, _) in zip(self._segments, found, strict=True):
            if len(places):
                rows = segment.values[torch.from_numpy(places).to(self.device)].float().cpu().numpy()
                distances = 1.0 - np.einsum("ij,ij->i", rows, queries[query_rows].astype(np.float32))
                hits += _hits(segment.ids[places], query_rows, distances.astype(np.float32))
        return sorted(hits)

    def _live_values(self, segment: _Segment) -> Values:
        is_live = torch.from_numpy(segment.is_live[: segment.count])
        if self._is_binary:
            words = segment.values[:, : segment.count].cpu()[:, is_live].T.contiguous().numpy()
            return words.view(np.uint8).reshape(len(words), self.kind.size // 8)
        return segment.values[: segment.count].cpu()[is_live].float().numpy()


def _hits(ids: Ids, query_rows: Ids, distances: npt.NDArray[np.float32]) -> list[Hit]:
    return [
        Hit(float(distance), int(row_id), int(query))
        for row_id, query, distance in zip(ids, query_rows, distances, strict=True)
    ]
