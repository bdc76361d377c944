"""The changes that every index follows: told, read in order, applied."""

from collections.abc import Mapping

import numpy as np
from sqlalchemy import func, insert, text
from sqlmodel import Session, col, select

from indexer.index.port import Index
from registry.index.rows import rows_by_id
from registry.storage.models import IndexChange

CHANGES_PER_STEP = 5_000
ROWS_PER_QUERY = 20_000
CHANNEL = "trueprint_index"
# `CHANGE`: the rows have another kind and value now; the new index has them before the old one lets go.
ADD, REMOVE, CHANGE = "add", "remove", "change"


def append_to_outbox(session: Session, operation: str, fingerprint_ids: list[int]) -> None:
    """Tell every index of a change, in the transaction of the change, under the log's writer lock."""
    session.flush()
    told = insert(IndexChange).values(operation=operation, fingerprint_ids=fingerprint_ids)
    session.execute(told.returning(func.pg_notify(CHANNEL, "")))  # sent by the commit


def wake_followers(session: Session) -> None:
    """Without a change; sent by the commit."""
    session.execute(text(f"NOTIFY {CHANNEL}"))


def apply_step(
    session: Session, indexes: Mapping[str, Index], position: int, *, replay_until: int = 0
) -> int:
    """Apply the changes after `position`, or the first of them; the last one that is applied now.

    Changes up to `replay_until` may be in the indexes already.
    """
    later = select(IndexChange).where(col(IndexChange.seq) > position).order_by(col(IndexChange.seq))
    changes = list(session.exec(later.limit(CHANGES_PER_STEP)))
    for operation, ids in _runs(changes):
        if operation == REMOVE:
            for index in indexes.values():
                index.remove(np.array(ids, np.int64))
            continue
        replace = operation == CHANGE or position < replay_until
        for start in range(0, len(ids), ROWS_PER_QUERY):
            part = ids[start : start + ROWS_PER_QUERY]
            _add(session, indexes, part, replace=replace, elsewhere=operation == CHANGE)
    return (changes[-1].seq or position) if changes else position


def _add(
    session: Session, indexes: Mapping[str, Index], ids: list[int], *, replace: bool, elsewhere: bool
) -> None:
    """Rows as they are now; `elsewhere`: other kinds had them until now."""
    for name, (rows, values) in rows_by_id(session, ids, list(indexes)).items():
        if replace:
            indexes[name].remove(rows)
        indexes[name].add(rows, values)
        if elsewhere:
            for other, one in indexes.items():
                if other != name:
                    one.remove(rows)


def _runs(changes: list[IndexChange]) -> list[tuple[str, list[int]]]:
    """Neighbouring changes of one operation, joined."""
    runs: list[tuple[str, list[int]]] = []
    for change in changes:
        if runs and runs[-1][0] == change.operation:
            runs[-1][1].extend(change.fingerprint_ids)
        else:
            runs.append((change.operation, list(change.fingerprint_ids)))
    return runs
