"""Sees to it that the pool lends living connections, mostly without asking the database.

A server that goes away closes its end, and a closed socket can be read from: looking costs a microsecond,
where a question costs a way to the database and back for every connection that is lent. A link that was cut
says nothing, so a connection that lay idle for long is asked, and so is one that says something.
"""

import select
from time import monotonic
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

LONG_IDLE_S = 5.0
_RETURNED_AT = "returned_at"


def lend_living_connections(engine: Engine) -> None:
    """From now on a dead connection is replaced before it is lent, and all that were opened before it."""

    def require_living(connection: Any, record: Any, _: object) -> None:
        returned_at = record.info.get(_RETURNED_AT)
        if returned_at is None:
            return  # it was opened this moment
        if monotonic() - returned_at < LONG_IDLE_S and not _has_input(connection):
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise InvalidatePoolError(str(error)) from error

    event.listen(engine, "checkout", require_living)
    event.listen(engine, "checkin", _note_return)


def _note_return(connection: object, record: Any) -> None:
    if connection is not None:  # else it was found dead
        record.info[_RETURNED_AT] = monotonic()


def _has_input(connection: "psycopg.Connection[Any]") -> bool:
    """Whether the server said something unasked, or closed its end. True of a connection closed here."""
    if connection.closed:
        return True
    looking = select.poll()
    looking.register(connection.pgconn.socket, select.POLLIN)
    return bool(looking.poll(0))
