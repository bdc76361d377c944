"""The thread that lets an index catch up as soon as the database notifies it of a change."""

import threading
from collections.abc import Callable
from contextlib import suppress

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from indexer.index.port import EngineUnavailable
from registry.errors import RegistryError
from registry.index.changes import CHANNEL, wake_followers
from registry.storage.db import conninfo, transaction

# Changes that arrive within this time are applied together. No search waits for it: a search catches up
# by itself.
GATHER_S = 0.03
ENDED_WITHIN_S = 2.0


class Follower:
    """Calls `catch_up` after every change, and every `poll_interval_s` in case a notification was lost."""

    def __init__(self, engine: Engine, catch_up: Callable[[Session], None], poll_interval_s: float) -> None:
        self._engine = engine
        self._catch_up = catch_up
        self._poll_interval_s = poll_interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-follower", daemon=True)

    def start(self) -> None:
        """Start following."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following; returns when the thread has ended, or hangs with the database."""
        self._stopping.set()
        with suppress(SQLAlchemyError), transaction(self._engine) as session:
            wake_followers(session)
        self._thread.join(ENDED_WITHIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            # While the database or the index's engine is unreachable, the age of the index rises.
            with suppress(SQLAlchemyError, psycopg.Error, RegistryError, EngineUnavailable):
                self._listen()
            self._stopping.wait(self._poll_interval_s)

    def _listen(self) -> None:
        with psycopg.connect(conninfo(self._engine), autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            while not self._stopping.is_set():
                with transaction(self._engine) as session:
                    self._catch_up(session)
                for _ in connection.notifies(timeout=self._poll_interval_s, stop_after=1):
                    # The request that made a change on this node has applied it already; those of other
                    # nodes are gathered.
                    self._stopping.wait(GATHER_S)
