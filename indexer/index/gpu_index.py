"""All rows in device memory, behind the port: appended in place, scanned exactly, removed at once.

Segments of fixed size are allocated once and never moved, so that an add costs what it copies and nothing
is ever held twice. A removed row keeps its place with its mark `alive` cleared; when half of a segment is
dead the live rows move together. Everything runs on any torch device; on CUDA with Triton the scans are
kernels.
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
PACKED_AT_DEAD_SHARE = 0.5
# Queries are rounded to float16 for the scan: unit vectors' products move by less than this. Hits are
# scored again in float32.
SCAN_SLACK = 2e-3


@dataclass
class _Segment:
    values: torch.Tensor  # int32 (words, capacity), or float16 (capacity, dimensions)
    alive: torch.Tensor  # int8 (capacity,)
    ids: Ids  # (capacity,) on the host
    is_live: npt.NDArray[np.bool_]  # (capacity,) on the host
    count: int = 0
    dead: int = 0
    rising: bool = True  # ids, as they nearly always are: they are then looked up, not looked through

    @property
    def capacity(self) -> int:
        return len(self.ids)

    def places_of(self, ids: Ids) -> Ids:
        """Places of live rows with these ids."""
        known = self.ids[: self.count]
        if self.rising and self.count:
            places = np.searchsorted(known, ids)
            places = np.unique(places[known[np.minimum(places, self.count - 1)] == ids])
        else:
            places = np.nonzero(np.isin(known, ids))[0]
        return np.asarray(places[self.is_live[places]])


class GpuIndex:
    """Exact index of one kind on one device; the same hits as BruteForceIndex, ties included."""

    def __init__(
        self,
        kind: Kind,
        device: str | torch.device | None = None,
        *,
        memory: DeviceMemory | None = None,
        rows_per_segment: int = ROWS_PER_SEGMENT,
    ) -> None:
        """`device`: CUDA where there is one, by default. `memory`: what it may take, with others."""
        self.kind = kind
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._is_binary = kind.family is Family.BINARY
        self._memory = memory or DeviceMemory()
        self._rows_per_segment = rows_per_segment
        self._segments: list[_Segment] = []
        # One caller at a time owns the device: kernels of two searches would only wait for each other.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(one.count - one.dead for one in self._segments)

    @property
    def bytes_per_row(self) -> int:
        """Device memory of one row."""
        return (self.kind.size // 8 if self._is_binary else self.kind.size * 2) + 1

    def device_bytes(self) -> int:
        """Device memory of all segments, filled or not."""
        return sum(one.capacity for one in self._segments) * self.bytes_per_row

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
                if segment.dead > PACKED_AT_DEAD_SHARE * segment.capacity:
                    self._pack(segment)
            empty = [one for one in self._segments if not one.count]
            self._memory.give_back(sum(one.capacity for one in empty) * self.bytes_per_row)
            self._segments = [one for one in self._segments if one.count]

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        if not len(queries):
            return []
        with self._lock:
            if self._is_binary:
                radii = torch.full((len(queries),), int(radius), dtype=torch.int32, device=self.device)
                return self._code_hits(queries, radii)
            floors = torch.full((len(queries),), 1 - radius - SCAN_SLACK, device=self.device)
            asked = self._asked(queries)
            found = [scans.vectors_above(self._rows(one), asked, floors) for one in self._segments]
            slack = 1e-6  # as in every index: sums in another order than the oracle's
            return [one for one in self._scored(found, queries) if one.distance <= radius + slack]

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        if not len(queries) or k < 1:
            return []
        with self._lock:
            if self._is_binary:
                hits = self._nearest_codes(queries, k)
            else:
                asked = self._asked(queries)
                found = [
                    scans.nearest_vectors(self._rows(one), asked, k, 2 * SCAN_SLACK)
                    for one in self._segments
                ]
                hits = self._scored(found, queries)
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
        """Only the last segment is appended to: rows stay in the order in which they came."""
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
        """Of the segments to come: as large as all before them, so that few rows take little memory."""
        capacities: list[int] = []
        total = sum(one.capacity for one in self._segments)
        while missing > 0:
            capacity = min(self._rows_per_segment, max(total, FIRST_ROWS))
            capacities.append(capacity)
            total, missing = total + capacity, missing - capacity
        return capacities

    def release(self) -> None:
        """Give all memory back; the index is not to be used any more."""
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
            segment.rising = segment.rising and bool(np.all(appended[1:] > appended[:-1]))
        segment.is_live[start:end] = True
        segment.count = end  # last: what lies beyond is not there yet

    def _pack(self, segment: _Segment) -> None:
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

    def _asked(self, queries: Values) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(queries)).to(self.device, torch.float16)

    def _code_hits(self, queries: Values, radii: torch.Tensor) -> list[Hit]:
        asked = self._words(queries)
        found = []
        for segment in self._segments:
            rows = CodeRows(segment.values, segment.alive, segment.count)
            places, of_query, distances = scans.codes_within(rows, asked, radii)
            found += _hits(segment.ids[places], of_query, distances)
        return sorted(found)

    def _nearest_codes(self, queries: Values, k: int) -> list[Hit]:
        """Wider and wider, for the queries that have too few."""
        wanted = min(k, len(self))
        done: list[Hit] = []
        open_queries = np.arange(len(queries))
        radius = min(32, self.kind.size // 8)
        while len(open_queries):
            radii = torch.full((len(open_queries),), radius, dtype=torch.int32, device=self.device)
            hits = self._code_hits(queries[open_queries], radii)
            counts = np.bincount([one.query for one in hits], minlength=len(open_queries))
            enough = counts >= wanted
            done += [
                Hit(one.distance, one.id, int(open_queries[one.query])) for one in hits if enough[one.query]
            ]
            open_queries = open_queries[~enough]
            radius += max(4, self.kind.size // 32)
        return sorted(done)

    def _scored(self, found: list[Hits], queries: Values) -> list[Hit]:
        hits: list[Hit] = []
        for segment, (places, of_query, _) in zip(self._segments, found, strict=True):
            if len(places):
                rows = segment.values[torch.from_numpy(places).to(self.device)].float().cpu().numpy()
                distances = 1.0 - np.einsum("ij,ij->i", rows, queries[of_query].astype(np.float32))
                hits += _hits(segment.ids[places], of_query, distances.astype(np.float32))
        return sorted(hits)

    def _live_values(self, segment: _Segment) -> Values:
        is_live = torch.from_numpy(segment.is_live[: segment.count])
        if self._is_binary:
            words = segment.values[:, : segment.count].cpu()[:, is_live].T.contiguous().numpy()
            return words.view(np.uint8).reshape(len(words), self.kind.size // 8)
        return segment.values[: segment.count].cpu()[is_live].float().numpy()


def _hits(ids: Ids, queries: Ids, distances: npt.NDArray[np.float32]) -> list[Hit]:
    return [
        Hit(float(distance), int(id_), int(query))
        for id_, query, distance in zip(ids, queries, distances, strict=True)
    ]
