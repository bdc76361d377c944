"""FAISS on the CPU: flat, exact, behind the port.

Ids and removals are ours: rows are only appended to the faiss object, a removed row stays in it with
its place marked dead, and when a fifth of the rows is dead the object is built anew. No faiss object
is ever written to disk.
"""

import threading
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.fingerprints.kinds import Family, Kind
from indexer.index.port import Hit, Ids, Values, dtype_of

FLAVOURS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu12", "faiss-cuda")
REBUILD_AT_DEAD_SHARE = 0.2


class FaissUnavailable(RuntimeError):
    """FAISS is missing, or two packages that overwrite each other's files are installed."""


def installed_flavours() -> list[str]:
    """The installed packages that own the folder `faiss`; more than one is a broken installation."""
    names = {(dist.metadata["Name"] or "").lower() for dist in metadata.distributions()}
    return [flavour for flavour in FLAVOURS if flavour in names]


def import_faiss() -> ModuleType:
    """Import faiss, or raise FaissUnavailable with the cure."""
    flavours = installed_flavours()
    if len(flavours) > 1:
        raise FaissUnavailable(
            f"{' and '.join(flavours)} own the same folder; uninstall all of them, then install one"
        )
    if not flavours:
        raise FaissUnavailable("install trueprint[cpu] or trueprint[gpu]")
    import faiss  # heavy, and a choice of the installation

    module: ModuleType = faiss
    return module


class FaissIndex:
    """Flat binary or flat inner-product index; the same hits as BruteForceIndex, ties included."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._faiss = import_faiss()
        # faiss crashes when a search runs during an add: every call below holds this lock.
        self._lock = threading.Lock()
        self._flat = self._empty()
        self._ids: Ids = np.zeros(0, np.int64)  # by position in _flat
        self._alive: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)

    def _empty(self) -> Any:  # faiss has no types
        if self.kind.family is Family.BINARY:
            return self._faiss.IndexBinaryFlat(self.kind.size)
        return self._faiss.IndexFlatIP(self.kind.size)

    def __len__(self) -> int:
        return int(self._alive.sum())

    def add(self, ids: Ids, values: Values) -> None:
        """See Index."""
        with self._lock:
            self._flat.add(np.ascontiguousarray(values, dtype_of(self.kind)))
            self._ids = np.concatenate([self._ids, ids])
            self._alive = np.concatenate([self._alive, np.ones(len(ids), np.bool_)])

    def remove(self, ids: Ids) -> None:
        """See Index."""
        with self._lock:
            self._alive &= ~np.isin(self._ids, ids)
            if len(self._alive) and self._alive.mean() < 1 - REBUILD_AT_DEAD_SHARE:
                kept_ids, kept = self._living()
                self._flat = self._empty()
                self._flat.add(np.ascontiguousarray(kept))
                self._ids, self._alive = kept_ids, np.ones(len(kept_ids), np.bool_)

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        queries = np.ascontiguousarray(queries, dtype_of(self.kind))
        with self._lock:
            if not len(self._ids):
                return []
            if self.kind.family is Family.BINARY:
                # faiss counts strictly below its radius.
                bounds, distances, places = self._flat.range_search(queries, int(radius) + 1)
            else:
                slack = 1e-6  # inner products are summed in another order than the oracle's
                bounds, products, places = self._flat.range_search(queries, 1 - radius - slack)
                distances = 1 - products
            rows = np.repeat(np.arange(len(queries)), np.diff(bounds.astype(np.int64)))
            return self._hits(rows, places, distances)

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        queries = np.ascontiguousarray(queries, dtype_of(self.kind))
        with self._lock:
            dead = int((~self._alive).sum())
            wanted = min(k + dead, len(self._ids))
            if wanted == 0:
                return []
            distances, places = self._search(queries, wanted)
            # A tie at the cut may hide a smaller id: ask again for all rows that near.
            found: list[Hit] = []
            for row in range(len(queries)):
                found += self._nearest_of_one(queries[row : row + 1], row, distances[row], places[row], k)
        return sorted(found)

    def _search(self, queries: Values, wanted: int) -> tuple[npt.NDArray[np.float32], Ids]:
        distances, places = self._flat.search(queries, wanted)
        if self.kind.family is Family.VECTOR:
            distances = 1 - distances
        return distances, places

    def _nearest_of_one(
        self,
        query: Values,
        row: int,
        distances: npt.NDArray[np.float32],
        places: Ids,
        k: int,
    ) -> list[Hit]:
        while True:
            hits = sorted(self._hits(np.full(len(places), row), places, distances))
            everything = len(places) == len(self._ids)
            if everything or len(hits) < k or hits[k - 1].distance < distances.max():
                return hits[:k]
            more = min(2 * len(places), len(self._ids))
            all_distances, all_places = self._search(query, more)
            distances, places = all_distances[0], all_places[0]

    def _hits(self, rows: Ids, places: Ids, distances: npt.NDArray[np.float32]) -> list[Hit]:
        found = [
            Hit(float(np.float32(distance)), int(self._ids[place]), int(row))
            for row, place, distance in zip(rows, places, distances, strict=True)
            if place >= 0 and self._alive[place]
        ]
        return sorted(found)

    def _living(self) -> tuple[Ids, Values]:
        count, width = len(self._ids), self.kind.size
        if self.kind.family is Family.BINARY:
            flat = self._faiss.vector_to_array(self._flat.xb).reshape(count, width // 8)
        else:
            flat = self._faiss.rev_swig_ptr(self._flat.get_xb(), count * width)
            flat = flat.reshape(count, width).copy()
        return self._ids[self._alive], flat[self._alive]

    def rows(self) -> tuple[Ids, Values]:
        """See Index."""
        with self._lock:
            return self._living()
