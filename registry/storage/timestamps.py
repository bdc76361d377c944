"""Reads points in time that Python has no word for: infinity, and years beyond 1 to 9999.

Whoever changes a row to such a time must not be able to keep everybody from reading it: an audit has to
come to the row, and say that it is not what its digest covers.
"""

from datetime import UTC, datetime

from psycopg import Connection, DataError
from psycopg.abc import Buffer
from psycopg.types.datetime import TimestamptzLoader

LATEST, EARLIEST = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)


def read_every_time(connection: Connection) -> None:
    """From now on a time too late or too early for Python is read as the last or first that it has."""
    connection.adapters.register_loader("timestamptz", _BoundedLoader)


class _BoundedLoader(TimestamptzLoader):
    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except DataError:
            told = bytes(data)
            return EARLIEST if told.startswith(b"-") or told.endswith(b"BC") else LATEST
