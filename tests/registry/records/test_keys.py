"""Who may change an organisation's keys, and what a new key must show before it is enrolled."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import text
from sqlmodel import Session

from registry.errors import KeyNotValid, NotAuthenticated
from registry.log.transparency_log import Log
from registry.publish.registration import describe, register_upload, verify_request
from registry.records.acts import LOCAL_OPERATOR
from registry.records.publishers import authenticate, get_publisher, revoke_key
from registry.storage.db import release, transaction
from registry.storage.models import ApiKey
from registry.storage.models.columns import now
from sdk.dids import did_key_of
from sdk.errors import BadRequest, Conflict, NotAllowed
from sdk.keys import generate_key, public_jwk, thumbprint
from sdk.models import DidStatus, NewPublisher, Role, Scope
from sdk.possession import prove_possession
from sdk.records import AssetClass, sign_statement
from tests.pictures import encoded
from tests.waiting import soon
from tests.world import Party, World

ALL_BUT = {
    Role.PUBLISHER: (Scope.REGISTER, Scope.MATCH, Scope.EVIDENCE),
    Role.PLATFORM: (Scope.MATCH,),
    Role.REVIEWER: (Scope.MATCH, Scope.REVIEW, Scope.EVIDENCE),
}


@pytest.fixture
def desk(world: World) -> Party:
    return world.enrol("Daily Example", scopes=(Scope.REGISTER, Scope.MANAGE_KEYS))


def enrol_key(party: Party, key: ECKey, proof: str | None = None, **spelling: Any) -> None:
    proof = prove_possession(key, party.publisher.id) if proof is None else proof
    party.client.add_key(party.publisher.id, {**public_jwk(key), **spelling}, proof)


@pytest.mark.parametrize("role", ALL_BUT)
def test_no_other_scope_changes_keys(world: World, role: Role) -> None:
    party = world.enrol("Somebody", role, scopes=ALL_BUT[role])
    new, kid = generate_key(), thumbprint(party.key)
    proof = prove_possession(new, party.publisher.id)
    with pytest.raises(NotAllowed, match="scope manage_keys"):
        party.client.add_key(party.publisher.id, public_jwk(new), proof)
    with pytest.raises(NotAllowed, match="scope manage_keys"):
        party.client.rotate_key(party.publisher.id, kid, public_jwk(new), proof)
    with pytest.raises(NotAllowed, match="scope manage_keys"):
        party.client.revoke_key(party.publisher.id, kid)
    assert [key.kid for key in party.client.list_keys(party.publisher.id)] == [kid]


def spellings(jwk: dict[str, str]) -> dict[str, dict[str, str]]:
    x = base64.urlsafe_b64decode(jwk["x"] + "=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = alphabet[alphabet.index(jwk["y"][-1]) + 1]
    return {
        "as it was": {},
        "padded": {"x": jwk["x"] + "=", "y": jwk["y"] + "="},
        "leading zeros": {"x": base64.urlsafe_b64encode(b"\0\0" + x).decode().rstrip("=")},
        "spare bits": {"y": jwk["y"][:-1] + spare},
        "other members": {"kid": "mine", "use": "sig", "alg": "ES256"},
    }


@pytest.mark.parametrize("name", spellings(public_jwk(generate_key())))
def test_a_revoked_key_does_not_come_back_under_another_spelling(desk: Party, name: str) -> None:
    desk.client.revoke_key(desk.publisher.id, thumbprint(desk.key))
    with pytest.raises(Conflict) as error:
        enrol_key(desk, desk.key, **spellings(public_jwk(desk.key))[name])
    assert error.value.code == "duplicate_key"


def test_a_key_that_was_enrolled_in_another_spelling_is_enrolled(world: World, desk: Party) -> None:
    padded = "UPDATE publisher_key SET kid = 'old', jwk = jsonb_set(jwk, '{x}', to_jsonb(jwk->>'x' || '='))"
    world.tamper(padded)
    with pytest.raises(Conflict):
        enrol_key(desk, desk.key)


def test_a_new_key_is_kept_in_its_one_spelling(desk: Party) -> None:
    new = generate_key()
    enrol_key(desk, new, **spellings(public_jwk(new))["padded"])
    assert desk.client.list_keys(desk.publisher.id)[-1].jwk == public_jwk(new)


def test_nobodys_key_is_enrolled_by_another_publisher(world: World, desk: Party) -> None:
    victim, own = generate_key(), generate_key()
    theirs = world.operator.enrol(NewPublisher(name="The victim", contact="victim@example.org"))
    unproven = {
        "none": "",
        "of one's own key": prove_possession(own, desk.publisher.id),
        "overheard": prove_possession(victim, theirs.id),
        "overheard, by name": prove_possession(victim, theirs.name),
        "a statement": sign_statement(desk.statement(b"x", "x", AssetClass.AUTHENTIC), victim),
    }
    for proof in unproven.values():
        with pytest.raises(BadRequest) as error:
            enrol_key(desk, victim, proof)
        assert error.value.code == "not_proven"
    world.operator.add_key(theirs.id, public_jwk(victim), unproven["overheard, by name"])


def test_a_private_key_is_sent_back(desk: Party) -> None:
    new = generate_key()
    with pytest.raises(BadRequest, match="private key"):
        enrol_key(desk, new, d=str(new.as_dict(private=True)["d"]))


def test_a_did_key_is_proven_by_its_key_and_signs_with_no_other(world: World) -> None:
    key = generate_key()
    new = NewPublisher(name="Only a key", contact="key@example.org", did=did_key_of(public_jwk(key)))
    publisher = world.operator.enrol(new)
    assert publisher.did_status is DidStatus.UNPROVEN
    other = generate_key()
    with pytest.raises(BadRequest, match="that one and no other"):
        world.operator.add_key(publisher.id, public_jwk(other), prove_possession(other, publisher.id))
    world.operator.add_key(publisher.id, public_jwk(key), prove_possession(key, publisher.id))
    (known,) = (one for one in world.operator.list_publishers() if one.id == publisher.id)
    assert (known.did_status, known.issuer) == (DidStatus.PROVEN, new.did)


def test_a_did_web_is_a_claim_in_one_spelling(world: World) -> None:
    new = NewPublisher(name="Daily Example", contact="a@b.org", did="did:web:Example.ORG%3a443:Desk")
    publisher = world.operator.enrol(new)
    assert (publisher.did, publisher.did_status) == ("did:web:example.org:Desk", DidStatus.UNPROVEN)
    for did in ("did:web:EXAMPLE.org:Desk", "did:web:example.org:desk"):
        with pytest.raises(Conflict):
            world.operator.enrol(NewPublisher(name="Another", contact="a@b.org", did=did))


@pytest.mark.parametrize(
    "name", ["D\u0430ily Example", "DaiIy example", "daily-example", " Daily\u00a0 Example"]
)
def test_a_name_that_looks_like_anothers_is_refused(world: World, desk: Party, name: str) -> None:
    with pytest.raises(Conflict, match="looks like") as error:
        world.operator.enrol(NewPublisher(name=name, contact="desk@example.org"))
    assert error.value.code == "duplicate_publisher"


def test_the_id_of_another_publisher_is_no_name(world: World, desk: Party) -> None:
    with pytest.raises(Conflict, match="the id of another"):
        world.operator.enrol(NewPublisher(name=desk.publisher.id.upper(), contact="desk@example.org"))


def test_a_label_that_is_shown_otherwise_than_it_is_signed_is_refused(world: World, desk: Party) -> None:
    picture = encoded("coffee")
    for label in ("caf\u0065\u0301", "a\u200bb", "a\u00a0b", "\u2066a"):
        statement = desk.statement(picture, "label").model_copy(update={"label": label})
        with pytest.raises(BadRequest, match="label") as error:
            desk.client.register(picture, sign_statement(statement, desk.key))
        assert error.value.code == "bad_statement"
    assert world.register(desk, picture, "caf\u0065\u0301").record.label == "caf\u00e9"


def test_keys_from_before_names_were_committed_to_are_committed_to_at_the_next_start(
    world: World, desk: Party
) -> None:
    size = world.operator.log_state().size
    world.tamper("UPDATE publisher_key SET log_index = NULL, salt = NULL")
    world.restart()
    assert world.operator.log_state().size == size + 1
    # Here the entry of the enrolment is left over, which is what an audit finds of a row that lost its own.
    (finding,) = world.operator.audit().findings
    assert finding.detail == "log entry 0 has no key"
    world.restart()
    assert world.operator.log_state().size == size + 1
    world.tamper("UPDATE publisher SET name = 'Dally Example' WHERE role = 'publisher'")
    assert any("name, identifier" in finding.detail for finding in world.operator.audit().findings)


def test_a_start_that_dies_while_it_publishes_has_committed_what_it_publishes(
    world: World, desk: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stop()
    world.tamper("UPDATE publisher_key SET log_index = NULL, salt = NULL")
    publish = Log.publish

    def published_and_killed(log: Log, session: Session) -> None:
        publish(log, session)
        raise SystemExit

    monkeypatch.setattr(Log, "publish", published_and_killed)
    with pytest.raises(SystemExit):
        world.start()
    monkeypatch.undo()
    world.start()
    assert world.operator.log_state().size == 2


def test_what_was_done_to_a_key_counts_also_after_the_clock_was_set_back(world: World, desk: Party) -> None:
    ahead = "UPDATE publisher_key SET {} = now() + interval '1 hour' WHERE kid = :kid"
    kid = thumbprint(desk.key)
    world.tamper(ahead.format("valid_from"), kid=kid)  # enrolled when the clock was an hour ahead
    record = world.register(desk, encoded("coffee")).record
    assert desk.client.key_validity(kid, record.registered_at).valid
    for column, says in (("valid_until", "retired"), ("revoked_at", "revoked")):
        world.tamper(ahead.format(column), kid=kid)
        with pytest.raises(BadRequest, match=says):
            world.register(desk, encoded("cat"))


def test_a_key_ends_after_the_records_that_it_signed(world: World, desk: Party) -> None:
    world.register(desk, encoded("coffee"))
    world.tamper("UPDATE record SET registered_at = now() + interval '1 hour'")
    desk.client.revoke_key(desk.publisher.id, thumbprint(desk.key))
    assert {finding.what for finding in world.operator.audit().findings} == {"clock"}
    with pytest.raises(BadRequest, match="revoked"):
        world.register(desk, encoded("cat"))


def waiting_for_the_log(world: World) -> int:
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    waiting = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND {here}"
    with world.engine.connect() as connection:
        return int(connection.execute(text(waiting)).scalar_one())


def test_what_waits_while_a_key_is_revoked_sees_that_it_was(world: World, desk: Party) -> None:
    id_, kid, new = desk.publisher.id, thumbprint(desk.key), generate_key()
    proof = prove_possession(new, id_)
    with ThreadPoolExecutor() as pool, transaction(world.engine) as session:
        publisher = get_publisher(session, id_)
        revoked_at = revoke_key(session, world.services.log, LOCAL_OPERATOR, publisher, kid).revoked_at
        rotating = pool.submit(desk.client.rotate_key, id_, kid, public_jwk(new), proof)
        revoking = pool.submit(desk.client.revoke_key, id_, kid)
        assert soon(lambda: waiting_for_the_log(world) == 2)
    with pytest.raises(BadRequest, match="signs nothing any more"):
        rotating.result()
    assert revoking.result().revoked_at == revoked_at
    assert [key.kid for key in desk.client.list_keys(id_)] == [kid]
    world.audit()


def test_a_key_that_is_revoked_while_a_file_is_read_registers_nothing(world: World, desk: Party) -> None:
    content = encoded("coffee")
    with transaction(world.engine) as session:
        api_key = session.get(ApiKey, desk.api_key.id)
        assert api_key is not None
        jws = desk.sign(desk.statement(content, "coffee"))
        request = verify_request(session, api_key, jws, content, None)
        release(session)
        desk.client.revoke_key(desk.publisher.id, thumbprint(desk.key))
        upload = describe(world.services, request, content)
        with pytest.raises(KeyNotValid, match="revoked"):
            register_upload(world.services, session, request, upload)
    world.audit()


def test_the_use_of_an_api_key_is_noted_by_the_minute(world: World, desk: Party) -> None:
    noted = []
    for ago in (None, timedelta(seconds=30), timedelta(minutes=2)):
        with transaction(world.engine) as session:
            row = session.get(ApiKey, desk.api_key.id)
            assert row is not None
            before = row.last_used_at = None if ago is None else now() - ago
            session.add(row)
        assert authenticate(world.engine, desk.api_key.secret).id == desk.api_key.id
        with transaction(world.engine) as session:
            row = session.get(ApiKey, desk.api_key.id)
            noted.append(row is not None and row.last_used_at != before)
    assert noted == [True, False, True]


@pytest.mark.parametrize("middle", ["a\0b", "\ud800", "é", "", "a" * 100_000])
def test_a_secret_that_no_text_in_the_database_can_hold_is_an_unknown_key(
    world: World, middle: str
) -> None:
    with pytest.raises(NotAuthenticated, match="not known here"):
        authenticate(world.engine, f"trueprint_{middle}_secret")
