"""Says in the registry's own errors what is wrong with database or disk: by SQLSTATE, number or words."""

import errno

import psycopg
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from registry.errors import (
    DatabaseFrozen,
    DatabaseUnavailable,
    DiskFull,
    InvalidRequest,
    OutOfConnections,
    RegistryError,
)

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NO_ROOM_IN_WORDS = ("No space left on device", "Disk quota exceeded")
BY_SQLSTATE: dict[str, type[RegistryError]] = {
    "53100": DiskFull,
    "53300": OutOfConnections,
    "55P03": DatabaseFrozen,  # a lock was not to be had in LOCK_TIMEOUT
    "57014": DatabaseFrozen,  # a statement was given up
}
TOO_MANY_CLIENTS = ("too many clients", "remaining connection slots", "too many connections")


def fault_of(error: BaseException) -> RegistryError | None:
    """What database or disk suffer from, by an error of their libraries; None: nothing of that kind."""
    if isinstance(error, DataError):  # a NUL in a path, say: PostgreSQL has no way to store it
        return InvalidRequest("a value cannot be looked up or stored")
    if isinstance(error, PoolTimeout):
        return OutOfConnections("all connections of this process are in use")
    if isinstance(error, DBAPIError):
        return fault_of_database(error.orig) if error.orig is not None else None
    if isinstance(error, psycopg.Error):
        return fault_of_database(error)
    full = isinstance(error, OSError) and error.errno in NO_ROOM
    if full or any(words in str(error) for words in NO_ROOM_IN_WORDS):  # obstore says it in words only
        return DiskFull("there is no room for what was to be stored")
    return None


def is_unreadable(error: DBAPIError) -> bool:
    """Whether PostgreSQL cannot read what is stored: a value that is none, or JSON nested too deep."""
    return isinstance(error, DataError) or isinstance(error.orig, psycopg.errors.StatementTooComplex)


def fault_of_database(error: BaseException) -> RegistryError | None:
    """The same of psycopg's own errors."""
    known = BY_SQLSTATE.get(getattr(error, "sqlstate", None) or "")
    words = str(error)
    if known is DiskFull or any(no_room in words for no_room in NO_ROOM_IN_WORDS):
        return DiskFull("the database has no room left on its disk")
    if known is OutOfConnections or any(too_many in words for too_many in TOO_MANY_CLIENTS):
        return OutOfConnections("the database takes no more connections")
    if known is DatabaseFrozen or isinstance(error, psycopg.errors.ConnectionTimeout):
        return DatabaseFrozen("the database was waited for in vain")
    if isinstance(error, psycopg.OperationalError):
        return DatabaseUnavailable("it is stopped, starts, or is out of reach")
    return None
