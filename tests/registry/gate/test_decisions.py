"""An organisation's decisions are a chain: each is one link, nothing is asked twice, whatever somebody with
the database's password changes an audit names, and what its time is over for is gone."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel, col, select

from registry.errors import IdempotencyConflict
from registry.gate import deciding
from registry.gate.asking import Question, prepare
from registry.gate.chain import FORGOTTEN, append_entry, link_of, next_place
from registry.gate.decisions import forget, forget_what_is_over
from registry.gate.gate_settings import change_settings
from registry.gate.packs import digest_of
from registry.operate.audit import audit
from registry.operate.check_decisions import json_of
from registry.records.acts import REGISTRY
from registry.storage.models import ApiKey, DecisionEntry
from registry.storage.models import Decision as DecisionRow
from registry.storage.models.columns import now
from sdk import gate_calls
from sdk.decisions import (
    FIRST_PREVIOUS,
    BadDecisionChain,
    commitment_to,
    entry_digest,
    verify_decision,
    verify_order,
)
from sdk.errors import ProblemError
from sdk.models import (
    Decision,
    DecisionState,
    GateContext,
    NewApiKey,
    NewDecisionReview,
    NewGateSettings,
    Outcome,
    Role,
)
from tests.pictures import encoded
from tests.videos import original
from tests.world import ROLE_SCOPES, Party, World

PACK = """\
pack: small
version: 1.0.0
title: What the platform's own classifier says
summary: Refuses what is called bad, holds what is called odd, and publishes the rest.
labels:
  known: {en: Known}
rules:
  - {id: bad, when: "'bad' in upload.signals", then: refuse, why: It is bad.}
  - {id: text, when: "upload.text.contains('forbidden')", then: refuse, why: It says what nobody may say.}
  - {id: odd, when: "'odd' in upload.signals", then: hold, why: It is odd.}
  - {id: adult, when: "'adult' in upload.signals", then: age_gate, why: It is for adults.}
  - {id: dull, when: "'dull' in upload.signals", then: demote, why: It is dull.}
  - {id: known, when: match.sure, then: label, label: known, why: It is known.}
"""
WHEN_TRIGGERS_ARE_OFF = "SET LOCAL session_replication_role = replica"  # for whoever has the password
numbers = itertools.count()


@dataclass(frozen=True)
class Desk:
    """Two platforms under the same policy, and what one of them decided."""

    world: World
    platform: Party
    rival: Party
    first: Decision  # labelled, by a match; with every optional field
    reviewed: Decision  # held, then refused by a person

    def ask(
        self, content: bytes, *, party: Party | None = None, key: str | None = None, **said: Any
    ) -> Decision:
        client = (party or self.platform).client
        return client.gate(content, GateContext.model_validate(said), idempotency_key=key)

    def entries(self, party: Party | None = None) -> list[DecisionEntry]:
        platform = (party or self.platform).publisher.id
        with Session(self.world.engine) as session:
            rows = select(DecisionEntry).where(DecisionEntry.publisher_id == platform)
            return list(session.exec(rows.order_by(col(DecisionEntry.number))))


@pytest.fixture(scope="module")
def desk(world_of_module: World) -> Desk:
    world = world_of_module
    paper = world.enrol("Daily Example")
    world.register(paper, encoded("coffee"), "a cup")
    platform, rival = world.enrol("Chat", Role.PLATFORM), world.enrol("Board", Role.PLATFORM)
    for party in (platform, rival):
        party.client.send(gate_calls.add_pack(PACK))
        party.client.send(gate_calls.activate("small", "our policy"))
        content, said = encoded("coffee", quality=80), {"content_ref": "one", "uploader_ref": "alice-77"}
        first = party.client.gate(
            content, GateContext.model_validate(said), idempotency_key=f"first-of-{party.publisher.id}"
        )
        if party is platform:
            ours = first
    odd = GateContext.model_validate(
        {"signals": ("odd",), "content_ref": "two", "uploader_ref": "alice-77"}
    )
    held = platform.client.gate(encoded("cat"), odd)
    review = NewDecisionReview(by="Kim", reason="It is a fake.", confirmed=True, outcome=Outcome.REFUSE)
    reviewed = platform.client.send(gate_calls.review_decision(held.id, review))
    dry = GateContext.model_validate({"signals": ("bad",), "dry_run": True})
    platform.client.gate(encoded("rocket"), dry)
    assert ours.outcome is Outcome.LABEL
    return Desk(world, platform, rival, ours, reviewed)


def new_picture() -> bytes:
    """Bytes of a picture that nobody sent before."""
    return encoded("hubble") + b"#" * next(numbers)


def test_each_decision_is_one_link_that_names_the_one_before(desk: Desk) -> None:
    before = len(desk.entries())
    asked = [desk.ask(new_picture(), content_ref=f"c{number}") for number in range(3)]
    assert [decision.number for decision in asked] == [before, before + 1, before + 2]
    entries = desk.entries()
    assert [entry.number for entry in entries] == list(range(before + 3))
    previous = FIRST_PREVIOUS
    for entry in entries:
        assert entry.previous.hex() == previous
        assert entry.digest == entry_digest(link_of(entry))
        assert entry.body is not None
        assert entry.salt is not None
        assert entry.commitment == commitment_to(entry.body, entry.salt)
        decision = Decision.model_validate_json(entry.body)
        verify_decision(decision, desk.platform.client.jwks())
        assert decision.match is None
        previous = entry.digest.hex()
    assert asked[1].previous == entries[before].digest.hex()
    verify_order(asked)
    assert {entry.publisher_id for entry in desk.entries(desk.rival)} == {desk.rival.publisher.id}
    assert desk.entries(desk.rival)[0].number == 0


def test_two_decisions_at_one_place_contradict_each_other(desk: Desk) -> None:
    other = desk.first.model_copy(update={"outcome": Outcome.REFUSE})
    verify_order([desk.first, desk.first.model_copy(update={"match": None})])
    with pytest.raises(BadDecisionChain, match="two decisions have the number"):
        verify_order([desk.first, other])


def test_a_review_is_a_link_of_its_own_and_the_first_answer_stays(desk: Desk) -> None:
    history = desk.platform.client.send(gate_calls.decision_history(desk.reviewed.id))
    assert [one.state for one in history] == [DecisionState.DECIDED, DecisionState.REVIEWED]
    assert [one.outcome for one in history] == [Outcome.HOLD, Outcome.REFUSE]
    assert history[1] == desk.platform.client.get_decision(desk.reviewed.id)
    for one in history:
        verify_decision(one, desk.platform.client.jwks())


def test_the_same_request_gets_the_same_decision(desk: Desk) -> None:
    content, before = new_picture(), len(desk.entries())
    one = desk.ask(content, key="the-same-request", content_ref="x", uploader_ref="u")
    for _ in range(2):
        again = desk.ask(content, key="the-same-request", content_ref="x", uploader_ref="u")
        assert again.model_copy(update={"match": None}) == one.model_copy(update={"match": None})
    assert len(desk.entries()) == before + 1
    for other in ({"content_ref": "y"}, {"uploader_ref": "v"}, {"text": "t"}, {"dry_run": True}):
        said: dict[str, Any] = {"content_ref": "x", "uploader_ref": "u", **other}
        with pytest.raises(ProblemError) as caught:
            desk.ask(content, key="the-same-request", **said)
        assert caught.value.code == "idempotency_conflict"
    with pytest.raises(ProblemError) as caught:
        desk.ask(new_picture(), key="the-same-request", content_ref="x", uploader_ref="u")
    assert caught.value.code == "idempotency_conflict"
    assert len(desk.entries()) == before + 1
    assert (
        desk.ask(content, party=desk.rival, key="the-same-request", content_ref="x", uploader_ref="u").id
        != one.id
    )


def test_eight_that_ask_the_same_at_once_get_one_decision(desk: Desk) -> None:
    content, before = new_picture(), len(desk.entries())
    clients = [desk.world.client(desk.platform.api_key.secret) for _ in range(8)]
    said = GateContext(content_ref="eight")

    def ask(number: int) -> Decision:
        return clients[number].gate(content, said, idempotency_key="eight-times")

    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(ask, range(8)))
    assert len({decision.id for decision in decisions}) == 1
    assert len(desk.entries()) == before + 1
    for decision in decisions:
        verify_decision(decision, desk.platform.client.jwks())


def question(desk: Desk, session: Session, sha256: str, key: str) -> Question:
    row = session.get(ApiKey, desk.platform.api_key.id)
    assert row is not None
    registry_key = desk.world.services.webhook_key
    asked = prepare(session, registry_key, row, GateContext(), sha256, sha256, key, "https://example.org")
    assert isinstance(asked, Question)
    return asked


def test_another_upload_with_the_same_key_at_the_same_time_gets_no_decision_of_the_first(
    desk: Desk,
) -> None:
    """Both were prepared before either was decided: what was allowed first must not allow the second."""
    signer = desk.world.services.signer
    with Session(desk.world.engine) as session:
        one, other = (question(desk, session, letter * 64, "both-at-once") for letter in "ab")
        first = deciding.wait_for_video(session, signer, one)
        assert first.state is DecisionState.WAITING
        with pytest.raises(IdempotencyConflict):
            deciding.wait_for_video(session, signer, other)
        session.rollback()


def test_many_at_once_make_one_whole_chain(desk: Desk) -> None:
    clients = [desk.world.client(party.api_key.secret) for party in (desk.platform, desk.rival) * 4]
    pictures = [new_picture() for _ in clients]
    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(lambda pair: pair[0].gate(pair[1]), zip(clients, pictures, strict=True)))
    verify_order([one for one in decisions if one.platform == desk.platform.publisher.id])
    desk.world.audit()


# What somebody with the database's password does. Every column has its case.
OF_A_DECISION = "WHERE id = :first"
OF_AN_ENTRY = "WHERE publisher_id = :platform AND number = 0"
DECISION_COLUMNS = {
    "id": "'01AAAAAAAAAAAAAAAAAAAAAAAA'",
    "publisher_id": ":rival, first_number = 1000000",
    "at": "at - interval '3 years'",
    "first_number": "first_number + 1000000",
    "number": "number + 1000000",
    "address": "repeat('0', 32)",
    "state": "'late'",
    "outcome": "'allow'",
    "rule_id": "'bad'",
    "pack_sha256": "repeat('0', 64)",
    "verdict": "'known_fake'",
    "record_id": "'urn:uuid:00000000-0000-0000-0000-000000000000'",
    "content_ref": "'another'",
    "uploader": "repeat('0', 64)",
    "content": "repeat('0', 64)",
    "is_dry_run": "NOT is_dry_run",
    "is_confirmed": "NOT is_confirmed",
    "api_key_id": "(SELECT id FROM api_key WHERE publisher_id = :rival)",
    "idempotency_key": "'another'",
    "request_sha256": "repeat('0', 64)",
    "job_id": "'another'",
}
ENTRY_COLUMNS = {
    "publisher_id": "'nobody'",
    "number": "1000000",
    "decision_id": "'01AAAAAAAAAAAAAAAAAAAAAAAA'",
    "state": "'reviewed'",
    "at": "at + interval '1 microsecond'",
    "api_key_id": "NULL",
    "is_stated": "NOT is_stated",
    "body": "replace(body, '\"label\"', '\"allow\"')",
    "salt": "sha256(salt)",
    "commitment": "sha256(commitment)",
    "previous": "sha256(previous)",
    "digest": "sha256(digest)",
}


def test_every_column_has_a_case_of_tampering() -> None:
    assert set(DECISION_COLUMNS) == columns_of(DecisionRow)
    assert set(ENTRY_COLUMNS) == columns_of(DecisionEntry)


def columns_of(table: type[SQLModel]) -> set[str]:
    return set(table.__table__.columns.keys())  # type: ignore[attr-defined]


@pytest.fixture
def session(desk: Desk) -> Iterator[Session]:
    """A session of somebody with the database's password, whose changes are undone."""
    with Session(desk.world.engine) as session:
        session.connection().execute(text(WHEN_TRIGGERS_ARE_OFF))
        yield session
        session.rollback()


def found_after(desk: Desk, session: Session, *statements: str) -> list[str]:
    """What an audit finds then."""
    values = {
        "first": desk.first.id,
        "reviewed": desk.reviewed.id,
        "platform": desk.platform.publisher.id,
        "rival": desk.rival.publisher.id,
    }
    for statement in statements:
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        changed = session.connection().execute(text(statement), used)
        assert changed.rowcount, "the case changes something"  # -1: it is about a table and no row
    return findings_in(desk, session)


def findings_in(desk: Desk, session: Session) -> list[str]:
    findings = audit(desk.world.services, session).findings
    return [finding.detail for finding in findings if finding.what == "decision"]


@pytest.mark.parametrize("column", DECISION_COLUMNS)
def test_an_audit_finds_what_was_changed_in_the_row_of_a_decision(
    desk: Desk, session: Session, column: str
) -> None:
    changed = f"UPDATE decision SET {column} = {DECISION_COLUMNS[column]} {OF_A_DECISION}"
    assert found_after(desk, session, changed)


@pytest.mark.parametrize("column", ENTRY_COLUMNS)
def test_an_audit_finds_what_was_changed_in_an_entry(desk: Desk, session: Session, column: str) -> None:
    changed = f"UPDATE decision_entry SET {column} = {ENTRY_COLUMNS[column]} {OF_AN_ENTRY}"
    assert found_after(desk, session, changed)


@pytest.mark.parametrize(
    "statements",
    [
        [f"DELETE FROM decision_entry {OF_AN_ENTRY}"],
        ["DELETE FROM decision_entry WHERE publisher_id = :platform AND number = 1"],
        ["DELETE FROM decision_entry WHERE publisher_id = :platform"],
        [f"DELETE FROM decision {OF_A_DECISION}"],
        ["DELETE FROM decision_entry WHERE decision_id = :first", f"DELETE FROM decision {OF_A_DECISION}"],
        ["DELETE FROM decision_entry WHERE decision_id = :reviewed AND state = 'reviewed'"],
        [
            "UPDATE decision_entry SET number = -1 WHERE publisher_id = :platform AND number = 0",
            "UPDATE decision_entry SET number = 0 WHERE publisher_id = :platform AND number = 1",
            "UPDATE decision_entry SET number = 1 WHERE publisher_id = :platform AND number = -1",
        ],
        [f"UPDATE decision_entry SET body = NULL, salt = NULL {OF_AN_ENTRY}"],
        [f"UPDATE decision_entry SET body = NULL {OF_AN_ENTRY}"],
        [f"UPDATE decision_entry SET salt = NULL {OF_AN_ENTRY}"],
        [
            f"UPDATE decision_entry SET body = NULL, salt = NULL {OF_AN_ENTRY}",
            f"DELETE FROM decision {OF_A_DECISION}",
        ],
        [
            # Without its salt nothing says whether a body is what the entry commits to.
            'UPDATE decision_entry SET salt = NULL, body = replace(body, \'"outcome":"label"\', '
            f'\'"outcome":"allow"\') {OF_AN_ENTRY}',
            f"UPDATE decision SET outcome = 'allow' {OF_A_DECISION}",
        ],
        ["UPDATE policy_pack SET text = text || '#' WHERE publisher_id = :platform"],
        ["UPDATE policy_pack SET sha256 = repeat('0', 64) WHERE publisher_id = :platform"],
        ["UPDATE policy_pack SET name = 'other' WHERE publisher_id = :platform"],
        ["UPDATE policy_pack SET version = '9.9.9' WHERE publisher_id = :platform"],
        ["DELETE FROM policy_pack WHERE publisher_id = :platform"],
        ["DELETE FROM policy_activation WHERE publisher_id = :platform"],
        ["UPDATE policy_activation SET mode = 'shadow' WHERE publisher_id = :platform"],
        ["UPDATE policy_activation SET effective_at = NULL WHERE publisher_id = :platform"],
        [
            "INSERT INTO policy_activation (publisher_id, number, mode, sha256, why, asked_by, asked_at, "
            "effective_at) SELECT publisher_id, number + 1, mode, sha256, why, asked_by, now(), now() "
            "FROM policy_activation WHERE publisher_id = :platform"
        ],
    ],
)
def test_an_audit_finds_what_was_deleted_swapped_or_put_in(
    desk: Desk, session: Session, statements: list[str]
) -> None:
    assert found_after(desk, session, *statements)


def test_an_audit_finds_a_decision_that_was_written_anew_with_its_links(
    desk: Desk, session: Session
) -> None:
    """Digests have no key, and nothing follows the last entry: nobody else can sign."""
    last = session.exec(
        select(DecisionEntry)
        .where(DecisionEntry.publisher_id == desk.platform.publisher.id)
        .order_by(col(DecisionEntry.number).desc())
    ).first()
    assert last is not None
    assert last.body is not None
    assert last.salt is not None
    said = json.loads(last.body)
    said["content_ref"] = "forged"
    last.body = json.dumps(said)
    last.commitment = commitment_to(last.body, last.salt)
    last.digest = entry_digest(link_of(last))
    row = session.get(DecisionRow, last.decision_id)
    assert row is not None
    row.content_ref = "forged"
    session.add_all([last, row])
    session.flush()
    assert findings_in(desk, session)


def test_an_audit_finds_that_decisions_were_forgotten_without_an_act(desk: Desk, session: Session) -> None:
    """The entry that says so follows the chain, as anybody can write it; no act tells of it."""
    platform = desk.platform.publisher.id
    place, _ = next_place(session, platform)
    told = {"decisions": 1, "first_number_up_to": place.number - 1, "before": now().isoformat()}
    append_entry(session, place, None, FORGOTTEN, json.dumps(told), desk.platform.api_key.id)
    assert found_after(
        desk,
        session,
        "UPDATE decision_entry SET body = NULL, salt = NULL WHERE publisher_id = :platform "
        "AND decision_id IS NOT NULL",
        "DELETE FROM decision WHERE publisher_id = :platform",
    )


def test_an_audit_goes_on_after_what_is_no_json(desk: Desk, session: Session) -> None:
    findings = found_after(desk, session, f"UPDATE decision_entry SET body = 'no JSON' {OF_AN_ENTRY}")
    assert any("does not say what it commits to" in one for one in findings)
    assert any("was no JSON" in one or "is no JSON" in one for one in findings)
    anew = found_after(desk, session, "DELETE FROM policy_activation WHERE publisher_id = :rival")
    assert any(one.startswith("activation 0 of") and one.endswith("is gone") for one in anew)


@pytest.mark.parametrize("escape", [r"\u0000", r"\\u0000", r"\\\u0000\u0000"])
def test_the_json_of_a_nul_is_read(session: Session, escape: str) -> None:
    """PostgreSQL refuses it, and one body that holds it would end every audit."""
    body = f'{{"a": "{escape}", "b": "c"}}'
    read = text(f"SELECT {json_of('body')} ->> 'a' FROM (VALUES (CAST(:body AS text))) AS given (body)")
    said = session.connection().execute(read, {"body": body}).scalar_one()
    assert said == json.loads(body)["a"].replace("\0", "\ufffd")


# Each changes one thing that only an act, the text of a pack or a decision tells of.
SETTINGS = "UPDATE gate_settings SET {} WHERE publisher_id = :platform"
PACKS = "UPDATE policy_pack SET {} WHERE publisher_id = :platform"


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (SETTINGS.format("two_people = false"), "the settings of the gate"),
        (SETTINGS.format("retention_days = 1"), "the settings of the gate"),
        (SETTINGS.format("dispute_url = 'https://evil.example/'"), "the settings of the gate"),
        (SETTINGS.format("dispute_url = NULL"), "the settings of the gate"),
        (SETTINGS.format("one_person_asked_by = 'x'"), "the settings of the gate"),
        ("DELETE FROM gate_settings WHERE publisher_id = :platform", "the settings of the gate"),
        (
            "INSERT INTO gate_settings (publisher_id, two_people, retention_days) "
            "VALUES (:rival, false, 730)",
            "the settings of the gate",
        ),
        (PACKS.format("title = 'x'"), "has another title, or other numbers"),
        (PACKS.format("rules = 0"), "has another title, or other numbers"),
        (PACKS.format("cases = 7"), "has another title, or other numbers"),
        (PACKS.format("added_by = NULL"), "was not added as the acts say"),
        (PACKS.format("added_at = added_at - interval '9 years'"), "was not added as the acts say"),
        ("DELETE FROM policy_pack WHERE publisher_id = :platform", "is gone, and decisions name it"),
        ("DELETE FROM policy_pack WHERE publisher_id = :platform", "is gone, and an act added it"),
        (
            "DROP TRIGGER decision_entry_is_append_only ON decision_entry",
            "decision_entry_is_append_only is missing or off",
        ),
        (
            "ALTER TABLE decision_entry DISABLE TRIGGER decision_entry_is_never_emptied",
            "decision_entry_is_never_emptied is missing or off",
        ),
        (
            "ALTER TABLE decision_entry ENABLE REPLICA TRIGGER decision_entry_is_append_only",
            "decision_entry_is_append_only is missing or off",
        ),
        (
            "CREATE OR REPLACE TRIGGER decision_entry_is_append_only BEFORE UPDATE OR DELETE ON "
            "decision_entry FOR EACH ROW WHEN (false) EXECUTE FUNCTION decision_entry_is_append_only()",
            "decision_entry_is_append_only is missing or off",
        ),
    ],
)
def test_an_audit_compares_packs_settings_and_triggers(
    desk: Desk, session: Session, statement: str, sentence: str
) -> None:
    with_settings(desk, session)
    assert findings_in(desk, session) == []
    assert any(sentence in one for one in found_after(desk, session, statement))


def with_settings(desk: Desk, session: Session) -> None:
    """The platform asks for two people, and one of them has asked to end that; undone with the session."""
    key = session.get(ApiKey, desk.platform.api_key.id)
    assert key is not None
    change_settings(session, key, NewGateSettings(two_people=True, dispute_url="https://ours.example/"))
    change_settings(session, key, NewGateSettings(two_people=False))
    session.flush()


def test_an_audit_reads_on_after_a_pack_that_is_none(desk: Desk, session: Session) -> None:
    """Its digest holds, since anybody can compute one."""
    none = (
        "INSERT INTO policy_pack (publisher_id, sha256, name, version, title, rules, cases, text, "
        f"added_at) VALUES (:rival, '{digest_of('- none')}', 'no', '1.0.0', 'none', 0, 0, '- none', now())"
    )
    taken = "DELETE FROM policy_activation WHERE publisher_id = :platform"
    findings = found_after(desk, session, none, taken)
    assert f"the text of policy pack {digest_of('- none')} is none" in findings
    assert any(one.startswith("activation 0 of") and one.endswith("is gone") for one in findings)


def test_an_untouched_chain_is_clean(desk: Desk, session: Session) -> None:
    assert findings_in(desk, session) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decision_entry SET state = 'late'",
        "UPDATE decision_entry SET body = '{}'",
        "UPDATE decision_entry SET body = NULL",
        "UPDATE decision_entry SET salt = NULL",
        "UPDATE decision_entry SET body = NULL, salt = NULL, at = now()",
        "UPDATE decision_entry SET body = NULL, salt = NULL, number = number + 1000",
        "UPDATE decision_entry SET body = NULL, salt = NULL, api_key_id = NULL",
        "UPDATE decision_entry SET body = NULL, salt = NULL, decision_id = NULL",
        "UPDATE decision_entry SET digest = previous",
        "DELETE FROM decision_entry",
        "TRUNCATE decision_entry",
        "TRUNCATE decision_entry CASCADE",
    ],
)
def test_the_database_refuses_to_change_entries(desk: Desk, statement: str) -> None:
    with pytest.raises(DBAPIError, match="decisions are appended"), desk.world.engine.begin() as connection:
        connection.execute(text(statement))


def test_what_was_forgotten_cannot_be_said_again(desk: Desk) -> None:
    with desk.world.engine.connect() as connection:
        forgotten = f"UPDATE decision_entry SET body = NULL, salt = NULL {OF_AN_ENTRY}"
        connection.execute(text(forgotten), {"platform": desk.platform.publisher.id})
        again = f"UPDATE decision_entry SET body = 'x', salt = 'x' {OF_AN_ENTRY}"
        with pytest.raises(DBAPIError, match="decisions are appended"):
            connection.execute(text(again), {"platform": desk.platform.publisher.id})
        connection.rollback()


@pytest.fixture
def later(desk: Desk) -> Iterator[Session]:
    """A session in which time is over for some; undone."""
    with Session(desk.world.engine) as session:
        yield session
        session.rollback()


def test_when_its_time_is_over_a_decision_is_gone_and_its_links_stay(desk: Desk, later: Session) -> None:
    platform = desk.platform.publisher.id
    before = len(desk.entries())
    decisions = later.exec(select(DecisionRow).where(DecisionRow.publisher_id == platform)).all()
    assert forget(later, REGISTRY, platform, now() + timedelta(days=1)) == len(decisions)
    entries = later.exec(select(DecisionEntry).where(DecisionEntry.publisher_id == platform)).all()
    told = [entry for entry in entries if entry.decision_id is None]
    assert len(entries) == before + 1
    assert [entry.state for entry in told] == [FORGOTTEN]
    assert all(entry.body is None and entry.salt is None for entry in entries if entry.decision_id)
    assert not later.exec(select(DecisionRow).where(DecisionRow.publisher_id == platform)).all()
    assert later.exec(select(DecisionRow).where(DecisionRow.publisher_id == desk.rival.publisher.id)).all()
    assert audit(desk.world.services, later).findings == ()
    assert forget(later, REGISTRY, platform, now() + timedelta(days=1)) == 0, "there is nothing left"
    assert audit(desk.world.services, later).findings == ()


def test_only_what_is_old_enough_is_forgotten(desk: Desk, later: Session) -> None:
    platform = desk.platform.publisher.id
    assert forget(later, REGISTRY, platform, desk.reviewed.at - timedelta(days=1)) == 0
    second = desk.platform.client.send(gate_calls.decision_history(desk.reviewed.id))[0]
    assert forget(later, REGISTRY, platform, second.at) == 1
    assert later.get(DecisionRow, desk.first.id) is None
    assert later.get(DecisionRow, desk.reviewed.id) is not None
    assert audit(desk.world.services, later).findings == ()
    assert forget(later, REGISTRY, platform, second.at + timedelta(microseconds=1)) == 1, "with its review"
    assert audit(desk.world.services, later).findings == ()


def test_more_may_not_be_deleted_than_was_told(desk: Desk, later: Session) -> None:
    platform = desk.platform.publisher.id
    second = desk.platform.client.send(gate_calls.decision_history(desk.reviewed.id))[0]
    forget(later, REGISTRY, platform, second.at)
    assert found_after(
        desk,
        later,
        "UPDATE decision_entry SET body = NULL, salt = NULL WHERE decision_id = :reviewed",
        "DELETE FROM decision WHERE id = :reviewed",
    )


def test_every_organisation_has_the_time_that_it_set(desk: Desk, later: Session) -> None:
    wanted = NewGateSettings(retention_days=1)
    desk.rival.client.send(gate_calls.change_gate_settings(wanted))
    later.connection().execute(text("UPDATE decision SET at = at - interval '2 days'"))
    forget_what_is_over(later, REGISTRY, desk.rival.publisher.id)
    left = set(later.exec(select(DecisionRow.publisher_id)).all())
    assert left == {desk.platform.publisher.id}


def test_dry_runs_count_for_nothing(desk: Desk) -> None:
    def ask(**said: Any) -> Decision:
        return desk.ask(new_picture(), uploader_ref="bob", **said)

    dry = ask(signals=("bad",), dry_run=True)
    assert (dry.dry_run, dry.outcome) == (True, Outcome.REFUSE)
    review = NewDecisionReview(by="Kim", reason="Indeed.", confirmed=True, outcome=Outcome.REFUSE)
    desk.platform.client.send(gate_calls.review_decision(dry.id, review))
    counted = {"uploader.refused", "uploader.confirmed_violations"}
    assert not counted & set(ask(signals=("bad",)).facts)
    assert ask().facts["uploader.refused"] == 1
    assert dry.id not in {one.id for one in listed(desk, dry_runs=False)}
    assert [one.id for one in listed(desk, dry_runs=True, uploader_ref="bob")] == [dry.id]
    content = new_picture()
    desk.ask(content, uploader_ref="carol", dry_run=True)
    assert desk.ask(content, uploader_ref="dave").facts["uploader.poster"] == "first"
    assert desk.ask(content, uploader_ref="carol").facts["uploader.poster"] == "resharer"


def listed(desk: Desk, **wanted: Any) -> tuple[Decision, ...]:
    return desk.platform.client.list_decisions(**wanted).decisions


def test_no_table_and_no_file_holds_who_uploaded_or_what_was_written(desk: Desk) -> None:
    said = {
        "uploader_ref": "planted-uploader-5d1",
        "text": "planted-text-8a2 forbidden",
        "content_ref": "c",
    }
    digests = set()
    for party in (desk.platform, desk.rival):
        decision = desk.ask(new_picture(), party=party, **said)
        assert decision.rule is not None
        assert decision.rule.rule == "text"
        digests.add(decision.uploader)
        video = party.client.gate(original("rocket"), GateContext.model_validate(said), wait=True)
        assert video.state is DecisionState.DECIDED
        assert video.uploader == decision.uploader
        late: dict[str, Any] = {**said, "deadline_ms": 1}
        desk.ask(new_picture(), party=party, **late)
    assert len(digests) == 2, "two platforms' digests of one person have nothing in common"
    assert hashlib.sha256(said["uploader_ref"].encode()).hexdigest() not in digests
    for planted in (said["uploader_ref"], "planted-text-8a2"):
        assert tables_with(desk.world, planted) == []
        assert files_with(Path(desk.world.settings.home), planted.encode()) == []
    assert tables_with(desk.world, desk.first.id), "the search finds what is there"


def tables_with(world: World, planted: str) -> list[str]:
    """Every table of the database that has it in any column, as text or as octets."""
    with world.engine.connect() as connection:
        tables = connection.execute(
            text("SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = "
                 "'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')")
        ).all()  # fmt: skip
        found = []
        for schema, name in tables:
            where = "WHERE one::text LIKE :text OR one::text LIKE :hex"
            query = f'SELECT count(*) FROM "{schema}"."{name}" AS one {where}'
            values = {"text": f"%{planted}%", "hex": f"%{planted.encode().hex()}%"}
            if connection.execute(text(query), values).scalar_one():
                found.append(name)
        return found


def files_with(folder: Path, planted: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and planted in path.read_bytes()]


def test_another_key_of_the_organisation_may_use_the_same_idempotency_key(desk: Desk) -> None:
    issued = desk.world.operator.issue_api_key(
        NewApiKey(publisher=desk.platform.publisher.id, scopes=ROLE_SCOPES[Role.PLATFORM])
    )
    content = new_picture()
    one = desk.ask(content, key="two-keys")
    other = desk.world.client(issued.secret).gate(content, GateContext(), idempotency_key="two-keys")
    assert one.id != other.id
    assert other.api_key == issued.id
