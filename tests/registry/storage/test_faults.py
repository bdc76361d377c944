"""Each way in which database and disk fail has a code of its own, and a time after which to try again."""

import errno

import psycopg
import pytest
from obstore.exceptions import GenericError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from registry.errors import StorageAway
from registry.storage.faults import fault_of

FAILURES: list[tuple[Exception, str]] = [
    (psycopg.errors.DiskFull("could not extend file"), "disk_full"),
    (psycopg.errors.IoError("could not write: No space left on device"), "disk_full"),
    (psycopg.errors.TooManyConnections("sorry"), "out_of_connections"),
    (psycopg.OperationalError("FATAL:  sorry, too many clients already"), "out_of_connections"),
    (psycopg.OperationalError("connection refused"), "database_unavailable"),
    (psycopg.errors.AdminShutdown("terminating connection"), "database_unavailable"),
    (psycopg.errors.CannotConnectNow("the database system is starting up"), "database_unavailable"),
    (psycopg.errors.ConnectionTimeout("connection timeout expired"), "database_frozen"),
    (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), "database_frozen"),
]


@pytest.mark.parametrize(("failure", "code"), FAILURES, ids=str)
def test_what_the_database_says_is_told_apart(failure: Exception, code: str) -> None:
    for error in (failure, OperationalError("SELECT 1", {}, failure)):
        fault = fault_of(error)
        assert isinstance(fault, StorageAway)
        assert (fault.code, fault.status) == (code, 503)
        assert fault.retry_after_s


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        GenericError("Generic LocalFileSystem error: No space left on device (os error 28)"),
    ],
    ids=str,
)
def test_a_full_disk_is_known_by_number_or_by_words(error: Exception) -> None:
    fault = fault_of(error)
    assert fault is not None
    assert fault.code == "disk_full"


def test_a_pool_without_a_free_connection_is_out_of_connections_and_other_errors_are_none() -> None:
    exhausted = fault_of(PoolTimeout("QueuePool limit reached"))
    assert exhausted is not None
    assert exhausted.code == "out_of_connections"
    assert fault_of(ValueError("anything")) is None
    assert fault_of(psycopg.errors.UniqueViolation("twice")) is None
