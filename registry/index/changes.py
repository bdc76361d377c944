"""The outbox of changes that every index follows: appended with the rows, read in order, applied."""

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
# After `CHANGE` the rows have another kind and value: they enter their new index before they leave the old.
ADD, REMOVE, CHANGE = "add", "remove", "change"


def append_to_outbox(session: Session, operation: str, fingerprint_ids: list[int]) -> None:
    """Record a change for every index, in the transaction of the change itself.

    The caller holds the log's writer lock, so that changes become visible in the order of their numbers.
    Followers are notified by the commit.
    """
    session.flush()
    change = insert(IndexChange).values(operation=operation, fingerprint_ids=fingerprint_ids)
    session.execute(change.returning(func.pg_notify(CHANNEL, "")))


def wake_followers(session: Session) -> None:
    """Notify the followers without a change; the commit sends the notification."""
    session.execute(text(f"NOTIFY {CHANNEL}"))


def apply_step(
    session: Session, indexes: Mapping[str, Index], position: int, *, replay_until: int = 0
) -> int:
    """Apply up to `CHANGES_PER_STEP` changes after `position`; returns the new position.

    Changes up to `replay_until` may be in the indexes already: their rows are replaced, not added twice.
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
            _add_rows(session, indexes, part, replace=replace, moved=operation == CHANGE)
    return (changes[-1].seq or position) if changes else position


def _add_rows(
    session: Session, indexes: Mapping[str, Index], ids: list[int], *, replace: bool, moved: bool
) -> None:
    """Add the rows as the database has them now. `moved`: until now the index of another kind had them."""
    for name, (row_ids, values) in rows_by_id(session, ids, list(indexes)).items():
        if replace:
            indexes[name].remove(row_ids)
        indexes[name].add(row_ids, values)
        if moved:
            for other_name, other_index in indexes.items():
                if other_name != name:
                    other_index.remove(row_ids)


def _runs(changes: list[IndexChange]) -> list[tuple[str, list[int]]]:
    """(operation, fingerprint ids): neighbouring changes of the same operation, merged."""
    runs: list[tuple[str, list[int]]] = []
    for change in changes:
        if runs and runs[-1][0] == change.operation:
            runs[-1][1].extend(change.fingerprint_ids)
        else:
            runs.append((change.operation, list(change.fingerprint_ids)))
    return runs
