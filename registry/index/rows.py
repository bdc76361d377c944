"""Fingerprint rows as arrays, for whatever fills or checks an index: read by COPY, or by their ids.

Reading a million rows one by one takes minutes; PostgreSQL's binary COPY is nearly an array already. Its
format: PostgreSQL's documentation of COPY, "Binary Format".
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from psycopg import sql
from sqlmodel import Session

from indexer.fingerprints.kinds import KINDS, Codes, Family, Kind
from indexer.index.port import Ids, Values
from registry.errors import CorruptRows
from registry.storage.direct import driver_of
from registry.storage.models.records import ACTIVE

ROWS_PER_BLOCK = 262_144
IDS_AT_ONCE = 10_000
HEADER_BYTES = 19  # signature, flags and an empty header extension
END = b"\xff\xff"  # stands where a row would have its number of fields
Rows = tuple[Ids, Values]

_ROWS_OF_ACTIVE = """
    COPY (
        SELECT fingerprint.id, fingerprint.value FROM fingerprint
        JOIN record ON record.id = fingerprint.record_id
        WHERE fingerprint.kind = {kind} AND fingerprint.orientation = 0 AND record.status = {active}
            AND fingerprint.id BETWEEN {first} AND {last}
        ORDER BY fingerprint.id
    ) TO STDOUT (FORMAT binary)
"""
_ROWS_OF_ACTIVE_BY_ID = """
    SELECT fingerprint.id, fingerprint.value FROM fingerprint
    JOIN record ON record.id = fingerprint.record_id
    WHERE fingerprint.id = ANY(%s) AND fingerprint.kind = %s AND fingerprint.orientation = 0
        AND record.status = %s
    ORDER BY fingerprint.id
"""
_ROWS_BY_ID = """
    SELECT id, kind, value FROM fingerprint
    WHERE id = ANY(%s) AND kind = ANY(%s) AND orientation = 0 ORDER BY id
"""
_ALL_IDS = (0, (1 << 63) - 1)


def stored_rows(session: Session, kind: Kind, between: tuple[int, int] | None = None) -> Iterator[Rows]:
    """The rows of active records by rising id, `ROWS_PER_BLOCK` at a time: (n,) ids and (n, ...) values.

    Raises CorruptRows.
    """
    first, last = between or _ALL_IDS
    command = sql.SQL(_ROWS_OF_ACTIVE).format(kind=kind.name, active=ACTIVE, first=first, last=last)
    dtype = _copy_dtype(kind)
    block_bytes = ROWS_PER_BLOCK * dtype.itemsize
    with driver_of(session).cursor() as cursor, cursor.copy(command) as copied:
        parts: list[bytes] = []
        held, to_skip = 0, HEADER_BYTES
        for part in copied:
            parts.append(bytes(part)[to_skip:])
            to_skip = max(0, to_skip - len(part))
            held += len(parts[-1])
            if held >= block_bytes + len(END):
                content = b"".join(parts)
                yield _parse(kind, dtype, content[:block_bytes])
                parts, held = [content[block_bytes:]], len(content) - block_bytes
        content = b"".join(parts)
        if not content.endswith(END):
            raise CorruptRows(f"{kind.name}: the rows break off")
        if len(content) > len(END):
            yield _parse(kind, dtype, content[: -len(END)])


def stored_rows_among(session: Session, kind: Kind, ids: Ids) -> Iterator[Rows]:
    """As `stored_rows`, of rising `ids` (n,) alone, so many of them at a time. Raises CorruptRows."""
    for begin in range(0, len(ids), IDS_AT_ONCE):
        asked = ids[begin : begin + IDS_AT_ONCE].tolist()
        with driver_of(session).cursor(binary=True) as cursor:
            rows = cursor.execute(_ROWS_OF_ACTIVE_BY_ID, (asked, kind.name, ACTIVE)).fetchall()
        if rows:
            found = np.array([row_id for row_id, _ in rows], np.int64)
            yield found, _unpack(kind, [value for _, value in rows])


def rows_by_id(session: Session, ids: Sequence[int], kinds: Sequence[str]) -> dict[str, Rows]:
    """By kind, the rows among `ids` that exist, by rising id, whatever the status of their record.

    Raises CorruptRows.
    """
    # All ids are one parameter: a statement with twenty thousand takes longer to build than to run.
    with driver_of(session).cursor(binary=True) as cursor:
        rows = cursor.execute(_ROWS_BY_ID, (list(ids), list(kinds))).fetchall()
    by_kind: dict[str, tuple[list[int], list[bytes]]] = {}
    for row_id, kind, value in rows:
        row_ids, values = by_kind.setdefault(kind, ([], []))
        row_ids.append(row_id)
        values.append(value)
    return {
        name: (np.array(row_ids, np.int64), _unpack(KINDS[name], values))
        for name, (row_ids, values) in by_kind.items()
    }


def _bytes_of(kind: Kind) -> int:
    return kind.size // 8 if kind.family is Family.BINARY else kind.size * 2


def _copy_dtype(kind: Kind) -> np.dtype[Any]:
    """One row of the copy: the number of fields, then two fields, each after its length in bytes."""
    size = _bytes_of(kind)
    fields = [("fields", ">i2"), ("id_bytes", ">i4"), ("id", ">i8"), ("value_bytes", ">i4")]
    return np.dtype([*fields, ("value", np.uint8, (size,))])


def _parse(kind: Kind, dtype: np.dtype[Any], content: bytes) -> Rows:
    if len(content) % dtype.itemsize:
        raise CorruptRows(f"{kind.name}: a value does not have the length of its kind")
    rows = np.frombuffer(content, dtype)
    well_formed = (rows["fields"] == 2) & (rows["id_bytes"] == 8) & (rows["value_bytes"] == _bytes_of(kind))
    if not well_formed.all():
        near = int(rows["id"][max(0, int(np.argmin(well_formed)) - 1)])
        raise CorruptRows(f"{kind.name}: a value does not have the length of its kind, near row {near}")
    return rows["id"].astype(np.int64), _values(kind, np.ascontiguousarray(rows["value"]))


def _unpack(kind: Kind, values: list[bytes]) -> Values:
    size = _bytes_of(kind)
    if any(len(value) != size for value in values):
        raise CorruptRows(f"{kind.name}: a value does not have the length of its kind")
    # A bytearray makes the array writable: torch takes no other.
    return _values(kind, np.frombuffer(bytearray().join(values), np.uint8).reshape(-1, size))


def _values(kind: Kind, stored: Codes) -> Values:
    """(n, bytes) stored values -> (n, ...) rows of an index."""
    return stored if kind.family is Family.BINARY else stored.view("<f2").astype(np.float32)
