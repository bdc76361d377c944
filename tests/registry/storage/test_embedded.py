"""The embedded PostgreSQL outlives what happens to it, and what hangs is told apart from what is gone."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from registry.errors import DatabaseFrozen, DatabaseUnavailable
from registry.storage import watch
from registry.storage.db import connect
from registry.storage.embedded import EmbeddedDatabase
from registry.storage.watch import DatabaseWatch
from tests.waiting import soon


@pytest.fixture
def database(home: Path) -> Iterator[EmbeddedDatabase]:
    made = EmbeddedDatabase(home / "pg")
    yield made
    made.stop()


@pytest.fixture
def engine(database: EmbeddedDatabase) -> Iterator[Engine]:
    made = connect(database.url)
    yield made
    made.dispose()


def processes_of(home: Path) -> list[psutil.Process]:
    """The server first, then its children."""
    pid = int((home / "pg" / "postmaster.pid").read_text().splitlines()[0])
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


def answers(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            return bool(connection.scalar(text("SELECT 1")))
    except OperationalError:
        return False


def test_a_killed_server_is_started_again_and_has_what_was_committed(home: Path, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept AS SELECT 7 AS number"))
    server, *_ = processes_of(home)
    server.kill()
    assert soon(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
    assert soon(lambda: answers(engine))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT number FROM kept")) == 7


def test_a_server_that_hangs_lets_go_whoever_waits_for_it(
    home: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ASK_EVERY_S", 0.1)
    monkeypatch.setattr(watch, "ANSWERED_WITHIN_S", 1.0)
    assert answers(engine)  # on a connection that was opened before anybody watched
    watched = DatabaseWatch(engine)
    watched.start()
    hanging = processes_of(home)
    for process in hanging:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        assert not answers(engine)  # would never return
        assert isinstance(watched.fault, DatabaseFrozen)
    finally:
        for process in hanging:
            os.kill(process.pid, signal.SIGCONT)
    assert soon(lambda: watched.fault is None)
    assert answers(engine)
    watched.stop()


def test_a_database_that_is_gone_is_said_to_be_gone(
    database: EmbeddedDatabase, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ASK_EVERY_S", 0.1)
    watched = DatabaseWatch(engine)
    watched.start()
    database.stop()
    assert soon(lambda: isinstance(watched.fault, DatabaseUnavailable))
    watched.stop()
