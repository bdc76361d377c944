"""What an index must do, and the brute-force index that every other index must agree with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from indexer.fingerprints.kinds import Codes, Family, Kind, Vectors

Ids = npt.NDArray[np.int64]
Values = Codes | Vectors


class EngineUnavailable(RuntimeError):
    """A package of the engine is missing, or the engine does not answer, or not as it must."""


@dataclass(frozen=True, order=True)
class Hit:
    """One row near a query; hits sort by distance, then by id.

    `distance` falls as things get closer: bits for a binary kind, 1 - inner product for a vector.
    """

    distance: float
    id: int
    query: int = 0  # the row of the query


class Searchable(Protocol):
    """What can be asked about rows of one kind. Safe to call from many threads."""

    kind: Kind

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """Every row at `radius` or nearer to any query row, exactly; sorted."""
        ...

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """The `k` nearest rows of each query row; sorted, ties by id."""
        ...


class Index(Searchable, Protocol):
    """Rows of one kind, each with the id of its fingerprint.

    `add` and `remove` take effect before they return. Adding a known id is an error of the caller and
    replaces nothing.
    """

    def __len__(self) -> int:
        """The number of rows that can be found."""
        ...

    def add(self, ids: Ids, values: Values) -> None:
        """Append rows: (n,) ids and (n, bytes) codes or (n, dimensions) vectors."""
        ...

    def remove(self, ids: Ids) -> None:
        """Remove rows, which are never found again; unknown ids are ignored."""
        ...

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """All rows that can be found, block by block; the index must not change meanwhile."""
        ...


class BruteForceIndex:
    """Compares a query with every row. Slow and obvious: the oracle of all tests."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._values: Values = np.zeros((0, width_of(kind)), dtype_of(kind))
        self._ids: Ids = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Ids, values: Values) -> None:
        """See Index."""
        # The new arrays are bound last: a search that runs meanwhile keeps the old ones.
        self._values, self._ids = (
            np.concatenate([self._values, values]),
            np.concatenate([self._ids, ids]),
        )

    def remove(self, ids: Ids) -> None:
        """See Index."""
        kept = ~np.isin(self._ids, ids)
        self._values, self._ids = self._values[kept], self._ids[kept]

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        ids, distances = self._ids, all_distances(self.kind, queries, self._values)
        rows, columns = np.nonzero(distances <= radius)
        return sorted(
            Hit(float(distances[row, column]), int(ids[column]), int(row))
            for row, column in zip(rows, columns, strict=True)
        )

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        ids, distances = self._ids, all_distances(self.kind, queries, self._values)
        hits: list[Hit] = []
        for row, of_row in enumerate(distances):
            nearest = np.lexsort((ids, of_row))[:k]
            hits += [Hit(float(of_row[column]), int(ids[column]), row) for column in nearest]
        return sorted(hits)

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """See Index."""
        yield self._ids, self._values


def rows_of(index: Index) -> tuple[Ids, Values]:
    """All rows that can be found, in order of their ids: (n,) ids and (n, ...) values."""
    empty = np.zeros((0, width_of(index.kind)), dtype_of(index.kind))
    ids, values = zip((np.zeros(0, np.int64), empty), *index.blocks(), strict=True)
    order = np.argsort(np.concatenate(ids), kind="stable")
    return np.concatenate(ids)[order], np.concatenate(values)[order]


def width_of(kind: Kind) -> int:
    """How many numbers a row has: the bytes of a code, or the dimensions of a vector."""
    return kind.size // 8 if kind.family is Family.BINARY else kind.size


def dtype_of(kind: Kind) -> npt.DTypeLike:
    """The dtype of the rows of this kind in memory."""
    return np.uint8 if kind.family is Family.BINARY else np.float32


def all_distances(kind: Kind, queries: Values, values: Values) -> npt.NDArray[np.float32]:
    """(q, ...) against (n, ...) rows -> (q, n) distances."""
    if kind.family is Family.BINARY:
        differing = np.bitwise_count(np.bitwise_xor(queries[:, None, :], values[None, :, :]))
        return np.asarray(differing.sum(axis=2), dtype=np.float32)
    products = queries.astype(np.float32) @ values.astype(np.float32).T
    return np.asarray(1.0 - products, dtype=np.float32)
