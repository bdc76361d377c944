"""Segments of an index: a tail, which rows are appended to in place, or a sealed segment in plain files.

Both are searched in the same way. A sealed segment never changes, except for its marks `alive`. Its
accelerator is derived from its rows, stored beside them, and built again where it is missing or torn.
"""

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.fingerprints.kinds import Family, Kind
from indexer.index import flat
from indexer.index.fast_scan import (
    CANDIDATES_PER_WANTED,
    CODE_BITS,
    DIMENSIONS_PER_CODE,
    LEAST_ROWS,
    FastScan,
    build_fast_scan,
    fast_scan_from,
)
from indexer.index.multi_index import MultiIndex, build_multi_index, multi_index_from
from indexer.index.plain_files import BadFiles, read_arrays, write_arrays
from indexer.index.port import Ids, Values, dtype_of, width_of

Marks = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
SegmentHits = tuple[Places, Places, npt.NDArray[np.float32]]  # query rows, places, distances; unsorted


@dataclass(eq=False)
class Segment:
    """Rows by place. Only the index changes it, one thread at a time; searches read it at any time."""

    ids: Ids  # (capacity,)
    values: Values  # (capacity, bytes) uint8, or (capacity, dimensions) float32 in a tail, float16 sealed
    alive: Marks  # (capacity,); a removal clears the mark of its row
    count: int  # rows so far; raised last, so that a search never sees half a row
    dead: int = 0  # how many of them are removed
    name: str | None = None  # the folder of its files, once it is sealed
    accelerator: MultiIndex | FastScan | None = None
    _order: Places | None = field(default=None, repr=False)  # places in order of their ids, for lookups

    @property
    def live_rows(self) -> int:
        """The number of rows that can be found."""
        return self.count - self.dead

    def remove(self, ids: Ids) -> None:
        """Clear the marks of the rows with these ids."""
        places = self.places_of(ids)
        self.alive[places] = False
        self.dead += len(places)

    def mark(self, alive: Marks) -> None:
        """Set all marks, (count,); only for a segment that nobody searches yet."""
        self.alive[:] = alive
        self.dead = int(np.count_nonzero(~alive))

    @property
    def is_sealed(self) -> bool:
        """Whether its rows lie in files; it then takes no more."""
        return self.name is not None

    def places_of(self, ids: Ids) -> Places:
        """Places of live rows with these ids."""
        if not self.is_sealed:
            known = np.isin(self.ids[: self.count], ids)
            return np.nonzero(known & self.alive[: self.count])[0]
        if self._order is None:
            self._order = np.argsort(self.ids, kind="stable")
        low = np.searchsorted(self.ids, ids, "left", sorter=self._order)
        high = np.searchsorted(self.ids, ids, "right", sorter=self._order)
        places = [self._order[a:b] for a, b in zip(low, high, strict=True) if b > a]
        found = np.concatenate([np.zeros(0, np.int64), *places])
        return np.asarray(found[self.alive[found]])

    def live_places(self) -> Places:
        """Places of live rows, in order."""
        return np.nonzero(self.alive[: self.count])[0]


def new_tail(kind: Kind, rows: int) -> Segment:
    """An empty segment with room for `rows` rows, which is allocated once."""
    values = np.zeros((rows, width_of(kind)), dtype_of(kind))
    return Segment(np.zeros(rows, np.int64), values, np.zeros(rows, np.bool_), 0)


def within(kind: Kind, segment: Segment, queries: Values, radius: float) -> SegmentHits:
    """Every live row that is at `radius` or nearer to a query, exactly."""
    count = segment.count
    if not count:
        return _no_hits()
    values = segment.values[:count]
    if kind.family is Family.VECTOR:
        query_rows, places = flat.vectors_within(queries, values, 1 - radius)
        # Every index allows this much, since the oracle sums products in another order.
        return _hits(kind, segment, queries, query_rows, places, radius + 1e-6)
    accelerator = segment.accelerator
    if isinstance(accelerator, MultiIndex) and accelerator.reaches(int(radius)):
        query_rows, places = accelerator.candidates(queries, int(radius))
        return _without_repeats(_hits(kind, segment, queries, query_rows, places, radius), count)
    return _hits(kind, segment, queries, *flat.codes_within(queries, values, int(radius)), radius)


def nearest(kind: Kind, segment: Segment, queries: Values, k: int) -> SegmentHits:
    """At least the `k` nearest live rows of each query, or all rows; as exact as `FastScan` is."""
    count, live_rows = segment.count, segment.live_rows
    if not live_rows or not k:
        return _no_hits()
    wanted = min(k, live_rows)
    candidates = wanted + min(count - live_rows, wanted)  # some of those found may be dead
    while True:
        query_rows, places = _nearest_candidates(kind, segment, queries, candidates)
        hits = _hits(kind, segment, queries, query_rows, places)
        enough = np.bincount(hits[0], minlength=len(queries)).min() >= wanted
        if enough or candidates >= count:
            return hits
        candidates = min(count, 4 * candidates)


def _nearest_candidates(kind: Kind, segment: Segment, queries: Values, k: int) -> tuple[Places, Places]:
    """(query rows, places) of at least `k` rows for each query, dead ones among them."""
    values = segment.values[: segment.count]
    if kind.family is Family.BINARY:
        return flat.nearest_codes(queries, values, k)
    if isinstance(segment.accelerator, FastScan):
        places = segment.accelerator.candidates(queries, k * CANDIDATES_PER_WANTED)
        query_rows = np.repeat(np.arange(len(queries)), places.shape[1])
        exists = places.ravel() >= 0
        return query_rows[exists], places.ravel()[exists]
    return flat.nearest_vectors(queries, values, k)


def _hits(
    kind: Kind,
    segment: Segment,
    queries: Values,
    query_rows: Places,
    places: Places,
    radius: float | None = None,
) -> SegmentHits:
    """The live ones of the candidates, with their distances; only those within `radius` if it is given."""
    live = segment.alive[places]
    query_rows, places = query_rows[live], places[live]
    distances_of = flat.code_distances if kind.family is Family.BINARY else flat.vector_distances
    distances = distances_of(queries, segment.values, query_rows, places)
    if radius is None:
        return query_rows, places, distances
    near = distances <= radius
    return query_rows[near], places[near], distances[near]


def _without_repeats(hits: SegmentHits, count: int) -> SegmentHits:
    query_rows, places, distances = hits
    _, first = np.unique(query_rows * count + places, return_index=True)
    return query_rows[first], places[first], distances[first]


def _no_hits() -> SegmentHits:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)


def seal(
    folder: Path, registry: str, kind: Kind, ids: Ids, values: Values, *, accelerate: bool = True
) -> Segment:
    """Write rows as a sealed segment, with its accelerator; both are durable when this returns."""
    name = f"segment-{uuid.uuid4().hex}"
    stored = values if kind.family is Family.BINARY else values.astype(np.float16)
    facts = {"registry": registry, "kind": kind.name, "rows": len(ids)}
    write_arrays(folder / name, facts, {"ids": ids.astype(np.int64), "values": stored})
    return open_segment(folder, name, registry, kind, trusted=True, accelerate=accelerate)


def open_segment(
    folder: Path,
    name: str,
    registry: str,
    kind: Kind,
    *,
    trusted: bool = False,
    accelerate: bool = True,
    is_ours: bool = True,
) -> Segment:
    """A sealed segment from its files, with every row marked alive. Raises BadFiles.

    `is_ours`: no other process writes the files, so that this one may.
    """
    expected = {"registry": registry, "kind": kind.name}
    manifest, arrays = read_arrays(folder / name, expected, trusted=trusted)
    ids, values = arrays.get("ids"), arrays.get("values")
    if ids is None or values is None or values.shape != (len(ids), width_of(kind)):
        raise BadFiles(f"{name}: its arrays do not fit each other")
    segment = Segment(ids, values, np.ones(len(ids), np.bool_), int(manifest["rows"]), name=name)
    if accelerate:
        segment.accelerator = load_or_build_accelerator(
            folder / name, registry, kind, values, is_ours=is_ours
        )
    return segment


def has_accelerator(kind: Kind, rows: int) -> bool:
    """Whether a sealed segment of so many rows gets an accelerator."""
    trainable = kind.size % DIMENSIONS_PER_CODE == 0 and rows >= 1 << CODE_BITS
    return rows >= LEAST_ROWS and (kind.family is Family.BINARY or trainable)


def load_or_build_accelerator(
    folder: Path, registry: str, kind: Kind, values: Values, *, is_ours: bool = True
) -> MultiIndex | FastScan | None:
    """The accelerator from its files; where they are missing or torn, it is built again.

    And written, if the files are ours.
    """
    binary = kind.family is Family.BINARY
    if not has_accelerator(kind, len(values)):
        return None
    derived = folder / ("multi-index" if binary else "fast-scan")
    expected = {"registry": registry, "segment": folder.name}
    restore: Any = multi_index_from if binary else fast_scan_from
    try:
        accelerator: MultiIndex | FastScan = restore(read_arrays(derived, expected)[1])
    except (BadFiles, KeyError, ValueError):
        fresh: Any = build_multi_index(values) if binary else build_fast_scan(values)
        if not is_ours:
            return fresh  # type: ignore[no-any-return]
        write_arrays(derived, expected, fresh.arrays())
        accelerator = restore(read_arrays(derived, expected, trusted=True)[1])
    return accelerator
