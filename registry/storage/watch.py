"""Asks the database every second, on a connection of its own, whether it answers.

A database that hangs would hold every thread that asks it for ever, because libpq waits for an answer
without end. After a while the sockets of the pool's connections are shut, and whoever waited is told.
"""

import logging
import os
import select
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from registry.errors import DatabaseFrozen, RegistryError
from registry.storage.db import conninfo
from registry.storage.faults import fault_of

ASK_EVERY_S = 1.0
ANSWERED_WITHIN_S = 5.0  # a busy machine takes its time
_log = logging.getLogger(__name__)


class DatabaseWatch:
    """What is wrong with one database, as of a second ago."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._fault: RegistryError | None = None  # set by the thread, read by everybody
        self._own: psycopg.Connection | None = None
        self._others: dict[int, Any] = {}  # connections of the pool, by identity
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database-watch", daemon=True)

    def start(self) -> None:
        """Starts asking."""
        event.listen(self._engine, "connect", self._opened)
        event.listen(self._engine, "close", self._closed)
        self._engine.dispose()  # connections from before are not known here: the pool opens others
        self._thread.start()

    def stop(self) -> None:
        """Stops asking."""
        self._stopping.set()
        self._thread.join(ANSWERED_WITHIN_S)
        event.remove(self._engine, "connect", self._opened)
        event.remove(self._engine, "close", self._closed)

    @property
    def fault(self) -> RegistryError | None:
        """A new error that says what is wrong; None: it answers."""
        fault = self._fault
        return type(fault)(str(fault)) if fault is not None else None

    def _opened(self, connection: Any, _: object) -> None:
        with self._lock:
            self._others[id(connection)] = connection

    def _closed(self, connection: Any, _: object) -> None:
        with self._lock:
            self._others.pop(id(connection), None)

    def _run(self) -> None:
        while not self._stopping.wait(ASK_EVERY_S):
            before, self._fault = self._fault, self._ask()
            if self._fault is None:
                continue
            if before is None or type(before) is not type(self._fault):
                _log.error("%s: %s", self._fault.title, self._fault)
            if isinstance(self._fault, DatabaseFrozen):
                self._let_go()
        self._close()

    def _ask(self) -> RegistryError | None:
        try:
            if self._own is None:
                timeout = max(2, round(ANSWERED_WITHIN_S))
                self._own = psycopg.connect(
                    conninfo(self._engine), connect_timeout=timeout, autocommit=True
                )
            _require_answer(self._own)
        except psycopg.Error as error:
            self._close()
            return fault_of(error)
        except DatabaseFrozen as fault:
            self._close()
            return fault
        return None

    def _close(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            with suppress(psycopg.Error):
                own.close()

    def _let_go(self) -> None:
        """Shuts the sockets of the pool: whoever waits for an answer on one fails at once."""
        with self._lock:
            others = list(self._others.values())
        for connection in others:
            with (
                suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(connection.fileno())) as shut,
            ):
                shut.shutdown(socket.SHUT_RDWR)


def _require_answer(connection: "psycopg.Connection[Any]") -> None:
    """Raises DatabaseFrozen, or OperationalError where the connection is lost."""
    libpq = connection.pgconn
    libpq.send_query(b"SELECT 1")
    deadline = monotonic() + ANSWERED_WITHIN_S
    while True:
        while not libpq.is_busy():
            if libpq.get_result() is None:
                return
        ready, _, _ = select.select([libpq.socket], [], [], max(0.0, deadline - monotonic()))
        if not ready:
            raise DatabaseFrozen(f"no answer within {ANSWERED_WITHIN_S:g} seconds")
        libpq.consume_input()
