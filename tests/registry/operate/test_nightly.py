"""The nightly audit: once, by one process, nobody waits for it, and what has rotted is told everywhere."""

import errno
import threading
from datetime import UTC, datetime, time, timedelta

import httpx2
import psycopg
import pytest

from registry.errors import IndexUnavailable
from registry.log.transparency_log import head_of, nothing_moves
from registry.operate import nightly
from registry.operate.audit import audit
from registry.operate.nightly import AUDIT_LOCK, NightlyAudit, audit_if_due, last_time
from registry.storage.db import snapshot, sole_holder
from sdk.errors import ServerError
from sdk.models import ActorKind, ActType, AuditReport
from tests.pictures import encoded
from tests.registry.api.test_metrics import number
from tests.waiting import soon
from tests.world import World

NIGHT = time(3, 0)


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def audit_of_the_night(world: World) -> AuditReport:
    """What is found when the next night comes."""
    report = audit_if_due(world.services, NIGHT, tomorrow())
    assert report is not None
    return report


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-05-02T02:59:59+00:00", "2026-05-01T03:00:00+00:00"),
        ("2026-05-02T03:00:00+00:00", "2026-05-02T03:00:00+00:00"),
        ("2026-05-02T01:00:00-05:00", "2026-05-02T03:00:00+00:00"),
    ],
)
def test_the_last_night_is_told_in_utc(now: str, last: str) -> None:
    assert last_time(NIGHT, datetime.fromisoformat(now)) == datetime.fromisoformat(last)


def test_a_registry_is_audited_once_a_night_by_itself(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    assert world.operator.status().last_audit is None
    set_up = world.operator.list_acts(limit=100)[-1].at
    assert audit_if_due(world.services, NIGHT, set_up) is None
    assert audit_of_the_night(world).clean
    last = world.operator.status().last_audit
    assert last is not None
    assert last.clean
    act = world.operator.list_acts(act_type=ActType.AUDIT)[0]
    assert act.actor is ActorKind.REGISTRY
    size = world.operator.log_state().size
    world.audit()
    assert world.operator.log_state().size == size  # since then there were audits only
    assert audit_if_due(world.services, NIGHT, last.at) is None  # the next night comes later
    world.audit()


def test_a_server_audits_when_it_is_time_and_a_server_without_the_setting_never(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nightly-audit" not in {thread.name for thread in threading.enumerate()}
    monkeypatch.setattr(nightly, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(nightly, "now", tomorrow)
    world.settings = world.settings.model_copy(update={"nightly_audit": "03:00"})
    world.restart()
    assert soon(lambda: world.operator.status().last_audit is not None)
    world.settings = world.settings.model_copy(update={"nightly_audit": "off"})
    world.restart()
    assert "nightly-audit" not in {thread.name for thread in threading.enumerate()}


def test_of_several_processes_one_audits(world: World) -> None:
    with sole_holder(world.engine, AUDIT_LOCK) as alone:
        assert alone
        assert audit_if_due(world.services, NIGHT, tomorrow()) is None
    assert audit_if_due(world.services, NIGHT, tomorrow()) is not None


def test_an_audit_does_not_wait_for_writers_nor_they_for_it(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    with nothing_moves(world.engine), snapshot(world.engine) as session:  # it takes no lock of theirs
        assert audit(world.services, session, lambda: nothing_moves(world.engine)).clean
    with snapshot(world.engine) as session:
        size = head_of(session).size
        record = world.register(desk, encoded("rocket")).record
        desk.client.withdraw(world.register(desk, encoded("cat")).record.id)
        assert head_of(session, anew=True).size == size
        assert list(world.services.index.check(session, lambda: nothing_moves(world.engine))) == []
    assert desk.client.match(encoded("rocket")).matches[0].record.id == record.id
    world.audit()


FLIPPED = "set_byte({0}, octet_length({0}) / 2, get_byte({0}, octet_length({0}) / 2) # 1)"
ROT = {
    "log_tile": ("UPDATE log_tile SET hashes = " + FLIPPED.format("hashes"), "log_tile"),
    "log_entry": (
        "UPDATE log_entry SET entry = " + FLIPPED.format("entry") + " WHERE index = 1",
        "log_root",
    ),
    "fingerprint": (
        "UPDATE fingerprint SET value = " + FLIPPED.format("value") + " WHERE kind = 'pdq.v1' "
        "AND orientation = 0",
        "index",
    ),
    "act": ("UPDATE act SET digest = " + FLIPPED.format("digest") + " WHERE number = 1", "act"),
}


@pytest.fixture(scope="module")
def rotting(world_of_module: World) -> World:
    desk = world_of_module.enrol("Daily Example")
    world_of_module.register(desk, encoded("coffee"))
    return world_of_module


@pytest.mark.parametrize("what", ROT)
def test_a_byte_that_rots_is_told_by_the_next_night(
    rotting: World, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    statement, told = ROT[what]
    ready = f"{rotting.url}/readyz"
    assert httpx2.get(ready).status_code == 200
    for trigger in ("DISABLE", "ENABLE"):
        rotting.tamper(f"ALTER TABLE act {trigger} TRIGGER USER")
        if trigger == "DISABLE":
            rotting.tamper(statement)
    size = rotting.operator.log_state().size
    report = audit_of_the_night(rotting)
    assert rotting.operator.log_state().size == size  # nothing is signed over what has rotted
    assert told in {finding.what for finding in report.findings}
    last = rotting.operator.status().last_audit
    assert last is not None
    assert not last.clean
    assert last.findings[told] >= 1
    answer = httpx2.get(ready)
    assert (answer.status_code, answer.json()["code"]) == (503, "audit_failed")
    assert "findings are in the status" in answer.json()["detail"]
    assert told not in answer.json()["detail"]  # anybody may ask
    assert any(f"audit: {told}" in record.getMessage() for record in caplog.records)
    rotting.tamper("ALTER TABLE act DISABLE TRIGGER USER")
    rotting.tamper(statement)  # flipped back
    rotting.tamper("ALTER TABLE act ENABLE TRIGGER USER")
    assert rotting.operator.audit().clean
    assert httpx2.get(ready).status_code == 200


def test_nothing_is_signed_over_tiles_that_have_rotted(rotting: World) -> None:
    desk = rotting.enrol("Evening Example")
    size = rotting.operator.log_state().size
    rotting.tamper(ROT["log_tile"][0])
    with pytest.raises(ServerError, match="rotted"):
        rotting.register(desk, encoded("rocket"))
    assert rotting.operator.log_state().size == size
    rotting.tamper(ROT["log_tile"][0])  # flipped back
    rotting.register(desk, encoded("rocket"))
    rotting.audit()


def test_a_lost_preview_is_told_and_the_registry_stays_ready(world: World) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee")).record
    key = "previews/aa/lost.webp"
    world.tamper("UPDATE record SET preview_key = :key WHERE id = :id", key=key, id=record.id)
    size = world.operator.log_state().size
    assert [finding.what for finding in audit_of_the_night(world).findings] == ["preview"]
    assert httpx2.get(f"{world.url}/readyz").status_code == 200
    assert world.operator.log_state().size == size + 1  # and the log commits to the acts
    assert number(world, "trueprint_audit_clean") == 0
    assert number(world, "trueprint_audit_sound") == 1  # nobody is paged


class Looks(threading.Event):
    """When a thread would look, without the waiting; it is told to stop after some looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.waited: list[float | None] = []
        self._looks = looks

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        return len(self.waited) > self._looks


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("the connection is lost"),
        OSError(errno.ENOSPC, "No space left on device"),
        IndexUnavailable("search node http://127.0.0.1:1 cannot be checked"),
        KeyError("clean"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_after_an_audit_that_failed_others_follow_though_not_at_once(
    error: Exception, world_of_module: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[Exception | None] = [None, error, None]

    def tried(*_: object) -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(nightly, "audit_if_due", tried)
    audits = NightlyAudit(world_of_module.services, NIGHT)
    audits._stopping = looks = Looks(3)
    audits._run()
    assert looks.waited == [60.0, 60.0, 900.0, 60.0]
    assert outcomes == []


def test_an_audit_of_a_time_to_come_does_not_turn_audits_off(world: World) -> None:
    forged = datetime.now(UTC) + timedelta(days=400)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("registry.records.acts.now", lambda: forged)
        assert world.operator.audit().clean
    report = audit_if_due(world.services, NIGHT, datetime.now(UTC))
    assert report is not None
    assert [finding.what for finding in report.findings] == ["clock"]
    assert "acts are of a time that has not come yet" in report.findings[0].detail
    assert httpx2.get(f"{world.url}/readyz").status_code == 200
    last = world.operator.status().last_audit
    assert last is not None
    assert audit_if_due(world.services, NIGHT, last.at) is None
