"""Whatever somebody with the database's password changes of decisions and policies, an audit names."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel, col, select

from registry.gate import deciding
from registry.gate.chain import FORGOTTEN, append_entry, link_of, next_place
from registry.gate.decisions import forget
from registry.gate.gate_settings import change_settings
from registry.gate.packs import digest_of
from registry.operate.audit import audit
from registry.operate.check_decisions import json_of
from registry.records.acts import REGISTRY
from registry.storage.models import ApiKey, DecisionEntry
from registry.storage.models import Decision as DecisionRow
from registry.storage.models.columns import now
from sdk import gate_calls
from sdk.decisions import commitment_to, entry_digest
from sdk.models import Failure, NewGateSettings
from tests.registry.gate.desk import Desk, question

WHEN_TRIGGERS_ARE_OFF = "SET LOCAL session_replication_role = replica"  # for whoever has the password
# What is set, of one row. Every column has its case.
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


@pytest.mark.parametrize("body", ["'no JSON'", "repeat('[', 20000)"])
def test_an_audit_goes_on_after_what_is_no_json(desk: Desk, session: Session, body: str) -> None:
    findings = found_after(desk, session, f"UPDATE decision_entry SET body = {body} {OF_AN_ENTRY}")
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
            "decision_entry_is_append_only is missing, off or another",
        ),
        (
            "ALTER TABLE decision_entry DISABLE TRIGGER decision_entry_is_never_emptied",
            "decision_entry_is_never_emptied is missing, off or another",
        ),
        (
            "ALTER TABLE decision_entry ENABLE REPLICA TRIGGER decision_entry_is_append_only",
            "decision_entry_is_append_only is missing, off or another",
        ),
        (
            "CREATE OR REPLACE FUNCTION decision_entry_is_append_only() RETURNS trigger LANGUAGE plpgsql "
            "AS $$ BEGIN RETURN NEW; END $$",
            "decision_entry_is_never_emptied is missing, off or another",
        ),
        (
            "CREATE OR REPLACE TRIGGER decision_entry_is_append_only BEFORE UPDATE OR DELETE ON "
            "decision_entry FOR EACH ROW WHEN (false) EXECUTE FUNCTION decision_entry_is_append_only()",
            "decision_entry_is_append_only is missing, off or another",
        ),
        (
            "CREATE RULE quiet AS ON INSERT TO decision_entry DO INSTEAD NOTHING",
            "the trigger, rule or row policy quiet on decision_entry",
        ),
        (
            "CREATE TRIGGER quiet BEFORE INSERT ON decision FOR EACH ROW WHEN (new.outcome = 'refuse') "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "the trigger, rule or row policy quiet on decision",
        ),
        (
            "CREATE POLICY quiet ON gate_settings USING (false)",
            "the trigger, rule or row policy quiet on gate_settings",
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


def test_an_audit_finds_that_a_job_decided_about_something_else(desk: Desk, session: Session) -> None:
    """What a job is asked lies in its row, until the registry signs what comes of it."""
    signer = desk.world.services.signer
    asked = question(desk, session, "d" * 64, "of-a-job").as_job("of-a-job")
    deciding.wait_for_video(session, signer, asked)
    assert findings_in(desk, session) == []
    other = replace(asked, asked=replace(asked.asked, uploader="ff" * 32))
    decision = deciding.fail(session, signer, other, Failure(code=deciding.DEADLINE, detail=""))
    assert findings_in(desk, session) == [
        f"the row of decision {decision.id} does not say what its entries say"
    ]


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


def test_more_may_not_be_deleted_than_was_told(desk: Desk, session: Session) -> None:
    platform = desk.platform.publisher.id
    second = desk.platform.client.send(gate_calls.decision_history(desk.reviewed.id))[0]
    forget(session, REGISTRY, platform, second.at)
    assert found_after(
        desk,
        session,
        "UPDATE decision_entry SET body = NULL, salt = NULL WHERE decision_id = :reviewed",
        "DELETE FROM decision WHERE id = :reviewed",
    )
