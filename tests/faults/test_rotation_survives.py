"""kill -9 at every write of a rotation: each step happened or did not, and the log goes on."""

import signal
import subprocess
import sys

import pytest

from tests.faults.dies import SURVIVED
from tests.faults.test_kill import die_at
from tests.pictures import encoded
from tests.registry.operate.test_key_rotation import retire_log, rotate_log
from tests.world import World

MOST_WRITES = 80


@pytest.mark.slow
def test_death_at_every_write_leaves_a_step_done_or_not_begun(world: World) -> None:
    desk = world.enrol("Daily Example")
    command = [sys.executable, "-m", "tests.faults.rotates", world.settings.model_dump_json()]
    deaths = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for step, other, before in (("rotate", retire_log, 1), ("retire", rotate_log, 2)):
            if step == "retire":
                rotate_log(world)
            for deadly in range(1, MOST_WRITES):
                code = die_at(process, step=step, deadly=deadly)
                assert code in (-signal.SIGKILL, SURVIVED)
                world.audit()
                active = [key for key in world.operator.log_keys().keys if key.last_size is None]
                assert len(active) in (1, 2)
                if code == SURVIVED:
                    assert len(active) != before
                    break
                deaths += 1
                if len(active) != before:
                    other(world)  # it died after it was done
            else:
                pytest.fail("the step never came to its end")
            if step == "rotate":
                retire_log(world)
        assert process.stdin
        process.stdin.close()
    assert deaths > 20
    # Keys that were made for steps that did not happen are none too many: the next attempt took them.
    used = len(world.operator.log_keys().keys)
    assert len(list(world.settings.key_folder.glob("log*.pem"))) == used
    world.register(desk, encoded("coffee"), "coffee")
    world.restart()
    world.audit()
