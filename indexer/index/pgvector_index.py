"""An index of one kind in a PostgreSQL table with pgvector: exact, and shared by all nodes.

It is good for some million rows. The table is derived, like every index, and lies in a schema of its own. A
search scans it, because an index of pgvector's would be approximate.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from indexer.fingerprints.kinds import Family, Kind
from indexer.index.port import EngineUnavailable, Hit, Ids, Values, dtype_of

SCHEMA = "trueprint_index"
ROWS_AT_ONCE = 2_000
CONNECTIONS = 8
SLACK = 1e-6


class PgvectorIndex:
    """See SharedIndex."""

    def __init__(self, kind: Kind, conninfo: str) -> None:
        """Raises EngineUnavailable."""
        self.kind = kind
        self._binary = kind.family is Family.BINARY
        self._table = sql.Identifier(SCHEMA, kind.name)
        self._type = sql.SQL(f"bit({kind.size})" if self._binary else f"vector({kind.size})")
        self._distance = sql.SQL("value <~> {}" if self._binary else "1 + (value <#> {})")
        self._pool = ConnectionPool(conninfo, min_size=0, max_size=CONNECTIONS, open=True)
        with self._connection() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (SCHEMA,))
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            self._run(
                connection, "CREATE TABLE IF NOT EXISTS {table} (id bigint PRIMARY KEY, value {type})"
            )

    def close(self) -> None:
        """End all connections."""
        self._pool.close()

    def __len__(self) -> int:
        with self._connection() as connection:
            row = self._run(connection, "SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])

    def add(self, ids: Ids, values: Values) -> None:
        """See Index. A known id is replaced."""
        with self._connection() as connection:
            for start in range(0, len(ids), ROWS_AT_ONCE):
                part = slice(start, start + ROWS_AT_ONCE)
                self._run(
                    connection,
                    "INSERT INTO {table} SELECT id, value::{type} FROM unnest(%s::bigint[], %s::text[])"
                    " AS fresh (id, value) ON CONFLICT (id) DO UPDATE SET value = excluded.value",
                    ids[part].tolist(),
                    [self._text(value) for value in values[part]],
                )

    def remove(self, ids: Ids) -> None:
        """See Index."""
        with self._connection() as connection:
            self._run(connection, "DELETE FROM {table} WHERE id = ANY(%s)", ids.tolist())

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        limit = radius if self._binary else radius + SLACK
        found: list[Hit] = []
        with self._connection() as connection:
            for row, query in enumerate(queries):
                text = self._text(query)
                rows = self._run(
                    connection,
                    "SELECT {distance}, id FROM {table} WHERE {distance} <= %s",
                    text,
                    text,
                    limit,
                )
                found += [Hit(float(distance), int(id_), row) for distance, id_ in rows]
        return sorted(found)

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        found: list[Hit] = []
        with self._connection() as connection:
            for row, query in enumerate(queries):
                rows = self._run(
                    connection,
                    "SELECT {distance} AS distance, id FROM {table} ORDER BY distance, id LIMIT %s",
                    self._text(query),
                    k,
                )
                found += [Hit(float(distance), int(id_), row) for distance, id_ in rows]
        return sorted(found)

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """See Index."""
        last = -(2**62)
        while True:
            with self._connection() as connection:
                rows = self._run(
                    connection,
                    "SELECT id, value::text FROM {table} WHERE id > %s ORDER BY id LIMIT %s",
                    last,
                    ROWS_AT_ONCE,
                ).fetchall()
            if not rows:
                return
            yield np.array([id_ for id_, _ in rows], np.int64), self._parse([value for _, value in rows])
            last = int(rows[-1][0])

    def clear(self) -> None:
        """See SharedIndex."""
        with self._connection() as connection:
            self._run(connection, "TRUNCATE {table}")

    def _run(self, connection: Any, statement: str, *values: object) -> Any:
        distance = self._distance.format(sql.SQL("%s::{}").format(self._type))
        query = sql.SQL(statement).format(table=self._table, type=self._type, distance=distance)
        return connection.execute(query, values)

    def _text(self, value: Any) -> str:
        if self._binary:
            return "".join(map(str, np.unpackbits(value)))
        return "[" + ",".join(map(repr, np.asarray(value, np.float32).tolist())) + "]"

    def _parse(self, values: list[str]) -> Values:
        if self._binary:
            bits = np.frombuffer("".join(values).encode(), np.uint8).reshape(len(values), -1) - ord("0")
            return np.packbits(bits, axis=1)
        return np.array([value[1:-1].split(",") for value in values], dtype_of(self.kind))

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            raise EngineUnavailable(f"pgvector: {error}") from error
