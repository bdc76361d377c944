"""Waits for jobs on behalf of all who follow them: one look at the database for all, a thread for none.

A follower is a coroutine of the event loop that serves requests. This module knows jobs and their rows; it
must not know HTTP.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import defer
from sqlmodel import col, select

from registry.errors import Overloaded, TooManyRequests
from registry.jobs.lifecycle import as_wire
from registry.services import Services
from registry.storage.db import transaction
from registry.storage.models import Job as JobRow
from sdk.models import Job

LOOK_EVERY_S = 0.1
_log = logging.getLogger(__name__)


class JobFollowers:
    """The followers of one application. Used by its event loop only, but for `close`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._counts: Counter[str] = Counter()  # followers by job
        self._by_caller: Counter[str] = Counter()
        self._latest: dict[str, Job | None] = {}  # by job; None: it is gone
        self._news: asyncio.Future[None] | None = None  # done when the rows have been looked at
        self._poller: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "followers")
        self._closed = False

    @contextmanager
    def admitted(self, caller: str) -> Iterator[None]:
        """Counts a follower while it follows. Raises TooManyRequests or Overloaded."""
        settings = self._services.settings
        if self._by_caller[caller] >= settings.followers_per_key:
            raise TooManyRequests(f"one key follows {settings.followers_per_key} jobs at a time")
        if self._by_caller.total() >= settings.followers:
            raise Overloaded("too many jobs are followed")
        self._by_caller[caller] += 1
        try:
            yield
        finally:
            self._by_caller -= Counter({caller: 1})

    async def follow(self, job_id: str, seconds: float) -> AsyncGenerator[Job, None]:
        """Yields the state of a job whenever it differs, until it is finished or gone, or the time over."""
        deadline = asyncio.get_running_loop().time() + seconds
        last: Job | None = None
        self._counts[job_id] += 1
        try:
            while not self._closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(deadline):
                        await self._next_look()
                job = self._latest.get(job_id, last)
                if job is not None and job != last:
                    yield job
                last = job
                gone = job_id in self._latest and job is None
                over = asyncio.get_running_loop().time() >= deadline
                if gone or over or (job is not None and job.finished_at):
                    return
        finally:
            self._counts -= Counter({job_id: 1})
            if job_id not in self._counts:
                self._latest.pop(job_id, None)

    async def wait_for(self, job_id: str, caller: str, seconds: float) -> None:
        """Waits until a job is finished or the time is over; not at all where too many wait already."""
        if seconds <= 0:
            return
        with suppress(TooManyRequests, Overloaded), self.admitted(caller):
            async for _ in self.follow(job_id, seconds):
                pass

    def close(self) -> None:
        """Ends all followers at the next look; they may ask again. May be called from any thread."""
        self._closed = True

    async def _next_look(self) -> None:
        loop = asyncio.get_running_loop()
        if self._news is None or self._news.get_loop() is not loop:
            self._news = loop.create_future()
        if self._poller is None or self._poller.done() or self._poller.get_loop() is not loop:
            self._poller = loop.create_task(self._poll())
        await asyncio.shield(self._news)

    async def _poll(self) -> None:
        """Looks as long as somebody follows."""
        loop = asyncio.get_running_loop()
        while self._counts:
            try:
                looked = await loop.run_in_executor(self._thread, self._look, tuple(self._counts))
            except SQLAlchemyError as error:  # no news until it is back
                _log.warning("jobs cannot be looked at: %s", error)
                looked = {}
            self._latest.update({name: job for name, job in looked.items() if name in self._counts})
            news, self._news = self._news, None
            if news is not None and not news.done():
                news.set_result(None)
            await asyncio.sleep(LOOK_EVERY_S)

    def _look(self, job_ids: Sequence[str]) -> dict[str, Job | None]:
        found: dict[str, Job | None] = dict.fromkeys(job_ids)
        # An answer may be large, and is not what followers are told.
        without = defer(col(JobRow.result)), defer(col(JobRow.statement))  # type: ignore[arg-type]
        wanted = select(JobRow).where(col(JobRow.id).in_(job_ids)).options(*without)
        with transaction(self._services.engine) as session:
            found.update((row.id, as_wire(row)) for row in session.exec(wanted))
        return found
