"""Compare indexes with the rows that they must hold."""

from collections.abc import Iterator, Mapping

import numpy as np
from sqlmodel import Session

from indexer.index.port import Ids, Index, Values
from registry.errors import CorruptRows
from registry.index.rows import stored_rows


def check_indexes(session: Session, by_kind: Mapping[str, Index]) -> Iterator[str]:
    """A sentence for every index that differs from its rows. Nothing may be written meanwhile."""
    for name, index in by_kind.items():
        # Digests are compared, not values: a million vectors twice in memory would be too many.
        try:
            stored = _digests(stored_rows(session, index.kind))
        except CorruptRows as error:
            yield str(error)
            continue
        held = _digests(index.blocks())
        if not np.array_equal(stored[0], held[0]):
            yield f"{name}: the index holds other rows than the database"
        elif not np.array_equal(stored[1], held[1]):
            yield f"{name}: a value in the index differs from its row"


def _digests(blocks: Iterator[tuple[Ids, Values]]) -> tuple[Ids, Ids]:
    """(n,) ids in rising order and (n,) digests of their values, which only this process can compare."""
    ids, digests = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for block, values in blocks:
        stored = values.astype(np.float16) if values.dtype == np.float32 else values
        ids.append(block)
        digests.append(np.array([hash(row.tobytes()) for row in stored], np.int64))
    order = np.argsort(np.concatenate(ids), kind="stable")
    return np.concatenate(ids)[order], np.concatenate(digests)[order]
