"""What is worked on beside what: videos of keys, videos of the page, webhooks."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from registry.errors import MediaTooLarge
from registry.jobs import lifecycle as jobs
from registry.media.uploads import UploadReader
from registry.storage.models import Job
from registry.storage.models.jobs import DONE, QUEUED, RUNNING
from samples.costly import gif_of_pixels
from sdk.models import Job as WireJob
from sdk.models import MatchAnswer
from tests.videos import original
from tests.world import DatabaseServer, World

WITHIN_S = 60


@pytest.fixture
def idle(database_server: DatabaseServer, home: Path) -> Iterator[World]:
    """One whose videos are worked on by nobody."""
    with World(database_server, home, video_workers=0) as made:
        yield made


def until(world: World, job_id: str, status: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while jobs.read_job(world.services, job_id).status != status:
        assert time.monotonic() < deadline, f"not {status} within {WITHIN_S} seconds"
        time.sleep(0.05)


def asked_on_the_page(world: World, content: bytes) -> str:
    """The id of a video's job."""
    httpx2.post(f"{world.url}/lookup", files={"media": ("clip.mp4", content)}, timeout=60)
    with Session(world.engine) as session:
        return session.exec(select(Job.id).where(Job.api_key_id == None)).one()  # noqa: E711


def queues(world: World) -> set[tuple[str, str]]:
    with world.engine.connect() as connection:
        found = connection.execute(text("SELECT queue_name, task_name FROM procrastinate_jobs"))
        return {(row[0], row[1]) for row in found}


def test_the_videos_of_the_page_and_those_of_keys_wait_apart(idle: World) -> None:
    assert isinstance(idle.operator.start_match(original("coffee")), WireJob)
    asked_on_the_page(idle, original("cat"))
    assert queues(idle) == {("video", "run_job"), ("page", "run_job")}


def test_a_video_of_the_page_does_not_hold_up_one_of_a_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    read = UploadReader.read

    def read_slowly(self: UploadReader, content: bytes, **named: object) -> object:
        if named.get("longest_s") is not None:  # of the page
            go_on.wait(WITHIN_S)
        return read(self, content, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(UploadReader, "read", read_slowly)
    slow = asked_on_the_page(world, original("cat"))
    until(world, slow, RUNNING)
    assert isinstance(world.operator.match(original("coffee")), MatchAnswer)
    assert jobs.read_job(world.services, slow).status == RUNNING
    go_on.set()
    until(world, slow, DONE)


def test_a_receiver_that_does_not_answer_holds_up_no_video(
    database_server: DatabaseServer, home: Path
) -> None:
    with (
        World(database_server, home, webhooks_to_private_networks=True) as world,
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        webhook = f"http://127.0.0.1:{silent.getsockname()[1]}/hook"
        first = world.operator.start_match(original("coffee"), webhook=webhook)
        assert isinstance(first, WireJob)
        connection, _ = silent.accept()
        with connection:
            assert isinstance(world.operator.match(original("cat")), MatchAnswer)
            assert ("webhook", "deliver_webhook") in queues(world)


def test_the_page_looks_at_short_videos_only(database_server: DatabaseServer, home: Path) -> None:
    with World(database_server, home, video_workers=0, page_video_s=3) as world:
        long, short = original("coffee", "cat"), gif_of_pixels(2, 20)
        refused = httpx2.post(f"{world.url}/lookup", files={"media": ("clip.mp4", long)}, timeout=60)
        assert refused.status_code == 413
        assert "at most 3 are read" in refused.text
        with Session(world.engine) as session:
            assert session.exec(select(Job)).all() == []
        assert isinstance(world.operator.start_match(long), WireJob)
        assert jobs.read_job(world.services, asked_on_the_page(world, short)).status == QUEUED


def test_a_video_that_does_not_say_how_long_it_is_is_read_no_farther(world: World) -> None:
    payload = gif_of_pixels(40, 20, 100)
    told: list[float] = []
    with pytest.raises(MediaTooLarge, match="at most 2 are read"):
        world.services.uploads.read(payload, longest_s=2)
    # Whoever is told of progress can stop it, also where the share that is done is not known.
    world.services.uploads.read(payload, longest_s=4, progress=told.append)
    assert len(told) == 40
    assert set(told) == {0.0}
