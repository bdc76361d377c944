"""The thread that lets an index catch up as soon as the database tells of a change."""

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

# Every search catches up by itself: this is how soon a node knows that nobody asks.
GATHERED_FOR_S = 0.03


class Follower:
    """Calls `catch_up` whenever something changed, and now and then in case it was not told."""

    def __init__(self, engine: Engine, catch_up: Callable[[Session], None], poll_interval_s: float) -> None:
        self._engine = engine
        self._catch_up = catch_up
        self._poll_interval_s = poll_interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-follower", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """At once."""
        self._stopping.set()
        with suppress(SQLAlchemyError), transaction(self._engine) as session:
            wake_followers(session)
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # The database or the engine of the index is away: freshness says for how long.
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
                    # A change of this node is applied by whoever made it; of others, a few at once.
                    self._stopping.wait(GATHERED_FOR_S)
