"""Fill empty indexes when a process starts: from files where they can be trusted, else from the rows."""

import logging
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine
from sqlmodel import Session

from indexer.index.engines import OnDevice, host_of
from indexer.index.port import Index
from indexer.index.snapshot import load_snapshot
from registry.index.rows import ROWS_PER_BLOCK, stored_rows
from registry.storage.models import IndexChange

_NEWEST = f"SELECT max(seq) FROM {IndexChange.__tablename__}"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loading:
    """How far an index has come, and what of it is on disk."""

    position: int
    position_on_disk: int


def load_indexes(engine: Engine, indexes: dict[str, Index]) -> Loading:
    """Fill them; tells of the one that is least far.

    Rows that are read again are of a later moment than the files beside them: changes up to the newest may
    be applied once more, and must then change nothing.
    """
    # One moment for everything that is read: changes become visible in the order of their numbers.
    with Session(engine.execution_options(isolation_level="REPEATABLE READ")) as session:
        newest = newest_change(session)
        loadings = [_load(session, index, newest) for index in indexes.values()]
    return Loading(min(one.position for one in loadings), min(one.position_on_disk for one in loadings))


def newest_change(session: Session) -> int:
    """The number of the newest index change that is visible; 0: none."""
    # Asked twice by every request: as a text it costs half of what it costs as an expression.
    return session.connection().exec_driver_sql(_NEWEST).scalar() or 0


def _load(session: Session, index: Index, newest: int) -> Loading:
    host = host_of(index)
    loading = _load_host(session, host or index, newest)
    if isinstance(index, OnDevice):
        index.fill()
    return loading


def _load_host(session: Session, index: Index, newest: int) -> Loading:
    host = host_of(index)
    loaded = load_snapshot(host) if host is not None else None
    if loaded is not None and loaded.position > newest:
        # Of another history: the database was put back to an earlier moment.
        assert host is not None
        host.adopt([])
        loaded = None
    if loaded is None:
        _read_rows(session, index, None)
        return Loading(newest, 0 if len(index) else newest)
    for ids in loaded.missing:
        _read_rows(session, index, ids)
    return Loading(loaded.position, 0 if loaded.missing else loaded.position)


def _read_rows(session: Session, index: Index, between: tuple[int, int] | None) -> None:
    host = host_of(index)
    known = {int(one) for ids, _ in index.blocks() for one in ids} if between else set()
    count = 0
    for ids, values in stored_rows(session, index.kind, between):
        fresh = np.array([int(one) not in known for one in ids], np.bool_)
        count += int(fresh.sum())
        if host is not None and len(ids) == ROWS_PER_BLOCK:
            host.seal_rows(ids[fresh], values[fresh])
        else:
            index.add(ids[fresh], values[fresh])
    if count:
        _log.info("%s: %d rows were read from the database", index.kind.name, count)
