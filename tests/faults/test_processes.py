"""Several processes of one server: any may answer, one that is killed is replaced, all end as one."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import httpx2
import psutil
import pytest

from sdk.client import Client
from sdk.local import local_registration
from sdk.models import FingerprintRegistration, FingerprintValue
from sdk.records import AssetClass
from tests.faults.test_nodes import find_by
from tests.waiting import soon
from tests.world import Party, World

PROGRAM = Path(sys.executable).with_name("trueprint")
ADDRESS = re.compile(r"Trueprint: (http://\S+)/")
STARTED = re.compile(r"^process_start_time_seconds (\S+)", re.MULTILINE)
CONNECTIONS = 60


@contextmanager
def served(world: World) -> Iterator[tuple[psutil.Process, str]]:
    said = world.settings.home / "processes.log"
    command = [str(PROGRAM), "serve", "--port", "0", "--processes", "2"]
    environment = os.environ | {
        "TRUEPRINT_HOME": str(world.settings.home),
        "TRUEPRINT_DATABASE_URL": str(world.settings.database_url),
    }
    with (
        said.open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            assert soon(lambda: bool(ADDRESS.search(said.read_text())) or process.poll() is not None)
            found = ADDRESS.search(said.read_text())
            assert found, said.read_text()
            yield psutil.Process(process.pid), found[1]
        finally:
            process.send_signal(signal.SIGTERM)


def further_of(first: psutil.Process) -> list[psutil.Process]:
    living = [one for one in first.children() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in living if "registry.cli.further_process" in one.cmdline()]


def registration(desk: Party, code: str) -> FingerprintRegistration:
    value, issuer = FingerprintValue(value=code, quality=100), desk.publisher.issuer
    return local_registration([value], issuer, AssetClass.AUTHENTIC, token_hex(32), "a picture", desk.key)


@pytest.mark.slow
def test_processes_answer_as_one_and_end_together(world: World) -> None:
    desk = world.enrol("Daily Example")
    operator, secret = world.operator_secret, desk.api_key.secret
    world.stop()
    with served(world) as (first, url):
        (further,) = further_of(first)
        answering = set()
        for _ in range(CONNECTIONS):
            code = f"pdq.v1:{token_hex(32)}"
            with Client(url, secret) as client:
                record = client.register_fingerprints(registration(desk, code)).record.id
            with Client(url, secret) as client:
                assert find_by(client, code) == record
            metrics = httpx2.get(f"{url}/metrics", headers={"Authorization": f"Bearer {operator}"})
            answering |= set(STARTED.findall(metrics.text))
            if len(answering) == 2:
                break
        assert len(answering) == 2

        further.kill()
        assert soon(lambda: [one.pid for one in further_of(first) if one.pid != further.pid] != [])
        with Client(url, secret) as client:
            assert find_by(client, code) == record
        (again,) = further_of(first)
        first.kill()
        assert soon(lambda: not again.is_running() or again.status() == psutil.STATUS_ZOMBIE)
    world.start()
    world.audit()
