"""Fills empty indexes when a process starts: from snapshots that can be trusted, else from the rows."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine
from sqlmodel import Session

from indexer.index.engines import OnDevice, host_of
from indexer.index.port import Index
from indexer.index.snapshot import load_snapshot
from registry.index.rows import ROWS_PER_BLOCK, stored_rows
from registry.storage.direct import fetch_one
from registry.storage.models import IndexChange

_NEWEST = f"SELECT max(seq) FROM {IndexChange.__tablename__}"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loading:
    """What was loaded into one index or several."""

    position: int  # number of the last change that all of them have applied
    position_on_disk: int  # the same of their snapshots; 0 when rows were read that no snapshot holds yet


def load_indexes(engine: Engine, indexes: Mapping[str, Index], *, is_ours: bool = True) -> Loading:
    """Fill the indexes; the positions returned are those of the index that is furthest behind.

    `is_ours`: no other process writes their files, so that this one may.

    Rows read from the database are newer than a snapshot beside them. So an index may hold some of the
    changes after `position` already, and applying those once more must change nothing.
    """
    # Everything is read at one moment: changes become visible in the order of their numbers.
    with Session(engine.execution_options(isolation_level="REPEATABLE READ")) as session:
        newest = newest_change(session)
        loadings = [_load(session, index, newest, is_ours) for index in indexes.values()]
    return Loading(
        position=min(loading.position for loading in loadings),
        position_on_disk=min(loading.position_on_disk for loading in loadings),
    )


def newest_change(session: Session) -> int:
    """The number of the newest index change that `session` sees; 0 when there is none."""
    newest: int | None = fetch_one(session, _NEWEST, {})[0]
    return newest or 0


def _load(session: Session, index: Index, newest: int, is_ours: bool) -> Loading:
    host = host_of(index)
    loading = _load_host(session, host or index, newest, is_ours)
    if isinstance(index, OnDevice):
        index.fill()
    return loading


def _load_host(session: Session, index: Index, newest: int, is_ours: bool) -> Loading:
    host = host_of(index)
    loaded = load_snapshot(host, is_ours=is_ours) if host is not None else None
    if loaded is not None and loaded.position > newest:
        # The snapshot is of another history: the database was restored to an earlier moment.
        assert host is not None
        host.adopt([])
        loaded = None
    if loaded is None:
        _read_rows(session, index, None, is_ours)
        return Loading(newest, 0 if len(index) else newest)
    for ids in loaded.missing:
        _read_rows(session, index, ids, is_ours)
    return Loading(loaded.position, 0 if loaded.missing else loaded.position)


def _read_rows(session: Session, index: Index, between: tuple[int, int] | None, is_ours: bool) -> None:
    """Add all rows of active records, or those that are missing between two ids, both included."""
    host = host_of(index)
    known = {int(row_id) for ids, _ in index.blocks() for row_id in ids} if between else set()
    count = 0
    for ids, values in stored_rows(session, index.kind, between):
        is_new = np.array([int(row_id) not in known for row_id in ids], np.bool_)
        count += int(is_new.sum())
        if host is not None and is_ours and len(ids) == ROWS_PER_BLOCK:
            host.seal_rows(ids[is_new], values[is_new])
        else:
            index.add(ids[is_new], values[is_new])
    if count:
        _log.info("%s: %d rows were read from the database", index.kind.name, count)
