"""Administrative acts: all of them are noted, nothing in them is secret, no row is touched unseen."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from registry.operate.audit import audit
from registry.records.acts import REGISTRY, act_of, append_act
from registry.storage.models import Act as ActRow
from sdk.acts import digest_of, verify_chain
from sdk.errors import NotAllowed, ServerError
from sdk.keys import generate_key, public_jwk
from sdk.models import Act, ActorKind, ActType, NewApiKey, Scope
from sdk.possession import prove_possession
from tests.pictures import encoded
from tests.world import Party, World

LABEL, CONTACT = "a label nobody must read there", "desk@example.org"


@pytest.fixture(scope="module")
def desk(world_of_module: World) -> Party:
    """A publisher by whom, and to whom, everything was done that is an act."""
    world = world_of_module
    desk = world.enrol("Daily Example", scopes=(Scope.REGISTER, Scope.MANAGE_KEYS))
    id_, old = desk.publisher.id, desk.client.list_keys(desk.publisher.id)[0].kid
    withdrawn = world.register(desk, encoded("coffee"), LABEL, preview=False).record
    erased = world.register(desk, encoded("rocket"), LABEL, preview=False).record
    desk.client.withdraw(withdrawn.id)
    desk.client.erase(erased.id)
    key = generate_key()
    new = desk.client.rotate_key(id_, old, public_jwk(key), prove_possession(key, id_))
    desk.client.revoke_key(id_, new.kid)
    other = world.operator.issue_api_key(NewApiKey(publisher=id_, scopes=(Scope.MATCH,)))
    world.operator.revoke_api_key(other.id)
    world.operator.audit()
    return desk


@pytest.fixture
def acts(world_of_module: World, desk: Party) -> list[Act]:
    return world_of_module.operator.list_acts(limit=500)[::-1]


@pytest.fixture
def session(world_of_module: World, desk: Party) -> Iterator[Session]:
    """A session of somebody who may switch triggers off, and whose changes are undone."""
    with Session(world_of_module.engine) as session:
        session.connection().execute(text("ALTER TABLE act DISABLE TRIGGER USER"))
        yield session
        session.rollback()


def test_every_act_is_noted_with_who_did_it(world_of_module: World, desk: Party, acts: list[Act]) -> None:
    done = [(act.type, act.actor) for act in acts]
    operator, publisher = ActorKind.API_KEY, desk.api_key.id
    assert done[:3] == [
        (ActType.SET_UP, ActorKind.LOCAL_OPERATOR),
        (ActType.ENROL_PUBLISHER, ActorKind.LOCAL_OPERATOR),
        (ActType.ISSUE_API_KEY, ActorKind.LOCAL_OPERATOR),
    ]
    assert done[3] == (ActType.START, ActorKind.LOCAL_OPERATOR)
    assert done[4:7] == [
        (ActType.ENROL_PUBLISHER, operator),
        (ActType.ADD_SIGNING_KEY, operator),
        (ActType.ISSUE_API_KEY, operator),
    ]
    by_the_publisher = [act.type for act in acts if act.api_key == publisher]
    assert by_the_publisher == [
        ActType.WITHDRAW_RECORD,
        ActType.ERASE_RECORD,
        ActType.ADD_SIGNING_KEY,
        ActType.ROTATE_SIGNING_KEY,
        ActType.REVOKE_SIGNING_KEY,
    ]
    assert [act.type for act in acts[-4:]] == [
        ActType.ISSUE_API_KEY,
        ActType.REVOKE_API_KEY,
        ActType.AUDIT,
        ActType.COMMIT_ACTS,
    ]
    assert acts[-2].details["clean"] is True


def test_acts_say_on_what_and_follow_one_another(desk: Party, acts: list[Act]) -> None:
    verify_chain(acts)
    assert [act.number for act in acts] == list(range(len(acts)))
    assert all(later.previous == earlier.digest for earlier, later in pairwise(acts))
    issued = next(act for act in acts if act.object == desk.api_key.id)
    assert issued.details["publisher"] == desk.publisher.id
    assert issued.details["scopes"] == ["manage_keys", "register"]


def test_no_secret_no_label_and_no_contact_is_in_an_act(
    world_of_module: World, desk: Party, acts: list[Act]
) -> None:
    told = json.dumps([act.model_dump(mode="json") for act in acts])
    secrets = [world_of_module.operator_secret, desk.api_key.secret]
    for word in [*secrets, *(secret.rpartition("_")[2] for secret in secrets), LABEL, CONTACT]:
        assert word not in told
    assert desk.publisher.name not in told


def test_acts_are_listed_in_pages_and_by_what_is_asked_for(world_of_module: World, desk: Party) -> None:
    operator = world_of_module.operator
    newest = operator.list_acts(limit=2)
    older = operator.list_acts(limit=2, before=newest[-1].number)
    assert [act.number for act in older] == [newest[-1].number - 1, newest[-1].number - 2]
    assert {act.type for act in operator.list_acts(act_type=ActType.AUDIT)} == {ActType.AUDIT}
    assert {act.api_key for act in operator.list_acts(api_key=desk.api_key.id)} == {desk.api_key.id}
    assert {act.publisher for act in operator.list_acts(publisher=desk.publisher.id)} == {desk.publisher.id}
    assert [act.type for act in operator.list_acts(on=desk.publisher.id)] == [ActType.ENROL_PUBLISHER]


def test_only_an_operator_reads_acts(desk: Party) -> None:
    with pytest.raises(NotAllowed):
        desk.client.list_acts()


def test_what_changes_nothing_is_no_act(world_of_module: World, desk: Party) -> None:
    revoked = world_of_module.operator.issue_api_key(
        NewApiKey(publisher=desk.publisher.id, scopes=(Scope.MATCH,))
    )
    world_of_module.operator.revoke_api_key(revoked.id)
    before = world_of_module.operator.list_acts(limit=1)
    world_of_module.operator.revoke_api_key(revoked.id)
    assert world_of_module.operator.list_acts(limit=1) == before


@pytest.mark.parametrize(
    "statement",
    ["UPDATE act SET actor = 'registry'", "DELETE FROM act WHERE number = 1", "TRUNCATE act"],
)
def test_the_database_refuses_to_change_an_act(world_of_module: World, desk: Party, statement: str) -> None:
    with (
        pytest.raises(DBAPIError, match="appended, never changed"),
        world_of_module.engine.begin() as connection,
    ):
        connection.execute(text(statement))


TAMPERED = {
    "changed": (
        "UPDATE act SET object = 'somebody' WHERE number = 5",
        "act 5 is not what its digest covers",
    ),
    "its scopes changed": (
        "UPDATE act SET details = jsonb_set(details, '{scopes}', '[]') WHERE type = 'issue_api_key'",
        "act 2 is not what its digest covers",
    ),
    "of no known type": (
        "UPDATE act SET type = 'nothing' WHERE number = 5",
        "act 5 is not what its digest",
    ),
    "of no time": ("UPDATE act SET at = 'infinity' WHERE number = 5", "act 5 is not what its digest"),
    "of before all time": (
        "UPDATE act SET at = '-infinity' WHERE number = 5",
        "act 5 is not what its digest",
    ),
    "without details": ("UPDATE act SET details = '7' WHERE number = 5", "act 5 is not what its digest"),
    "removed": ("DELETE FROM act WHERE number = 5", "act 5 is missing"),
    "the first removed": ("DELETE FROM act WHERE number = 0", "act 0 is missing"),
    "removed, and the rest moved up": (
        "DELETE FROM act WHERE number = 5; UPDATE act SET number = number - 1 WHERE number > 5",
        "act 5 does not follow",
    ),
    "inserted": (
        "INSERT INTO act SELECT 1000, at, actor, api_key_id, publisher_id, type, object, details, "
        "(SELECT digest FROM act ORDER BY number DESC LIMIT 1), digest FROM act WHERE number = 4",
        "act 1000 is not what its digest covers",
    ),
    "the end cut off": (
        "DELETE FROM act WHERE number >= (SELECT min(number) FROM act WHERE type = 'commit_acts')",
        "commits to acts that are gone",
    ),
    "all gone": ("DELETE FROM act", "commits to acts that are gone"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_an_audit_finds_a_row_that_was(world_of_module: World, session: Session, how: str) -> None:
    statement, told = TAMPERED[how]
    for part in statement.split(";"):
        assert session.connection().execute(text(part)).rowcount, "the case changes something"
    found = audit(world_of_module.services, session).findings
    assert any(finding.what == "act" and told in finding.detail for finding in found), found


def test_a_row_that_nobody_can_read_hides_no_other_and_ends_no_audit(world: World) -> None:
    with world.engine.begin() as connection:
        connection.execute(text("ALTER TABLE act DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE act SET at = 'infinity', actor = 'nobody' WHERE number = 1"))
    report = world.operator.audit()
    assert {finding.what for finding in report.findings} == {"act", "clock"}
    with world.engine.begin() as connection:  # the audit's own act, and what it found, is made unreadable
        connection.execute(text("UPDATE act SET at = 'infinity', details = '[]' WHERE type = 'audit'"))
    last = world.operator.status().last_audit
    assert last is not None
    assert not last.clean
    assert httpx2.get(f"{world.url}/readyz").status_code == 503
    with pytest.raises(ServerError, match="act 1 cannot be read"):
        world.operator.list_acts(act_type=ActType.ENROL_PUBLISHER)
    assert [act.number for act in world.operator.list_acts(before=1)] == [0]


PUT = (
    "INSERT INTO act SELECT {number}, now(), 'registry', NULL, NULL, 'audit', NULL, {details}, "
    "digest, digest FROM act WHERE number = 0"
)
NEXT = "(SELECT max(number) + 1 FROM act)"
UNREADABLE = {
    "nested": (NEXT, "CAST(repeat('[', 3000) || repeat(']', 3000) AS jsonb)"),
    "of 6000 digits": (NEXT, "jsonb_build_object('n', CAST(repeat('7', 6000) AS numeric))"),
    "the last there can be": (str((1 << 63) - 1), """'{"clean": true, "log_size": 1, "findings": {}}'"""),
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_an_act_that_somebody_put_at_the_end_is_found_and_stops_nothing_else(
    world: World, how: str
) -> None:
    number, details = UNREADABLE[how]
    put = PUT.format(number=number, details=details)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(put)
    assert httpx2.get(f"{world.url}/readyz").status_code == 503
    last = world.operator.status().last_audit
    assert last is not None
    assert not last.clean
    with pytest.raises(ServerError, match="cannot be read"):
        world.operator.list_acts()
    assert "act" in {finding.what for finding in world.operator.audit().findings}
    assert httpx2.get(f"{world.url}/readyz").status_code == 503


def test_a_chain_that_was_written_anew_is_not_what_the_log_commits_to(
    world_of_module: World, session: Session
) -> None:
    previous = None
    for row in session.exec(select(ActRow).order_by(col(ActRow.number))).all():
        if row.number == 5:
            row.object = "somebody"
        act = act_of(row)
        if previous is not None:
            act = act.model_copy(update={"previous": previous})
        previous = digest_of(act)
        row.previous, row.digest = bytes.fromhex(act.previous), bytes.fromhex(previous)
        session.add(row)
    session.flush()
    found = [finding.detail for finding in audit(world_of_module.services, session).findings]
    assert len(found) == 1
    assert "does not commit to the acts before" in found[0]


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"log_index": "0", "salt": "00"},
        {"log_index": True, "salt": "00"},
        {"log_index": 0, "salt": "no hexadecimal"},
        {"log_index": 0, "salt": None},
    ],
    ids=json.dumps,
)
def test_a_commitment_that_names_no_log_entry_is_a_finding(
    world_of_module: World, session: Session, details: dict[str, Any]
) -> None:
    append_act(session, REGISTRY, ActType.COMMIT_ACTS, "0", **details)
    [finding] = audit(world_of_module.services, session).findings
    assert finding.what == "act"
    assert "does not say which log entry commits" in finding.detail


def test_a_start_is_an_act_where_settings_that_matter_changed(world: World) -> None:
    world.restart()
    assert len(world.operator.list_acts(act_type=ActType.START)) == 1
    world.settings = world.settings.model_copy(
        update={"candidates": 3, "webhooks_to_private_networks": True}
    )
    world.restart()
    newest = world.operator.list_acts(limit=1)[0]
    assert newest.type is ActType.START
    assert newest.details["changed"] == ["candidates", "webhooks_to_private_networks"]
