"""An index of one kind in a Milvus collection, for registries that outgrow one machine.

It is exact: BIN_FLAT with Hamming distance, FLAT with inner product. Every call asks for strong
consistency, so that it sees what was added or removed before. Milvus returns at most `MOST_HITS` rows for a
query; where more lie within a radius, they are requested distance by distance.
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
        """`prefix`: starts the name of the collection and names the registry. Raises EngineUnavailable."""
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
        with self._milvus_errors():
            self._client: Any = MilvusClient(uri=address)
            self._client.list_collections()

    def _collection_exists(self) -> bool:
        """Whether the collection exists; the process that adds the first row creates it."""
        if not self._exists:
            with self._milvus_errors():
                self._exists = bool(self._client.has_collection(self._collection))
        return self._exists

    def _create_collection(self) -> None:
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", self._types.INT64, is_primary=True)
        value = self._types.BINARY_VECTOR if self._binary else self._types.FLOAT_VECTOR
        schema.add_field("value", value, dim=self.kind.size)
        index = self._client.prepare_index_params()
        index.add_index(
            "value", index_type="BIN_FLAT" if self._binary else "FLAT", metric_type=self._metric
        )
        with self._milvus_errors():
            self._client.create_collection(
                self._collection, schema=schema, index_params=index, consistency_level="Strong"
            )

    def __len__(self) -> int:
        if not self._collection_exists():
            return 0
        with self._milvus_errors():
            counted = self._client.query(self._collection, filter="", output_fields=["count(*)"])
        return int(counted[0]["count(*)"])

    def add(self, ids: Ids, values: Values) -> None:
        """See Index. A known id is replaced."""
        if len(ids) and not self._collection_exists():
            self._create_collection()
        for start in range(0, len(ids), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            rows = [
                {"id": int(id_), "value": self._packed(value)}
                for id_, value in zip(ids[part], values[part], strict=True)
            ]
            with self._milvus_errors():
                self._client.upsert(self._collection, rows)

    def remove(self, ids: Ids) -> None:
        """See Index."""
        if not self._collection_exists():
            return
        for start in range(0, len(ids), ROWS_AT_ONCE):
            with self._milvus_errors():
                self._client.delete(self._collection, ids=ids[start : start + ROWS_AT_ONCE].tolist())

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        hits: list[Hit] = []
        for start in range(0, len(queries) if self._collection_exists() else 0, QUERIES_AT_ONCE):
            part = queries[start : start + QUERIES_AT_ONCE]
            found = self._search(part, MOST_HITS, self._bounds(0, radius))
            for row, of_row in enumerate(found):
                if len(of_row) == MOST_HITS:
                    of_row = self._by_distance(part[row : row + 1], radius)
                hits += [Hit(hit.distance, hit.id, start + row) for hit in of_row]
        return sorted(hits)

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        hits: list[Hit] = []
        for start in range(0, len(queries) if self._collection_exists() else 0, QUERIES_AT_ONCE):
            part = queries[start : start + QUERIES_AT_ONCE]
            wanted = min(k + 16, MOST_HITS)
            found = self._search(part, wanted, {})
            for row, of_row in enumerate(found):
                # Where the k-th and the last hit tie, a row with a smaller id may be missing: all rows at
                # that distance or nearer are requested.
                is_full = len(of_row) == wanted
                if is_full and of_row[-1].distance <= of_row[min(k, wanted) - 1].distance + SLACK:
                    of_row = self.within(part[row : row + 1], of_row[-1].distance)
                hits += [Hit(hit.distance, hit.id, start + row) for hit in of_row]
        return first_of_each(sorted(hits), k)

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """See Index."""
        last = -(2**62)
        while self._collection_exists():
            with self._milvus_errors():
                rows = self._client.query(
                    self._collection,
                    filter=f"id > {last}",
                    output_fields=["id", "value"],
                    limit=ROWS_AT_ONCE,
                )
            found = sorted((int(row["id"]), row["value"]) for row in rows)
            if not found:
                return
            yield np.array([id_ for id_, _ in found], np.int64), self._parse([value for _, value in found])
            last = found[-1][0]

    def clear(self) -> None:
        """See SharedIndex."""
        if not self._collection_exists():
            return
        with self._milvus_errors():
            self._client.delete(self._collection, filter=f"id > {-(2**62)}")

    def close(self) -> None:
        """See SharedIndex."""
        self._client.close()

    def _by_distance(self, query: Values, radius: float) -> list[Hit]:
        """All rows within a radius that holds more of them than Milvus returns at once."""
        if not self._binary:
            raise EngineUnavailable(f"more than {MOST_HITS} rows are that near")
        hits: list[Hit] = []
        for distance in range(int(radius) + 1):
            found = self._search(query, MOST_HITS, self._bounds(distance, distance))[0]
            if len(found) == MOST_HITS:
                raise EngineUnavailable(f"more than {MOST_HITS} rows are {distance} bits away")
            hits += found
        return hits

    def _bounds(self, least: float, most: float) -> dict[str, float]:
        """Milvus' parameters of a range search: it excludes `radius` itself and includes `range_filter`."""
        if self._binary:
            return {"radius": int(most) + 1, "range_filter": int(least)}
        return {"radius": 1 - most - SLACK, "range_filter": 2.0}

    def _search(self, queries: Values, limit: int, bounds: dict[str, float]) -> list[list[Hit]]:
        with self._milvus_errors():
            found = self._client.search(
                self._collection,
                data=[self._packed(query) for query in queries],
                limit=limit,
                search_params={"metric_type": self._metric, "params": bounds},
            )
        return [
            sorted(
                Hit(float(hit["distance"] if self._binary else 1 - hit["distance"]), int(hit["id"]))
                for hit in hits
            )
            for hits in found
        ]

    def _packed(self, value: Any) -> Any:
        return value.tobytes() if self._binary else np.asarray(value, np.float32).tolist()

    def _parse(self, values: list[Any]) -> Values:
        if self._binary:
            codes = b"".join(value[0] if isinstance(value, list) else value for value in values)
            return np.frombuffer(codes, np.uint8).reshape(-1, width_of(self.kind))
        return np.array(values, dtype_of(self.kind))

    def _milvus_errors(self) -> "_MilvusErrors":
        return _MilvusErrors(self._error)


class _MilvusErrors:
    """Turns what the client raises into EngineUnavailable."""

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, self._error):
            raise EngineUnavailable(f"Milvus: {error}") from error
