"""kill -9 of the process that works on a job: the next one begins it again, and it is done once."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlmodel import Session, select

from registry.storage.models import Record
from sdk.models import Job, JobStatus
from tests.videos import original
from tests.world import DatabaseServer, World

NAMES = ("coffee", "cat", "rocket", "astronaut")


@pytest.mark.slow
def test_a_job_outlives_its_worker(database_server: DatabaseServer, home: Path) -> None:
    with World(database_server, home, video_workers=0) as world:
        desk = world.enrol("Daily Example")
        statement = desk.sign(desk.statement(original(*NAMES), "clip", preview_allowed=True))
        job = desk.client.start_registration(original(*NAMES), statement)
        assert isinstance(job, Job)
        working = world.settings.model_copy(update={"video_workers": 1})
        command = [sys.executable, "-m", "tests.faults.works", working.model_dump_json()]
        with subprocess.Popen(command) as process:
            deadline = time.monotonic() + 60
            # Not by its progress, which is told so seldom that a quick machine is done before.
            while desk.client.get_job(job.id).status is JobStatus.QUEUED and time.monotonic() < deadline:
                time.sleep(0.02)
            process.kill()
        assert desk.client.get_job(job.id).status is JobStatus.RUNNING
        world.settings = working
        world.restart()
        desk = world.again(desk)
        deadline = time.monotonic() + 90
        while desk.client.get_job(job.id).finished_at is None and time.monotonic() < deadline:
            time.sleep(0.5)
        assert desk.client.get_job(job.id).status is JobStatus.DONE
        with Session(world.engine) as session:
            assert len(session.exec(select(Record)).all()) == 1
        world.audit()
