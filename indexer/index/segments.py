"""Rows that lie together: a tail that is appended to in place, or a sealed segment in plain files.

Both are searched alike. A sealed segment never changes but for its marks `alive`; what makes it fast is
derived from its rows, kept beside them, and built again where it is missing or torn.
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
Scored = tuple[Places, Places, npt.NDArray[np.float32]]  # query rows, places, distances; unsorted


@dataclass(eq=False)
class Segment:
    """Rows by place. The owner of the index changes it; searches read it at any time."""

    ids: Ids  # (capacity,)
    values: Values  # (capacity, bytes) uint8, or (capacity, dimensions) float32 in a tail, float16 sealed
    alive: Marks  # (capacity,); a removal clears a mark
    count: int  # rows that are there; raised last, so that a search never sees half a row
    dead: int = 0  # of them
    name: str | None = None  # folder of its files, once it is sealed
    accelerator: MultiIndex | FastScan | None = None
    _order: Places | None = field(default=None, repr=False)  # places by rising id, for lookups

    @property
    def live_rows(self) -> int:
        """Rows that can be found."""
        return self.count - self.dead

    def remove(self, ids: Ids) -> None:
        """Clear the marks of these rows."""
        places = self.places_of(ids)
        self.alive[places] = False
        self.dead += len(places)

    def mark(self, alive: Marks) -> None:
        """(count,) marks, for a segment that nobody searches yet."""
        self.alive[:] = alive
        self.dead = int(np.count_nonzero(~alive))

    @property
    def is_sealed(self) -> bool:
        """Whether it lies in files and takes no more rows."""
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

    def kept(self) -> Places:
        """Places of live rows, in order."""
        return np.nonzero(self.alive[: self.count])[0]


def new_tail(kind: Kind, rows: int) -> Segment:
    """Room for `rows` rows, allocated once."""
    values = np.zeros((rows, width_of(kind)), dtype_of(kind))
    return Segment(np.zeros(rows, np.int64), values, np.zeros(rows, np.bool_), 0)


def within(kind: Kind, segment: Segment, queries: Values, radius: float) -> Scored:
    """Every live row at `radius` or nearer, exactly."""
    count = segment.count
    if not count:
        return _nothing()
    values = segment.values[:count]
    if kind.family is Family.VECTOR:
        found = flat.vectors_within(queries, values, 1 - radius)
        # As every index does: products are summed in another order than the oracle's.
        return _scored(kind, segment, queries, *found, radius + 1e-6)
    accelerator = segment.accelerator
    if isinstance(accelerator, MultiIndex) and accelerator.reaches(int(radius)):
        asked, places = accelerator.candidates(queries, int(radius))
        return _without_repeats(_scored(kind, segment, queries, asked, places, radius), count)
    return _scored(kind, segment, queries, *flat.codes_within(queries, values, int(radius)), radius)


def nearest(kind: Kind, segment: Segment, queries: Values, k: int) -> Scored:
    """At least the `k` nearest live rows of each query, or all; see `FastScan`."""
    count, live_rows = segment.count, segment.live_rows
    if not live_rows or not k:
        return _nothing()
    wanted = min(k, live_rows)
    asked_for = wanted + min(count - live_rows, wanted)  # some of what is found may be dead
    while True:
        asked, places, distances = _scored(
            kind, segment, queries, *_search(kind, segment, queries, asked_for)
        )
        enough = np.bincount(asked, minlength=len(queries)).min() >= wanted
        if enough or asked_for >= count:
            return asked, places, distances
        asked_for = min(count, 4 * asked_for)


def _search(kind: Kind, segment: Segment, queries: Values, k: int) -> tuple[Places, Places]:
    values = segment.values[: segment.count]
    if kind.family is Family.BINARY:
        return flat.nearest_codes(queries, values, k)
    if isinstance(segment.accelerator, FastScan):
        places = segment.accelerator.candidates(queries, k * CANDIDATES_PER_WANTED)
        asked = np.repeat(np.arange(len(queries)), places.shape[1])
        there = places.ravel() >= 0
        return asked[there], places.ravel()[there]
    return flat.nearest_vectors(queries, values, k)


def _scored(
    kind: Kind,
    segment: Segment,
    queries: Values,
    asked: Places,
    places: Places,
    radius: float | None = None,
) -> Scored:
    live = segment.alive[places]
    asked, places = asked[live], places[live]
    score = flat.scored_codes if kind.family is Family.BINARY else flat.scored_vectors
    distances = score(queries, segment.values, asked, places)
    if radius is None:
        return asked, places, distances
    near = distances <= radius
    return asked[near], places[near], distances[near]


def _without_repeats(scored: Scored, count: int) -> Scored:
    asked, places, distances = scored
    _, first = np.unique(asked * count + places, return_index=True)
    return asked[first], places[first], distances[first]


def _nothing() -> Scored:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)


def seal(
    folder: Path, registry: str, kind: Kind, ids: Ids, values: Values, *, accelerate: bool = True
) -> Segment:
    """Write rows as a sealed segment, with what makes it fast; durable when this returns."""
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
) -> Segment:
    """A sealed segment from its files, every row marked alive. Raises BadFiles."""
    expected = {"registry": registry, "kind": kind.name}
    manifest, arrays = read_arrays(folder / name, expected, trusted=trusted)
    ids, values = arrays.get("ids"), arrays.get("values")
    if ids is None or values is None or values.shape != (len(ids), width_of(kind)):
        raise BadFiles(f"{name}: its arrays do not fit each other")
    segment = Segment(ids, values, np.ones(len(ids), np.bool_), int(manifest["rows"]), name=name)
    if accelerate:
        segment.accelerator = accelerator_of(folder / name, registry, kind, values)
    return segment


def accelerates(kind: Kind, rows: int) -> bool:
    """Whether a sealed segment of so many rows has something that makes it fast."""
    trainable = kind.size % DIMENSIONS_PER_CODE == 0 and rows >= 1 << CODE_BITS
    return rows >= LEAST_ROWS and (kind.family is Family.BINARY or trainable)


def accelerator_of(folder: Path, registry: str, kind: Kind, values: Values) -> MultiIndex | FastScan | None:
    """Read what was derived from a segment's rows, or derive it again."""
    binary = kind.family is Family.BINARY
    if not accelerates(kind, len(values)):
        return None
    derived = folder / ("multi-index" if binary else "fast-scan")
    expected = {"registry": registry, "segment": folder.name}
    restore: Any = multi_index_from if binary else fast_scan_from
    try:
        made: MultiIndex | FastScan = restore(read_arrays(derived, expected)[1])
    except (BadFiles, KeyError, ValueError):
        fresh: Any = build_multi_index(values) if binary else build_fast_scan(values)
        write_arrays(derived, expected, fresh.arrays())
        made = restore(read_arrays(derived, expected, trusted=True)[1])
    return made
