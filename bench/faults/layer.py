"""Stands between a program, its disk and its database: counts what it writes, breaks the planned write.

A write is a changing statement, a commit, a blob that is put or deleted, an fsync, a file that is renamed.
Only what the main thread does is counted, so that one number means the same write in every run.
"""

import errno
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import obstore
import psycopg
from obstore.exceptions import GenericError
from sqlalchemy import Engine

SLOW_S = 0.3
CHANGES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)", re.IGNORECASE)
RANDOM_PART = re.compile(r"[0-9a-f]{8,}|\d{2,}")
NO_ROOM = "No space left on device"


class Fault(StrEnum):
    """What becomes of a write."""

    KILL_BEFORE = "killed before"
    KILL_AFTER = "killed after"
    LOST = "lost"
    KEPT = "kept, reported lost"
    TORN = "torn"
    FULL = "out of space"
    SLOW = "slow"


KILLS = (Fault.KILL_BEFORE, Fault.KILL_AFTER)
STORAGE_FAULTS = (Fault.LOST, Fault.KEPT, Fault.TORN, Fault.FULL, Fault.SLOW)


@dataclass(frozen=True)
class Plan:
    """What happens to which write, by its number from 1, or the first one of a name."""

    at: int | str
    fault: Fault


@dataclass(frozen=True)
class Means:
    """How one kind of write fails."""

    lost: Callable[[], None]  # raises what is raised when it is lost
    full: Callable[[], None]  # raises what is raised when there is no room
    torn: Callable[[], None] = lambda: None  # leaves half of it


class Layer:
    """Wraps the calls of this process; idle until it is armed."""

    def __init__(self, engine: Engine) -> None:
        self.seen: list[str] = []  # names of the writes since it was armed
        self._plan: Plan | None = None
        self._armed = False
        self._thread = threading.get_ident()
        self._wrote: set[int] = set()  # identities of connections that wrote since their last commit
        self._wrap_files()
        self._wrap_blobs()
        self._wrap_database(engine)

    def arm(self, plan: Plan | None) -> None:
        """Counts from now on; breaks nothing where there is no plan."""
        self.seen, self._plan, self._armed = [], plan, True

    @property
    def has_waited_in_vain(self) -> bool:
        """Whether there is a plan, and its write has not come."""
        return self._plan is not None

    def disarm(self) -> None:
        """Lets everything through again."""
        self._armed = False

    def _through(self, name: str, real: Callable[[], Any], means: Means) -> Any:
        if not self._armed or threading.get_ident() != self._thread:
            return real()
        name = RANDOM_PART.sub("*", name)
        self.seen.append(name)
        plan = self._plan
        if plan is None or plan.at not in (len(self.seen), name):
            return real()
        self._plan = None
        return _broken(plan.fault, real, means)

    def _wrap_files(self) -> None:
        def wrap(name: str, describe: Callable[..., str], torn: Callable[..., None]) -> None:
            real = getattr(os, name)

            def call(*args: Any, **more: Any) -> Any:
                means = Means(_io_error, _no_room, lambda: torn(*args))
                return self._through(describe(*args), lambda: real(*args, **more), means)

            setattr(os, name, call)

        wrap("fsync", lambda descriptor: f"fsync {_file_of(descriptor)}", _halve)
        for name in ("rename", "replace", "link"):
            wrap(name, lambda source, target, name=name: f"{name} to {Path(target).name}", lambda *_: None)

    def _wrap_blobs(self) -> None:
        put, delete = obstore.put, obstore.delete

        def put_through(store: Any, key: str, content: Any, **more: Any) -> Any:
            half = bytes(content)[: len(content) // 2]
            means = Means(_blob_error, _no_room_for_blob, lambda: put(store, key, half) and None)
            return self._through(f"put {_suffix(key)}", lambda: put(store, key, content, **more), means)

        def delete_through(store: Any, key: str) -> Any:
            means = Means(_blob_error, _blob_error)
            return self._through(f"delete {_suffix(key)}", lambda: delete(store, key), means)

        obstore.put, obstore.delete = put_through, delete_through  # type: ignore[assignment]

    def _wrap_database(self, engine: Engine) -> None:
        dialect: Any = engine.dialect
        execute, execute_many, commit = dialect.do_execute, dialect.do_executemany, dialect.do_commit

        def statement_through(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(cursor: Any, statement: str, *rest: Any) -> Any:
                change = CHANGES.match(statement)
                if change is None:
                    return real(cursor, statement, *rest)
                name = f"{change[1].split()[0].upper()} {change[2]}"
                self._wrote.add(id(cursor.connection))
                return self._through(
                    name, lambda: real(cursor, statement, *rest), _of_database(cursor.connection)
                )

            return call

        def commit_through(connection: Any) -> Any:
            raw = getattr(connection, "driver_connection", connection)
            if id(raw) not in self._wrote:  # a transaction that only read
                return commit(connection)
            self._wrote.discard(id(raw))
            return self._through("commit", lambda: commit(connection), _of_database(raw))

        dialect.do_execute = statement_through(execute)
        dialect.do_executemany = statement_through(execute_many)
        dialect.do_commit = commit_through


def _broken(fault: Fault, real: Callable[[], Any], means: Means) -> Any:
    if fault is Fault.SLOW:
        time.sleep(SLOW_S)
        return real()
    if fault in (Fault.KILL_AFTER, Fault.KEPT):
        real()
    if fault in KILLS:
        os.kill(os.getpid(), signal.SIGKILL)
    if fault is Fault.TORN:
        means.torn()
    if fault is Fault.FULL:
        means.full()
    means.lost()
    raise AssertionError("a fault that raises nothing")


def _io_error() -> None:
    raise OSError(errno.EIO, "Input/output error")


def _no_room() -> None:
    raise OSError(errno.ENOSPC, NO_ROOM)


def _blob_error() -> None:
    raise GenericError("Generic LocalFileSystem error: Input/output error (os error 5)")


def _no_room_for_blob() -> None:
    raise GenericError(f"Generic LocalFileSystem error: {NO_ROOM} (os error 28)")


def _of_database(connection: Any) -> Means:
    def cut() -> None:
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    def full() -> None:
        raise psycopg.errors.DiskFull(f"could not extend file: {NO_ROOM}")

    def torn() -> None:
        """The server's side dies in the middle of the transaction."""
        with suppress(psycopg.Error), psycopg.connect(connection.info.dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))

    return Means(cut, full, torn)


def _file_of(descriptor: int) -> str:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}")).name


def _halve(descriptor: int) -> None:
    with suppress(OSError):  # a folder
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)


def _suffix(key: str) -> str:
    return "." + Path(key).name.partition(".")[2]
