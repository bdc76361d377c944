"""Several processes of one server: any may answer, one that is killed is replaced, all end as one."""

import os
import re
import signal
import socket
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
CONNECTIONS = 40


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


def starts_seen(url: str, operator: str, requests: int) -> set[str]:
    """When the processes were started that answered so many requests, each on a connection of its own."""
    as_operator = {"Authorization": f"Bearer {operator}"}
    answers = (httpx2.get(f"{url}/metrics", headers=as_operator) for _ in range(requests))
    return {start for answer in answers for start in STARTED.findall(answer.text)}


@pytest.mark.slow
def test_processes_answer_as_one_and_end_together(world: World) -> None:
    desk = world.enrol("Daily Example")
    operator, secret = world.operator_secret, desk.api_key.secret
    world.stop()
    with served(world) as (first, url):
        (further,) = further_of(first)
        for _ in range(CONNECTIONS):
            code = f"pdq.v1:{token_hex(32)}"
            with Client(url, secret) as client:
                record = client.register_fingerprints(registration(desk, code)).record.id
            with Client(url, secret) as client:
                assert find_by(client, code) == record
        before = starts_seen(url, operator, CONNECTIONS)
        assert len(before) == 2

        further.kill()
        assert soon(lambda: bool(starts_seen(url, operator, 8) - before))
        with Client(url, secret) as client:
            assert find_by(client, code) == record
        (again,) = further_of(first)
        first.kill()
        assert soon(lambda: not again.is_running() or again.status() == psutil.STATUS_ZOMBIE)
    world.start()
    world.audit()


@pytest.mark.slow
def test_each_answers_for_long_and_all_end_when_the_first_is_told_to(world: World) -> None:
    world.stop()
    with served(world) as (first, url):
        (further,) = further_of(first)
        with httpx2.Client() as one, httpx2.Client() as other:
            for _ in range(2_000):  # lines about them that nobody read would fill a pipe
                assert one.get(f"{url}/livez").is_success
                assert other.get(f"{url}/livez").is_success
        assert further.is_running()
        assert len(starts_seen(url, world.operator_secret, CONNECTIONS)) == 2
        first.terminate()
        assert soon(lambda: not first.is_running() or first.status() == psutil.STATUS_ZOMBIE)
        assert not further.is_running()
    port = int(url.rpartition(":")[2])
    socket.create_server(("127.0.0.1", port)).close()
    world.start()
