"""Compare indexes with the rows that they must hold."""

from collections.abc import Iterator, Mapping

import numpy as np
from sqlmodel import Session

from indexer.index.port import Ids, Index, Values
from registry.errors import CorruptRows
from registry.index.access import Still
from registry.index.rows import stored_rows, stored_rows_among


def check_indexes(session: Session, by_kind: Mapping[str, Index], still: Still) -> Iterator[str]:
    """A sentence for every index that differs from its rows.

    Others may write meanwhile: rows that differ are compared again in a session of `still`, while nothing
    moves.
    """
    for name, index in by_kind.items():
        # Digests are compared, not values: a million vectors twice in memory would be too many.
        try:
            stored = _digests(stored_rows(session, index.kind))
        except CorruptRows as error:
            yield str(error)
            continue
        suspects = _differing(stored, _digests(index.blocks()))
        if not len(suspects):
            continue
        with still() as settled:
            stored = _digests(stored_rows_among(settled, index.kind, suspects))
            held = _digests(_only(index.blocks(), suspects))
        if not np.array_equal(stored[0], held[0]):
            yield f"{name}: the index holds other rows than the database"
        elif not np.array_equal(stored[1], held[1]):
            yield f"{name}: a value in the index differs from its row"


def _differing(stored: tuple[Ids, Ids], held: tuple[Ids, Ids]) -> Ids:
    """The ids, in rising order, that one side lacks, holds twice, or holds with another digest."""
    if np.array_equal(stored, held):
        return np.zeros(0, np.int64)
    pairs = np.concatenate([np.stack(side, axis=1) for side in (stored, held)])
    rows, places = np.unique(pairs, axis=0, return_inverse=True)
    signs = np.repeat([1, -1], (len(stored[0]), len(held[0])))
    return np.unique(rows[np.bincount(places, signs) != 0, 0])


def _only(blocks: Iterator[tuple[Ids, Values]], wanted: Ids) -> Iterator[tuple[Ids, Values]]:
    for ids, values in blocks:
        chosen = np.isin(ids, wanted)
        if chosen.any():
            yield ids[chosen], values[chosen]


def _digests(blocks: Iterator[tuple[Ids, Values]]) -> tuple[Ids, Ids]:
    """(n,) ids in rising order and (n,) digests of their values, which only this process can compare."""
    ids, digests = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for block, values in blocks:
        stored = values.astype(np.float16) if values.dtype == np.float32 else values
        ids.append(block)
        digests.append(np.array([hash(row.tobytes()) for row in stored], np.int64))
    order = np.argsort(np.concatenate(ids), kind="stable")
    return np.concatenate(ids)[order], np.concatenate(digests)[order]
