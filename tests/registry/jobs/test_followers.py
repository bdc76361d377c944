"""Whoever waits for a job holds no worker thread, is counted, and is forgotten once it is gone."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from anyio.to_thread import current_default_thread_limiter
from sqlmodel import Session, select

from registry.app import create_app
from registry.storage.models import Job
from sdk.models import Job as WireJob
from tests.videos import original
from tests.world import DatabaseServer, Party, World

WORKER_THREADS = 40  # of Starlette
NAMES = ("coffee", "cat")
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def world(database_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A registry that works on no job, and on two uploads at a time."""
    home = tmp_path_factory.mktemp("followed")
    with World(
        database_server, home, video_workers=0, uploads=2, followers_per_key=WORKER_THREADS + 5
    ) as made:
        yield made


@pytest.fixture
def desk(world: World) -> Party:
    return world.enrol(f"Desk {next(NUMBERS)}")


def queued_job(desk: Party) -> WireJob:
    job = desk.client.start_match(original(*NAMES))
    assert isinstance(job, WireJob)
    return job


def client_of(world: World, desk: Party) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {desk.api_key.secret}"}
    limits = httpx2.Limits(max_connections=100)
    return httpx2.Client(base_url=world.url, headers=headers, timeout=20, limits=limits)


def test_more_followers_than_worker_threads_keep_nobody_waiting(world: World, desk: Party) -> None:
    job = queued_job(desk)
    with client_of(world, desk) as http, ExitStack() as streams:
        for _ in range(WORKER_THREADS + 5):
            response = streams.enter_context(http.stream("GET", job.events))
            assert response.status_code == 200
        assert http.get(f"/v1/jobs/{job.id}").json()["status"] == "queued"
        one_more = http.get(job.events)
        assert (one_more.status_code, one_more.json()["code"]) == (429, "too_many_requests")
        assert int(one_more.headers["retry-after"]) > 0
        streams.close()  # whoever hangs up makes room
        assert any(soon_admitted(http, job))


def soon_admitted(http: httpx2.Client, job: WireJob) -> Iterator[bool]:
    for _ in range(200):
        with http.stream("GET", job.events) as response:
            yield response.status_code == 200
        time.sleep(0.05)


def test_requests_that_wait_for_their_videos_hold_no_worker_thread_and_no_turn(
    world: World, desk: Party
) -> None:
    files = {"media": ("clip.mp4", original(*NAMES))}

    async def answered_first() -> bool:
        current_default_thread_limiter().total_tokens = 2
        transport = httpx2.ASGITransport(create_app(world.services))
        headers = {"Authorization": f"Bearer {desk.api_key.secret}", "Prefer": "wait=9"}
        async with httpx2.AsyncClient(
            base_url="http://localhost", transport=transport, headers=headers, timeout=60
        ) as http:
            waiting = [asyncio.create_task(http.post("/v1/match", files=files)) for _ in range(3)]
            while not await asyncio.to_thread(all_accepted):
                await asyncio.sleep(0.05)
            assert (await http.get("/v1/log")).status_code == 200
            none_is_done = not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()
        return none_is_done

    def all_accepted() -> bool:
        with Session(world.engine) as session:
            mine = select(Job).where(Job.api_key_id == desk.api_key.id)
            return len(session.exec(mine).all()) == 3

    assert asyncio.run(answered_first())


def test_a_stop_waits_for_no_follower(database_server: DatabaseServer, home: Path) -> None:
    world = World(database_server, home, video_workers=0)
    world.start()
    desk = world.enrol("Daily Example")
    job = queued_job(desk)
    with client_of(world, desk) as http, http.stream("GET", job.events) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("event:")
        world.stop()  # would never return
        assert list(lines)[-1] in ("", ": ping")
    world.engine.dispose()
