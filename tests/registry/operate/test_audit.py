"""Whatever somebody with the database's password changes, an audit names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session

from registry.operate.audit import MAXIMUM_FINDINGS, audit
from sdk.models import AuditReport
from tests.pictures import encoded
from tests.world import World


@pytest.fixture(scope="module")
def world(world_of_module: World) -> World:
    """Two active records, one that was withdrawn and one that was erased."""
    desk = world_of_module.enrol("Daily Example")
    for subject in ("coffee", "cat", "rocket", "astronaut"):
        record = world_of_module.register(desk, encoded(subject), subject, intimate=subject == "cat").record
        if subject == "rocket":
            desk.client.withdraw(record.id)
        if subject == "astronaut":
            desk.client.erase(record.id)
    return world_of_module


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """A session whose changes are undone."""
    with Session(world.engine) as session:
        yield session
        session.rollback()


def audit_after(world: World, session: Session, *statements: str) -> AuditReport:
    for statement in statements:
        assert session.connection().execute(text(statement)).rowcount, "the case changes something"
    return audit(world.services, session)


def test_a_registry_that_nobody_touched_is_clean_and_counted(world: World, session: Session) -> None:
    report = audit(world.services, session)
    assert report.clean
    assert report.findings == ()
    assert (report.records, report.log_size) == (4, 7)  # a key, 4 records, withdrawn, erased
    assert report.fingerprints > 0


ONE_ACTIVE = "WHERE label = 'coffee'"
THE_DESK = "WHERE role = 'publisher'"
ITS_ROWS = f"WHERE record_id = (SELECT id FROM record {ONE_ACTIVE})"


@pytest.mark.parametrize(
    ("statement", "what", "detail"),
    [
        ("DELETE FROM log_entry WHERE index = 2", "log_entry", "entry 2 is missing"),
        ("DELETE FROM log_entry WHERE index = 6", "log_head", "6 entries are stored, the head says 7"),
        (
            "UPDATE log_entry SET entry = sha256(entry) WHERE index = 1",
            "log_root",
            "do not lead to the root",
        ),
        ("UPDATE log_tile SET hashes = sha256(hashes)", "log_tile", "tile 0/0 differs from its entries"),
        (
            "INSERT INTO log_tile SELECT level + 3, number, hashes FROM log_tile",
            "log_tile",
            "tile 3/0 belongs to no entry",
        ),
        ("UPDATE log_head SET size = size + 1", "checkpoint", "head of the log and its checkpoint differ"),
        ("UPDATE log_head SET checkpoint = 'forged'", "checkpoint", "is not signed by this key"),
        ("UPDATE log_head SET active_records = 7", "log_head", "2 records are active, the head counts 7"),
        (
            f"UPDATE record SET label = 'forged' {ONE_ACTIVE}",
            "record",
            "says something else than its signed",
        ),
        (f"UPDATE record SET asset_class = 'known_fake' {ONE_ACTIVE}", "record", "says something else"),
        ("UPDATE record SET intimate = false", "record", "is intimate by its signed statement"),
        (f"UPDATE record SET salt = sha256(salt) {ONE_ACTIVE}", "record", "commits to"),
        (f"UPDATE record SET jws = replace(jws, '.', '.A') {ONE_ACTIVE}", "record", "commits to"),
        (f"UPDATE record SET jws = NULL {ONE_ACTIVE}", "record", "lost its signed bytes or its salt"),
        (f"UPDATE record SET log_index = 77 {ONE_ACTIVE}", "record", "log entry 1 has no record"),
        (
            "UPDATE publisher SET name = 'Dally Example' WHERE role = 'publisher'",
            "publisher",
            "name, identif",
        ),
        (
            "UPDATE publisher SET did = 'did:web:example.org' WHERE role = 'publisher'",
            "publisher",
            "name, id",
        ),
        (
            "UPDATE publisher SET role = 'researcher' WHERE role = 'publisher'",
            "publisher",
            "name, identifier",
        ),
        ("UPDATE publisher_key SET salt = NULL", "publisher", "no log entry commits to key"),
        ("UPDATE publisher_key SET log_index = NULL", "publisher", "log entry 0 has no key"),
        ("UPDATE publisher_key SET valid_from = '2020-01-01'", "publisher", "is not what log entry 0"),
        ("UPDATE publisher_key SET revoked_at = '2020-01-01'", "record", "a key that was not valid"),
        ("UPDATE publisher_key SET valid_from = '2100-01-01'", "record", "a key that was not valid"),
        ("UPDATE record SET salt = 'x' WHERE status = 'erased'", "erasure", "is erased but not empty"),
        (
            "UPDATE fingerprint SET record_id = (SELECT id FROM record WHERE status = 'erased') "
            "WHERE kind = 'pdq.v1'",
            "erasure",
            "still has fingerprints",
        ),
        (f"UPDATE fingerprint SET value = 'short' {ITS_ROWS}", "fingerprint", "of kind pdq.v1 has 5 bytes"),
        (f"DELETE FROM fingerprint {ITS_ROWS} AND kind = 'pdq.v1'", "fingerprint", "has no pdq.v1"),
        (
            f"UPDATE fingerprint SET value = sha256(value) {ITS_ROWS} AND kind = 'pdq.v1'",
            "index",
            "differs",
        ),
        ("DELETE FROM index_change", "index_changes", "20 rows are not what the outbox says"),
        (
            f"UPDATE record SET registered_at = 'infinity' {ONE_ACTIVE}",
            "clock",
            "has not come yet",
        ),
        ("UPDATE publisher_key SET jwk = '[]'", "record", "cannot be read"),
        (f"UPDATE record SET preview_key = '../x' {ONE_ACTIVE}", "preview", "is lost"),
        (
            "UPDATE publisher_key SET jwk = CAST(repeat('[', 3000) || repeat(']', 3000) AS jsonb)",
            "record",
            "cannot be read",
        ),
        (f"UPDATE record SET status = 'withdrawn' {ONE_ACTIVE}", "record", "withdrawn, and no act says so"),
        (f"UPDATE record SET preview_key = 'previews/aa/lost.webp' {ONE_ACTIVE}", "preview", "is lost"),
    ],
)
def test_an_audit_names_what_was_tampered_with(
    world: World, session: Session, statement: str, what: str, detail: str
) -> None:
    report = audit_after(world, session, statement)
    assert not report.clean
    assert [finding for finding in report.findings if finding.what == what and detail in finding.detail], (
        report.findings
    )


def test_a_report_ends_after_so_many_findings(world: World, session: Session) -> None:
    more = MAXIMUM_FINDINGS + 5
    report = audit_after(
        world,
        session,
        f"INSERT INTO log_tile SELECT 9, generate_series, '' FROM generate_series(1, {more})",
    )
    assert len(report.findings) == MAXIMUM_FINDINGS
    assert not report.clean


def test_every_kind_of_finding_has_a_row_of_what_to_do() -> None:
    root = Path(__file__).parents[3]
    sources = [root / "registry/operate/audit.py", *(root / "registry/operate").glob("check_*.py")]
    found = {
        kind for path in sources for kind in re.findall(r'(?:yield \(?\s*|what=)"(\w+)"', path.read_text())
    }
    page = (root / "docs/operations/incident.md").read_text()
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", page, re.MULTILINE)
    told = {kind for row in rows for kind in re.findall(r"`(\w+)`", row)}
    assert found <= told, found - told
    assert {"keys", "act", "log_tile", "erasure", "preview"} <= found
