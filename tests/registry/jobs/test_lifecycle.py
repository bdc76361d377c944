import http.server
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx2
import pytest
from sqlalchemy import text
from sqlmodel import Session, select
from standardwebhooks.webhooks import Webhook

from registry.errors import DecoderLost, MissingKey, RegistryError, SignerUnavailable, SigningStopped
from registry.jobs import lifecycle as jobs
from registry.jobs.worker import RETRY_WHEN_MENDED_S, RetryJobs
from registry.storage.models import ApiKey, Job, Record
from registry.storage.models.columns import now
from registry.storage.models.jobs import QUEUED, RUNNING
from samples.video_edits import Piece
from sdk.client import Client
from sdk.errors import BadRequest, NotAllowed, NotFound
from sdk.models import Job as WireJob
from sdk.models import JobStatus, MatchAnswer, NewApiKey, Registration, Role, Scope
from tests.pictures import encoded
from tests.videos import clip, edited, original
from tests.world import DatabaseServer, Party, World

NAMES = ("coffee", "cat")


def finished(world: World, client: Client, job: WireJob) -> WireJob:
    for _ in range(300):
        job = client.get_job(job.id)
        if job.finished_at is not None:
            return job
        time.sleep(0.1)
    raise AssertionError("the job does not end")


def queue(world: World, desk: Party, job_id: str) -> None:
    """Leaves a job that no worker of the queue knows of."""
    payload = world.services.blobs.put(jobs.PAYLOAD_SUFFIX, original(*NAMES))
    with Session(world.engine) as session:
        key = session.exec(select(ApiKey).where(ApiKey.publisher_id == desk.publisher.id)).one()
        session.add(Job(id=job_id, kind="match", api_key_id=key.id, payload_key=payload))
        session.commit()


def test_a_video_that_is_not_waited_for_is_a_job_with_the_same_answer(world: World) -> None:
    desk = world.enrol("Daily Example")
    statement = desk.sign(desk.statement(original(*NAMES), "clip", preview_allowed=True))
    job = desk.client.start_registration(original(*NAMES), statement)
    assert isinstance(job, WireJob)
    assert job.status in (JobStatus.QUEUED, JobStatus.RUNNING)
    done = finished(world, desk.client, job)
    assert (done.status, done.progress) == (JobStatus.DONE, 1.0)
    registration = desk.client.job_result(job.id)
    assert isinstance(registration, Registration)
    asked = desk.client.start_match(edited(Piece(clip(*NAMES), 1.0, 7.0)))
    assert isinstance(asked, WireJob)
    finished(world, desk.client, asked)
    answer = desk.client.job_result(asked.id)
    assert isinstance(answer, MatchAnswer)
    assert answer.matches[0].record.id == registration.record.id
    assert not list(world.settings.blob_folder.rglob("*.upload"))
    world.audit()


def test_the_numbers_of_an_answer_are_for_keys_that_may_see_numbers(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, original(*NAMES), "clip")
    scopes = (Scope.MATCH, Scope.EVIDENCE), (Scope.MATCH,)
    keys = [
        world.operator.issue_api_key(NewApiKey(publisher=desk.publisher.id, scopes=wanted))
        for wanted in scopes
    ]
    with Client(world.url, keys[0].secret) as broad, Client(world.url, keys[1].secret) as narrow:
        asked = broad.start_match(edited(Piece(clip(*NAMES), 1.0, 7.0)))
        assert isinstance(asked, WireJob)
        finished(world, broad, asked)
        answer = broad.job_result(asked.id)
        assert isinstance(answer, MatchAnswer)
        assert answer.matches[0].evidence is not None
        with pytest.raises(NotAllowed, match="evidence"):
            narrow.job_result(asked.id)


def test_a_picture_is_never_a_job(world: World) -> None:
    assert isinstance(world.operator.start_match(encoded("coffee")), MatchAnswer)


def test_waiting_is_the_callers_choice(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.enrol('Chat', Role.PLATFORM).api_key.secret}"}
    with httpx2.Client(base_url=world.url, headers=headers, timeout=60) as http:
        files = {"media": ("clip.mp4", original(*NAMES))}
        at_once = http.post("/v1/match", files=files, headers={"Prefer": "wait=0"})
        assert at_once.status_code == 202
        assert at_once.headers["location"] == f"/v1/jobs/{at_once.json()['id']}"
        no_number = [(b"Prefer", "wait=²".encode("latin-1"))]  # which str.isdigit takes for one
        waited = http.post("/v1/match", files=files, headers=no_number)
        assert waited.status_code == 200
        assert waited.json()["verdict"]["kind"] == "not_in_registry"
        pending = http.get(at_once.headers["location"] + "/result")
        assert pending.status_code in (200, 409)


def test_what_a_job_fails_with_is_the_problem_that_would_have_been_answered(world: World) -> None:
    desk = world.enrol("Daily Example")
    cut = original(*NAMES)[:3000]
    with pytest.raises(BadRequest) as refusal:
        desk.client.match(cut)
    assert refusal.value.code == "undecodable_media"


def test_events_tell_of_progress_and_of_the_end(world: World) -> None:
    desk = world.enrol("Daily Example")
    job = desk.client.start_match(original(*NAMES))
    assert isinstance(job, WireJob)
    headers = {"Authorization": f"Bearer {desk.api_key.secret}"}
    seen: list[tuple[str, dict[str, Any]]] = []
    with (
        httpx2.Client(base_url=world.url, headers=headers, timeout=60) as http,
        http.stream("GET", job.events) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        event = ""
        for line in response.iter_lines():
            if line.startswith("event:"):
                event = line.removeprefix("event:").strip()
            if line.startswith("data:"):
                seen.append((event, json.loads(line.removeprefix("data:"))))
    assert seen[-1][0] == "done"
    assert seen[-1][1]["result"] == f"/v1/jobs/{job.id}/result"
    shares = [data["progress"] for _, data in seen]
    assert shares == sorted(shares)


def test_a_job_is_its_owners_only(world: World) -> None:
    desk, other = world.enrol("Daily Example"), world.enrol("Evening Example")
    job = desk.client.start_match(original(*NAMES))
    assert isinstance(job, WireJob)
    for look in (other.client.get_job, other.client.job_result):
        with pytest.raises(NotFound):
            look(job.id)
    assert world.operator.get_job(job.id).id == job.id
    headers = {"Authorization": f"Bearer {other.api_key.secret}"}
    events = httpx2.get(world.url + job.events, headers=headers)  # said before any event is sent
    assert (events.status_code, events.json()["code"]) == (404, "unknown_job")


def test_a_job_that_ran_does_not_run_again(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, original(*NAMES))
    with Session(world.engine) as session:
        [job] = session.exec(select(Job)).all()
        records = len(session.exec(select(Record)).all())
    jobs.run(world.services, job.id)
    with Session(world.engine) as session:
        assert session.get(Job, job.id) == job
        assert len(session.exec(select(Record)).all()) == records
    world.audit()


def test_a_job_whose_worker_died_is_begun_again_and_given_up_in_the_end(world: World) -> None:
    desk = world.enrol("Daily Example")
    payload = world.services.blobs.put(jobs.PAYLOAD_SUFFIX, original(*NAMES))
    with Session(world.engine, expire_on_commit=False) as session:
        key = session.exec(select(ApiKey).where(ApiKey.publisher_id == desk.publisher.id)).one()
        left = Job(
            id="left", kind="match", api_key_id=key.id, payload_key=payload, status=RUNNING, attempts=1
        )
        lost = Job(id="lost", kind="match", api_key_id=key.id, payload_key="previews/no/no.upload")
        hard = Job(
            id="hard", kind="match", api_key_id=key.id, payload_key=payload, attempts=jobs.MOST_ATTEMPTS
        )
        session.add_all([left, lost, hard])
        session.commit()
    for name in ("left", "lost", "hard"):
        jobs.run(world.services, name)
    states = {name: desk.client.get_job(name) for name in ("left", "lost", "hard")}
    assert states["left"].status is JobStatus.DONE
    assert states["lost"].status is states["hard"].status is JobStatus.FAILED
    assert states["hard"].problem is not None
    assert "stopped 3 times" in states["hard"].problem.detail


def test_a_job_whose_decoder_is_killed_from_outside_is_begun_again_but_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = world.enrol("Daily Example")
    queue(world, desk, "unlucky")

    def killed(*_: object) -> None:
        raise DecoderLost("short of memory")

    monkeypatch.setattr(jobs, "_work", killed)
    for _ in range(jobs.MOST_ATTEMPTS):
        with pytest.raises(DecoderLost):
            jobs.run(world.services, "unlucky")
        assert desk.client.get_job("unlucky").status is JobStatus.QUEUED
    jobs.run(world.services, "unlucky")
    assert desk.client.get_job("unlucky").status is JobStatus.FAILED


def test_a_job_waits_for_what_only_the_operator_mends_and_is_not_begun_again_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = world.enrol("Daily Example")
    queue(world, desk, "waits")
    wanted: list[RegistryError] = [SigningStopped("s"), SignerUnavailable("u"), MissingKey("m")]

    def unsigned(*_: object) -> None:
        raise wanted[0]

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "_work", unsigned)
        while wanted:
            for _ in range(jobs.MOST_ATTEMPTS + 1):
                with pytest.raises(type(wanted[0])) as raised:
                    jobs.run(world.services, "waits")
            assert desk.client.get_job("waits").status is JobStatus.QUEUED
            again = RetryJobs().get_retry_decision(exception=raised.value, job=Mock(attempts=0)).retry_at
            assert again is not None
            assert again - now() > timedelta(seconds=RETRY_WHEN_MENDED_S - 10)
            wanted.pop(0)
    jobs.run(world.services, "waits")
    assert desk.client.get_job("waits").status is JobStatus.DONE


def test_a_stopped_registry_goes_on_with_its_jobs(world: World) -> None:
    desk = world.enrol("Daily Example")
    job = desk.client.start_match(original(*NAMES))
    assert isinstance(job, WireJob)
    world.restart()
    desk = world.again(desk)
    assert finished(world, desk.client, job).status is JobStatus.DONE


def test_a_job_that_is_stopped_midway_goes_back_into_the_queue_without_a_word(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    desk = world.enrol("Daily Example")
    job = desk.client.start_match(original(*NAMES))
    assert isinstance(job, WireJob)
    while desk.client.get_job(job.id).status is JobStatus.QUEUED:
        time.sleep(0.01)
    world.stop()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    with Session(world.engine) as session:
        [waiting] = session.execute(text("SELECT status, worker_id FROM procrastinate_jobs")).all()
        assert waiting == ("todo", None)  # not "doing", which the next worker takes for somebody else's
        assert session.execute(text("SELECT * FROM procrastinate_workers")).all() == []
    world.start()
    assert finished(world, world.again(desk).client, job).status is JobStatus.DONE


def test_answers_of_old_jobs_are_forgotten(world: World) -> None:
    desk = world.enrol("Daily Example")
    job = desk.client.start_match(original(*NAMES))
    assert isinstance(job, WireJob)
    finished(world, desk.client, job)
    with Session(world.engine) as session:
        row = session.get(Job, job.id)
        assert row is not None
        row.finished_at = now() - jobs.KEPT - timedelta(minutes=1)
        session.add(row)
        session.commit()
    jobs.sweep_finished(world.services)
    with pytest.raises(NotFound):
        desk.client.get_job(job.id)


@contextmanager
def receiver(failures: int = 0) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Receives webhooks on a loopback port, and refuses the first few deliveries."""
    got: list[tuple[dict[str, str], bytes]] = []
    left = [failures]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            left[0] -= 1
            self.send_response(500 if left[0] >= 0 else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_hears_of_the_end_and_can_verify_who_says_so(
    database_server: DatabaseServer, home: Path
) -> None:
    with World(database_server, home, webhooks_to_private_networks=True) as world, receiver() as (url, got):
        desk = world.enrol("Daily Example")
        job = desk.client.start_match(original(*NAMES), webhook=url)
        assert isinstance(job, WireJob)
        for _ in range(200):
            if got:
                break
            time.sleep(0.1)
        headers, body = got[0]
        said = Webhook(desk.client.webhook_secret()).verify(body, headers)
        assert said["id"] == job.id == headers["webhook-id"]
        assert said["status"] == "done"


@pytest.mark.parametrize(
    "url",
    ["http://example.org/hook", "https://127.0.0.1/hook", "https://[::1]/hook", "https://10.0.0.8/x", "no"],
)
def test_a_webhook_never_leads_into_a_private_network(world: World, url: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        world.operator.start_match(original(*NAMES), webhook=url)
    assert refusal.value.code == "bad_webhook"
    with Session(world.engine) as session:
        assert session.exec(select(Job).where(Job.status == QUEUED)).all() == []
