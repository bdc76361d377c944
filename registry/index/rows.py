"""Fingerprint rows as arrays, for whatever fills or checks an index: by COPY, or by their ids.

A million rows one by one take minutes; PostgreSQL's binary COPY nearly is an array already. Source of its
form: PostgreSQL's documentation of COPY, "Binary Format".
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import psycopg
from psycopg import sql
from sqlmodel import Session

from indexer.fingerprints.kinds import KINDS, Codes, Family, Kind
from indexer.index.port import Ids, Values
from registry.errors import CorruptRows
from registry.storage.models.records import ACTIVE

ROWS_PER_BLOCK = 262_144
HEADER_BYTES = 19  # signature, flags and an empty extension
END = b"\xff\xff"  # in the place of a number of fields
Rows = tuple[Ids, Values]

_OF_ACTIVE = """
    COPY (
        SELECT fingerprint.id, fingerprint.value FROM fingerprint
        JOIN record ON record.id = fingerprint.record_id
        WHERE fingerprint.kind = {kind} AND fingerprint.orientation = 0 AND record.status = {active}
            AND fingerprint.id BETWEEN {first} AND {last}
        ORDER BY fingerprint.id
    ) TO STDOUT (FORMAT binary)
"""
_BY_ID = """
    SELECT id, kind, value FROM fingerprint
    WHERE id = ANY(%s) AND kind = ANY(%s) AND orientation = 0 ORDER BY id
"""
_WHOLE = (0, (1 << 63) - 1)


def stored_rows(session: Session, kind: Kind, between: tuple[int, int] | None = None) -> Iterator[Rows]:
    """Rows of active records by rising id, `ROWS_PER_BLOCK` at a time: (n,) ids and (n, ...) values.

    Raises CorruptRows.
    """
    first, last = between or _WHOLE
    command = sql.SQL(_OF_ACTIVE).format(kind=kind.name, active=ACTIVE, first=first, last=last)
    form = _form_of(kind)
    block_bytes = ROWS_PER_BLOCK * form.itemsize
    with _driver(session).cursor() as cursor, cursor.copy(command) as copied:
        parts: list[bytes] = []
        held, to_skip = 0, HEADER_BYTES
        for part in copied:
            parts.append(bytes(part)[to_skip:])
            to_skip = max(0, to_skip - len(part))
            held += len(parts[-1])
            if held >= block_bytes + len(END):
                content = b"".join(parts)
                yield _read(kind, form, content[:block_bytes])
                parts, held = [content[block_bytes:]], len(content) - block_bytes
        content = b"".join(parts)
        if not content.endswith(END):
            raise CorruptRows(f"{kind.name}: the rows break off")
        if len(content) > len(END):
            yield _read(kind, form, content[: -len(END)])


def rows_by_id(session: Session, ids: Sequence[int], kinds: Sequence[str]) -> dict[str, Rows]:
    """Those of `ids` that there are, whoever's record they belong to: by kind, by rising id.

    Raises CorruptRows.
    """
    # One parameter, however many ids: a statement with twenty thousand takes longer to write than to run.
    with _driver(session).cursor(binary=True) as cursor:
        found = cursor.execute(_BY_ID, (list(ids), list(kinds))).fetchall()
    by_kind: dict[str, tuple[list[int], list[bytes]]] = {}
    for row_id, kind, value in found:
        of_kind = by_kind.setdefault(kind, ([], []))
        of_kind[0].append(row_id)
        of_kind[1].append(value)
    return {
        name: (np.array(row_ids, np.int64), _unpack(KINDS[name], values))
        for name, (row_ids, values) in by_kind.items()
    }


def _driver(session: Session) -> "psycopg.Connection[Any]":
    """The connection below this session: what it reads is of the same transaction."""
    return cast("psycopg.Connection[Any]", session.connection().connection.driver_connection)


def _bytes_of(kind: Kind) -> int:
    return kind.size // 8 if kind.family is Family.BINARY else kind.size * 2


def _form_of(kind: Kind) -> np.dtype[Any]:
    """One row of the copy: two fields, each behind its length."""
    size = _bytes_of(kind)
    fields = [("fields", ">i2"), ("id_bytes", ">i4"), ("id", ">i8"), ("value_bytes", ">i4")]
    return np.dtype([*fields, ("value", np.uint8, (size,))])


def _read(kind: Kind, form: np.dtype[Any], content: bytes) -> Rows:
    if len(content) % form.itemsize:
        raise CorruptRows(f"{kind.name}: a value does not have the length of its kind")
    rows = np.frombuffer(content, form)
    sound = (rows["fields"] == 2) & (rows["id_bytes"] == 8) & (rows["value_bytes"] == _bytes_of(kind))
    if not sound.all():
        near = int(rows["id"][max(0, int(np.argmin(sound)) - 1)])
        raise CorruptRows(f"{kind.name}: a value does not have the length of its kind, near row {near}")
    return rows["id"].astype(np.int64), _values(kind, np.ascontiguousarray(rows["value"]))


def _unpack(kind: Kind, values: list[bytes]) -> Values:
    size = _bytes_of(kind)
    if any(len(one) != size for one in values):
        raise CorruptRows(f"{kind.name}: a value does not have the length of its kind")
    # A bytearray, so that the array may be written to: torch takes no other.
    return _values(kind, np.frombuffer(bytearray().join(values), np.uint8).reshape(-1, size))


def _values(kind: Kind, stored: Codes) -> Values:
    """(n, bytes) as they are stored to rows of an index."""
    return stored if kind.family is Family.BINARY else stored.view("<f2").astype(np.float32)
