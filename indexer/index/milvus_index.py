"""Rows of one kind in a Milvus collection, for registries that outgrow one machine.

Exact: BIN_FLAT with Hamming distance, FLAT with inner product. Every call asks for strong consistency, so
that what was added or removed before it is seen. Milvus answers with at most `MOST_HITS` rows for a query;
where a radius holds more they are asked for distance by distance.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from indexer.fingerprints.kinds import Family, Kind
from indexer.index.port import EngineUnavailable, Hit, Ids, Values, dtype_of, width_of
from indexer.index.shared_index import first_of_each

MOST_HITS = 16_384
ROWS_AT_ONCE = 2_000
QUERIES_AT_ONCE = 64
SLACK = 1e-6


class MilvusIndex:
    """See SharedIndex."""

    def __init__(self, kind: Kind, address: str, prefix: str) -> None:
        """`prefix`: names the registry. Raises EngineUnavailable."""
        try:
            from pymilvus import DataType, MilvusClient, MilvusException
        except ImportError as error:
            raise EngineUnavailable("install trueprint[milvus]") from error
        self.kind = kind
        self._error: type[Exception] = MilvusException
        self._binary = kind.family is Family.BINARY
        self._collection = f"{prefix}_{kind.name}".replace("-", "_").replace(".", "_")
        self._metric = "HAMMING" if self._binary else "IP"
        self._types = DataType
        self._exists = False
        with self._asking():
            self._client: Any = MilvusClient(uri=address)
            self._client.list_collections()

    def _there(self) -> bool:
        """Whether the collection exists; the first row makes it, whichever process adds it."""
        if not self._exists:
            with self._asking():
                self._exists = bool(self._client.has_collection(self._collection))
        return self._exists

    def _make(self) -> None:
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", self._types.INT64, is_primary=True)
        value = self._types.BINARY_VECTOR if self._binary else self._types.FLOAT_VECTOR
        schema.add_field("value", value, dim=self.kind.size)
        index = self._client.prepare_index_params()
        index.add_index(
            "value", index_type="BIN_FLAT" if self._binary else "FLAT", metric_type=self._metric
        )
        with self._asking():
            self._client.create_collection(
                self._collection, schema=schema, index_params=index, consistency_level="Strong"
            )

    def __len__(self) -> int:
        if not self._there():
            return 0
        with self._asking():
            counted = self._client.query(self._collection, filter="", output_fields=["count(*)"])
        return int(counted[0]["count(*)"])

    def add(self, ids: Ids, values: Values) -> None:
        """See Index. A known id is replaced."""
        if len(ids) and not self._there():
            self._make()
        for start in range(0, len(ids), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            rows = [
                {"id": int(id_), "value": self._sent(value)}
                for id_, value in zip(ids[part], values[part], strict=True)
            ]
            with self._asking():
                self._client.upsert(self._collection, rows)

    def remove(self, ids: Ids) -> None:
        """See Index."""
        if not self._there():
            return
        for start in range(0, len(ids), ROWS_AT_ONCE):
            with self._asking():
                self._client.delete(self._collection, ids=ids[start : start + ROWS_AT_ONCE].tolist())

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        hits: list[Hit] = []
        for start in range(0, len(queries) if self._there() else 0, QUERIES_AT_ONCE):
            part = queries[start : start + QUERIES_AT_ONCE]
            found = self._search(part, MOST_HITS, self._bounds(0, radius))
            for row, one in enumerate(found):
                if len(one) == MOST_HITS:
                    one = self._by_distance(part[row : row + 1], radius)
                hits += [Hit(hit.distance, hit.id, start + row) for hit in one]
        return sorted(hits)

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        hits: list[Hit] = []
        for start in range(0, len(queries) if self._there() else 0, QUERIES_AT_ONCE):
            part = queries[start : start + QUERIES_AT_ONCE]
            wanted = min(k + 16, MOST_HITS)
            found = self._search(part, wanted, {})
            for row, one in enumerate(found):
                # A tie at the cut may hide a smaller id: all rows that near are asked for.
                cut = len(one) == wanted and one[-1].distance <= one[min(k, wanted) - 1].distance + SLACK
                if cut:
                    one = self.within(part[row : row + 1], one[-1].distance)
                hits += [Hit(hit.distance, hit.id, start + row) for hit in one]
        return first_of_each(sorted(hits), k)

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """See Index."""
        last = -(2**62)
        while self._there():
            with self._asking():
                rows = self._client.query(
                    self._collection,
                    filter=f"id > {last}",
                    output_fields=["id", "value"],
                    limit=ROWS_AT_ONCE,
                )
            found = sorted((int(row["id"]), row["value"]) for row in rows)
            if not found:
                return
            yield np.array([id_ for id_, _ in found], np.int64), self._read([one for _, one in found])
            last = found[-1][0]

    def clear(self) -> None:
        """See SharedIndex."""
        if not self._there():
            return
        with self._asking():
            self._client.delete(self._collection, filter=f"id > {-(2**62)}")

    def close(self) -> None:
        """See SharedIndex."""
        self._client.close()

    def _by_distance(self, query: Values, radius: float) -> list[Hit]:
        if not self._binary:
            raise EngineUnavailable(f"more than {MOST_HITS} rows are so near")
        hits: list[Hit] = []
        for distance in range(int(radius) + 1):
            found = self._search(query, MOST_HITS, self._bounds(distance, distance))[0]
            if len(found) == MOST_HITS:
                raise EngineUnavailable(f"more than {MOST_HITS} rows are {distance} bits away")
            hits += found
        return hits

    def _bounds(self, least: float, most: float) -> dict[str, float]:
        """Milvus' own: its radius is not included, its filter is."""
        if self._binary:
            return {"radius": int(most) + 1, "range_filter": int(least)}
        return {"radius": 1 - most - SLACK, "range_filter": 2.0}

    def _search(self, queries: Values, limit: int, bounds: dict[str, float]) -> list[list[Hit]]:
        with self._asking():
            found = self._client.search(
                self._collection,
                data=[self._sent(query) for query in queries],
                limit=limit,
                search_params={"metric_type": self._metric, "params": bounds},
            )
        return [
            sorted(
                Hit(float(one["distance"] if self._binary else 1 - one["distance"]), int(one["id"]))
                for one in hits
            )
            for hits in found
        ]

    def _sent(self, value: Any) -> Any:
        return value.tobytes() if self._binary else np.asarray(value, np.float32).tolist()

    def _read(self, values: list[Any]) -> Values:
        if self._binary:
            joined = b"".join(one[0] if isinstance(one, list) else one for one in values)
            return np.frombuffer(joined, np.uint8).reshape(-1, width_of(self.kind))
        return np.array(values, dtype_of(self.kind))

    def _asking(self) -> "_Asking":
        return _Asking(self._error)


class _Asking:
    """Turns what the client raises into EngineUnavailable."""

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, self._error):
            raise EngineUnavailable(f"Milvus: {error}") from error
