"""kill -9 at every write of a registration: nothing acknowledged is lost, the audit is clean."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.dies import IDEMPOTENCY_KEY, SURVIVED
from tests.pictures import encoded
from tests.world import Party, World

MOST_WRITES = 150


@contextmanager
def dying_process(world: World, desk: Party) -> Iterator[subprocess.Popen[str]]:
    settings = world.settings.model_dump_json()
    command = [sys.executable, "-m", "tests.faults.dies", settings, desk.api_key.id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def die_at(process: subprocess.Popen[str], **order: object) -> int:
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return int(process.stdout.readline())


@pytest.mark.slow
def test_death_at_every_write_loses_nothing_that_was_acknowledged(world: World, tmp_path: Path) -> None:
    desk, picture = world.enrol("Daily Example"), tmp_path / "coffee.jpg"
    content = encoded("coffee")
    picture.write_bytes(content)
    deaths = 0
    with dying_process(world, desk) as process:
        for deadly in range(1, MOST_WRITES):
            statement = desk.sign(desk.statement(content, "coffee", preview_allowed=True))
            acknowledgement = tmp_path / f"acknowledged-{deadly}"
            code = die_at(
                process,
                statement=statement,
                content=str(picture),
                acknowledgement=str(acknowledgement),
                deadly=deadly,
            )
            assert code in (-signal.SIGKILL, SURVIVED)
            if deadly % 10 == 0:
                world.restart()
                desk = world.again(desk)
            world.audit()
            found = desk.client.match(content).matches
            if acknowledgement.exists():
                assert found, f"acknowledged, then lost at write {deadly}"
            # The caller does not know what happened and sends the same request again.
            answer = desk.client.register(content, statement, idempotency_key=IDEMPOTENCY_KEY)
            assert answer.already_registered == bool(found)
            assert len(desk.client.match(content).matches) == 1
            if code == SURVIVED:
                break
            deaths += 1
            desk.client.erase(answer.record.id)
            world.tamper("DELETE FROM idempotency_key")
        else:
            pytest.fail("the registration never came to its end")
    assert deaths > 20
    world.restart()
    world.audit()
