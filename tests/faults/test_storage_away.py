"""Disk full, database gone, hanging or out of connections: each is said, and nothing is lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import obstore
import psutil
import pytest
from obstore.exceptions import GenericError
from sqlalchemy import event
from sqlmodel import Session, select

from registry.errors import BlobsUnavailable, DatabaseFrozen
from registry.jobs import lifecycle as jobs
from registry.log import answer_signer
from registry.storage.models import Job, Record
from registry.storage.models.jobs import QUEUED
from sdk.checkpoint import parse_checkpoint_unverified
from sdk.errors import ServerError
from sdk.models import Job as WireJob
from sdk.models import JobStatus
from tests.pictures import encoded
from tests.videos import original
from tests.waiting import soon
from tests.world import DatabaseServer, World

NAMES = ("coffee", "cat")


@pytest.fixture
def world(database_server: DatabaseServer, home: Path) -> Iterator[World]:
    """A registry that works on no job by itself."""
    with World(database_server, home, video_workers=0) as made:
        yield made


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Nothing more can be stored in the blobs, until it is undone."""

    def put(*_: object, **__: object) -> None:
        raise GenericError("Generic LocalFileSystem error: No space left on device (os error 28)")

    with monkeypatch.context() as patch:
        patch.setattr(obstore, "put", put)
        yield patch


def problem_of(answer: httpx2.Response) -> str:
    assert int(answer.headers["retry-after"]) > 0
    assert answer.status_code == 503
    return str(answer.json()["code"])


def test_a_full_disk_refuses_a_registration_and_takes_it_afterwards(
    world: World, full_disk: pytest.MonkeyPatch
) -> None:
    desk = world.enrol("Daily Example")
    with pytest.raises(ServerError) as refusal:
        world.register(desk, encoded("coffee"))
    assert (refusal.value.code, refusal.value.status) == ("disk_full", 503)
    assert refusal.value.retry_after_s
    full_disk.undo()
    assert not world.register(desk, encoded("coffee")).already_registered
    world.audit()


def test_a_repeated_request_is_answered_once_its_checkpoint_is_published(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, content = world.enrol("Daily Example"), encoded("coffee")

    def fails_unpublished_then_publishes(act: Callable[[], Any]) -> Any:
        with monkeypatch.context() as patch:
            full = OSError(28, "No space left on device")
            patch.setattr(type(world.services.log), "publish", lambda *_: (_ for _ in ()).throw(full))
            with pytest.raises(ServerError, match="no room"):
                act()
        assert published_size(world) < desk.client.log_state().size
        answer = act()
        assert published_size(world) == desk.client.log_state().size
        return answer

    registered = fails_unpublished_then_publishes(lambda: world.register(desk, content))
    assert registered.already_registered
    fails_unpublished_then_publishes(lambda: desk.client.withdraw(registered.record.id))
    fails_unpublished_then_publishes(lambda: desk.client.erase(registered.record.id))
    world.audit()


def published_size(world: World) -> int:
    return parse_checkpoint_unverified(world.settings.checkpoint_file.read_text()).size


def test_a_job_whose_upload_is_out_of_reach_is_begun_again_and_was_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = world.enrol("Daily Example")
    statement = desk.sign(desk.statement(original(*NAMES), "clip", preview_allowed=True))
    job = desk.client.start_registration(original(*NAMES), statement)
    assert isinstance(job, WireJob)
    with monkeypatch.context() as patch:
        away = GenericError("Generic S3 error: connection refused")
        patch.setattr(obstore, "get", lambda *_, **__: (_ for _ in ()).throw(away))
        with pytest.raises(BlobsUnavailable):
            jobs.run(world.services, job.id)
    assert desk.client.get_job(job.id).status is JobStatus.QUEUED
    jobs.run(world.services, job.id)
    assert desk.client.get_job(job.id).status is JobStatus.DONE


def test_a_job_that_meets_a_full_disk_is_begun_again_and_was_not_at_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = world.enrol("Daily Example")
    statement = desk.sign(desk.statement(original(*NAMES), "clip", preview_allowed=True))
    job = desk.client.start_registration(original(*NAMES), statement)
    assert isinstance(job, WireJob)
    with monkeypatch.context() as patch:
        patch.setattr(obstore, "put", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space left"):
            jobs.run(world.services, job.id)
    with Session(world.engine) as session:
        row = session.get(Job, job.id)
        assert row is not None
        assert (row.status, row.attempts) == (QUEUED, 0)
        assert session.exec(select(Record)).all() == []
    jobs.run(world.services, job.id)
    assert desk.client.get_job(job.id).status is JobStatus.DONE
    world.audit()


def test_who_finds_no_connection_is_told_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.engine.pool, "_timeout", 0.1)
    with httpx2.Client(base_url=world.url, timeout=60) as http, ExitStack() as taken:
        for _ in range(20):
            taken.enter_context(world.engine.connect())
        assert problem_of(http.get("/v1/log")) == "out_of_connections"
        assert problem_of(http.get("/readyz")) == "out_of_connections"
        assert http.get("/livez").status_code == 200
        taken.close()
        assert http.get("/readyz").status_code == 200


def test_nobody_waits_for_a_second_connection_while_holding_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee"), intimate=True).record.id
    monkeypatch.setattr(world.engine.pool, "_timeout", 0.1)
    with ExitStack() as taken:
        for _ in range(19):  # all but one
            taken.enter_context(world.engine.connect())
        assert desk.client.preview(record)


def test_nobody_waits_for_a_database_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        type(world.services.database), "fault", DatabaseFrozen("no answer within 5 seconds")
    )
    with httpx2.Client(base_url=world.url, timeout=60) as http:
        for path in ("/readyz", "/v1/log", "/", "/v1/records"):
            assert problem_of(http.get(path)) == "database_frozen"
        assert http.get("/livez").status_code == 200
        assert http.get("/static/style.css").status_code == 200


def test_what_a_request_is_handed_is_made_without_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is made on the event loop, and before an upload is decoded.
    monkeypatch.setattr(answer_signer, "LOOK_EVERY_S", 0.0)  # new keys are due to be looked for
    with Session(world.engine) as session:
        world.services.in_request(session)
        assert not session.in_transaction()


def test_nobody_holds_a_connection_while_an_upload_is_decoded(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("rocket"))  # from here on there is a limited process
    [decoder] = [
        child
        for child in psutil.Process().children()
        if "indexer.media.worker" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE
    ]
    taken: list[object] = []
    event.listen(world.engine, "checkout", lambda *_: taken.append(None))
    registering = [
        threading.Thread(target=world.register, args=(desk, encoded(name))) for name in ("coffee", "cat")
    ]
    decoder.suspend()
    try:
        for thread in registering:
            thread.start()
        # Each has looked up its key, and its statement, and goes on to the decoder.
        assert soon(lambda: len(taken) >= 2 * len(registering))
        assert soon(lambda: world.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]
    finally:
        decoder.resume()
    for thread in registering:
        thread.join()
    world.audit()
