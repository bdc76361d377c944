"""What an audit found is kept, told to those who may know, and not taken for more than it is."""

import json
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlmodel import Session

from registry.errors import AuditFailed, BlobsUnavailable, SignerUnavailable
from registry.operate.audit_runs import last_audit, require_sound_audit, run_audit
from registry.records.acts import REGISTRY, append_act
from sdk.models import ActType
from tests.pictures import encoded
from tests.world import World

OPEN_SNAPSHOTS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND state = 'idle in transaction' AND backend_xmin IS NOT NULL"
)


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"clean": True, "log_size": 1, "findings": ["log_tile"]},
        {"clean": True, "log_size": 1, "findings": {"log_tile": 1}},
        {"clean": False, "log_size": 1, "findings": {}},
    ],
    ids=json.dumps,
)
def test_an_act_that_does_not_say_what_an_audit_found_counts_as_a_finding(
    world_of_module: World, details: dict[str, Any]
) -> None:
    with Session(world_of_module.engine) as session:
        append_act(session, REGISTRY, ActType.AUDIT, **details)
        last = last_audit(session)
        assert last is not None
        assert (last.clean, last.findings) == (False, {"act": 1})
        with pytest.raises(AuditFailed):
            require_sound_audit(session)
        session.rollback()


def test_what_an_audit_found_is_kept_when_the_log_cannot_sign(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> str:
        raise SignerUnavailable("the module is away")

    size = world.operator.log_state().size
    with monkeypatch.context() as patch:
        patch.setattr(world.services.log.keys, "sign", away)
        assert run_audit(world.services, REGISTRY).clean
        assert world.operator.log_state().size == size
        last = world.operator.status().last_audit
        assert last is not None
        assert last.clean
    world.audit()
    assert world.operator.log_state().size == size + 1


def test_previews_are_looked_for_while_no_snapshot_is_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.operate.audit.PREVIEWS_AT_ONCE", 2)
    desk = world.enrol("Daily Example")
    subjects = ("coffee", "cat", "rocket", "astronaut", "camera")
    records = {world.register(desk, encoded(subject)).record.id for subject in subjects}
    erased, lost = sorted(records)[1:3]
    looked: list[int] = []

    def has(key: str) -> bool:
        with world.engine.connect() as connection:
            looked.append(connection.execute(OPEN_SNAPSHOTS).scalar_one())
            of = connection.execute(text("SELECT id FROM record WHERE preview_key = :key"), {"key": key})
            record_id = of.scalar_one()
        if record_id == erased:  # while it is looked for
            desk.client.erase(erased)
        return record_id not in (erased, lost)

    with monkeypatch.context() as patch:
        patch.setattr(world.services.blobs, "has", has)
        report = world.operator.audit()
    assert [finding.detail for finding in report.findings] == [f"the preview of record {lost} is lost"]
    assert looked == [0] * len(subjects)
    world.audit()


def test_previews_out_of_reach_are_not_lost(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    folder = world.settings.blob_folder / "previews"
    folder.rename(folder.with_name("away"))
    folder.write_bytes(b"a file where a folder was")
    with pytest.raises(BlobsUnavailable):
        run_audit(world.services, REGISTRY)
    assert world.operator.status().last_audit is None
    assert httpx2.get(f"{world.url}/readyz").status_code == 200
    folder.unlink()
    folder.with_name("away").rename(folder)
    world.audit()
