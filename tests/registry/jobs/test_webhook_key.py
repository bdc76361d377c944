"""The key of webhooks: made with the registry, and missed when it is lost."""

import logging
from pathlib import Path

import pytest

from registry.settings import WEBHOOK_KEY
from tests.world import World


def test_a_new_registry_has_its_key_and_nothing_to_mend(world: World) -> None:
    assert world.operator.status().faults == ()
    assert (world.settings.key_folder / WEBHOOK_KEY).stat().st_mode & 0o077 == 0


def test_a_lost_key_is_told_at_the_start_and_by_the_doctor(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    secret, path = world.operator._http.headers["authorization"], world.settings.key_folder / WEBHOOK_KEY
    kept = path.read_bytes()
    path.unlink()
    with caplog.at_level(logging.ERROR):
        world.restart()
    assert "webhooks.key was lost" in caplog.text
    world.restart()  # somebody else's restart does not hide it
    assert path.read_bytes() != kept
    assert world.operator._http.headers["authorization"] == secret
    (fault,) = world.operator.status().faults
    assert "webhooks.key was lost, and made anew at 20" in fault
    path.write_bytes(kept)
    Path(fault.rpartition("remove ")[2]).unlink()
    world.restart()
    assert world.operator.status().faults == ()
