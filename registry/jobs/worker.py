"""Takes jobs from the queue in a thread, and puts back those of workers that died."""

import asyncio
import logging
import threading
from contextlib import suppress

import procrastinate
import psycopg
from procrastinate import exceptions
from procrastinate import jobs as procrastinate_jobs
from sqlalchemy.exc import SQLAlchemyError

from registry.errors import NotCosigned, RegistryError
from registry.jobs import lifecycle as jobs
from registry.jobs import webhooks
from registry.jobs.retention import Retention
from registry.media.decoding import VIDEOS_OF_THE_PAGE_AT_A_TIME
from registry.services import Services
from registry.storage.db import conninfo

HEARTBEAT_S = 5.0
DEAD_AFTER_S = 20.0
POLL_S = 5.0
STOPPING_SEEN_WITHIN_S = 0.1  # while the queue is not at hand
STOP_AFTER_S = 2.0  # a job that is still running then is begun again by the next process
ENDED_WITHIN_S = 3.5  # the thread, also in the middle of a comparison or of a webhook's delivery
RETRY_AFTER_S = 2  # for ever: `jobs.run` counts the times that a file ended its worker
RETRY_WHEN_MENDED_S = 30  # what only the operator mends; a job may read its whole video before it finds out
WEBHOOK_ATTEMPTS = 6
WEBHOOKS_AT_A_TIME = 8  # they wait for strangers' servers, and hold no thread meanwhile
CONNECTIONS = 8  # each queue listens on one
_log = logging.getLogger(__name__)


class RetryJobs(procrastinate.BaseRetryStrategy):
    """When a job that was given back is begun again."""

    def get_retry_decision(
        self, *, exception: BaseException, job: procrastinate_jobs.Job
    ) -> procrastinate.RetryDecision:
        """Soon; later where nothing but the operator helps."""
        mended = isinstance(exception, jobs.FOR_THE_OPERATOR) and not isinstance(exception, NotCosigned)
        return procrastinate.RetryDecision(
            retry_in={"seconds": RETRY_WHEN_MENDED_S if mended else RETRY_AFTER_S}
        )


class JobWorker:
    """Works on the jobs of the queue; runs beside other workers on the same database."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._retention = Retention(services)
        self._at_a_time = {
            jobs.VIDEOS: services.settings.video_workers,
            jobs.VIDEOS_OF_THE_PAGE: VIDEOS_OF_THE_PAGE_AT_A_TIME,
            jobs.WEBHOOKS: WEBHOOKS_AT_A_TIME,
        }
        self._started, self._stopping = threading.Event(), threading.Event()
        self._in_hand: set[str] = set()  # jobs that are run now
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Starts the thread; returns once it runs."""
        jobs.sweep_finished(self._services)
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Stops the thread; the job in hand is left to the next worker."""
        self._stopping.set()
        loop = self._loop
        with suppress(RuntimeError):  # it is over already
            if loop is not None:
                loop.call_soon_threadsafe(self._cancel)
        self._thread.join(ENDED_WITHIN_S)
        for job_id in list(self._in_hand):  # in the middle of something that cannot be interrupted
            with suppress(SQLAlchemyError):
                jobs.give_back(self._services, job_id)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started.set()
        with suppress(asyncio.CancelledError):
            while not self._stopping.is_set():
                try:
                    await self._serve()
                except* (exceptions.ProcrastinateException, psycopg.Error, OSError) as errors:
                    # The database is away: jobs wait in it until it is back.
                    _log.warning("the queue is not at hand: %s", errors.exceptions[0])
                await self._pause()

    async def _pause(self) -> None:
        deadline = asyncio.get_running_loop().time() + POLL_S
        while not self._stopping.is_set() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(STOPPING_SEEN_WITHIN_S)

    async def _serve(self) -> None:
        app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=conninfo(self._services.engine), min_size=1, max_size=CONNECTIONS
            )
        )
        self._add_tasks(app)
        async with app.open_async():
            # The task can be cancelled only from here on: a pool whose opening is cancelled never ends.
            self._task = asyncio.current_task()
            try:
                if not self._stopping.is_set():
                    # A group waits for all, however it ends: a job that is being stopped has yet to be put
                    # back into the queue, and cannot be once `app` is closed.
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._recover(app))
                        for queue, at_a_time in self._at_a_time.items():
                            group.create_task(self._work(app, queue, at_a_time))
            finally:
                self._task = None

    def _add_tasks(self, app: procrastinate.App) -> None:
        @app.task(name=jobs.RUN_JOB, retry=RetryJobs())
        def run_job(job_id: str) -> None:
            self._in_hand.add(job_id)
            try:
                jobs.run(self._services, job_id, self._stopping)
            finally:
                self._in_hand.discard(job_id)

        @app.task(
            name=jobs.DELIVER_WEBHOOK,
            retry=procrastinate.RetryStrategy(max_attempts=WEBHOOK_ATTEMPTS, exponential_wait=5),
        )
        async def deliver_webhook(job_id: str) -> None:
            await webhooks.deliver(self._services, job_id)

    async def _work(self, app: procrastinate.App, queue: str, at_a_time: int) -> None:
        await app.run_worker_async(
            queues=[queue],
            name=queue,
            concurrency=at_a_time,
            install_signal_handlers=False,
            update_heartbeat_interval=HEARTBEAT_S,
            stalled_worker_timeout=DEAD_AFTER_S,
            shutdown_graceful_timeout=STOP_AFTER_S,
            fetch_job_polling_interval=POLL_S,
            delete_jobs="successful",
        )

    async def _recover(self, app: procrastinate.App) -> None:
        """Puts jobs of dead workers back into the queue and forgets what is old, again and again."""
        while True:
            try:
                for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER_S):
                    _log.warning("job %s was left by a worker that died; it is begun again", job.id)
                    await app.job_manager.retry_job(job)
                await asyncio.to_thread(jobs.sweep_finished, self._services)
                await asyncio.to_thread(self._retention.look)
            except (exceptions.ProcrastinateException, SQLAlchemyError, RegistryError) as error:
                _log.warning("the queue cannot be looked at: %s", error)
            await asyncio.sleep(POLL_S)
