"""Compares publishers, records and fingerprints with the log and with one another.

Rows pass by one after another, or the database compares them: nothing here grows with the registry.
"""

from sqlalchemy import text
from sqlmodel import Session, col, func, select

from indexer.fingerprints.hash_lists import NAMES as HASH_LISTS
from indexer.fingerprints.kinds import KINDS, PDQ, Family
from registry.index.changes import REMOVE
from registry.log.transparency_log import head_of
from registry.operate.findings import STREAM_ROWS, Findings
from registry.records.publishers import ENROLMENT, enrolment_of, key_validity
from registry.storage.models import Fingerprint, LogEntry, Publisher, PublisherKey, Record
from registry.storage.models.columns import CLOCKS_DIFFER_BY, now
from registry.storage.models.records import ACTIVE, ERASED
from sdk.errors import SdkError
from sdk.keys import import_public_key
from sdk.records import commitment, log_entry, verify_record

OF_TYPE = "position(CAST(:kind AS bytea) IN entry) > 0"  # entries of one type; text alone would be decoded
ENTRIES_WITHOUT = {
    "key": "NOT EXISTS (SELECT 1 FROM publisher_key WHERE log_index = index AND salt IS NOT NULL)",
    "record": "NOT EXISTS (SELECT 1 FROM record WHERE log_index = index)",
}
# Of every fingerprint that was ever in the index the last change counts.
OUTBOX_DIFFERENCES = """
    WITH said AS (
        SELECT DISTINCT ON (id) id, operation FROM index_change, unnest(fingerprint_ids) AS id
        ORDER BY id, seq DESC
    ),
    held AS (SELECT id FROM said WHERE operation <> :remove),
    wanted AS (
        SELECT fingerprint.id FROM fingerprint JOIN record ON record.id = record_id WHERE status = :active
    )
    SELECT count(*) FROM held FULL JOIN wanted ON held.id = wanted.id
    WHERE held.id IS NULL OR wanted.id IS NULL
"""


def check_publishers(session: Session) -> Findings:
    """Compares names, identifiers, roles and keys with what the log commits to."""
    rows = session.exec(
        select(PublisherKey, Publisher, LogEntry.entry)
        .join(Publisher, col(Publisher.id) == col(PublisherKey.publisher_id))
        .join(LogEntry, col(LogEntry.index) == col(PublisherKey.log_index), isouter=True)
    )
    for key, publisher, entry in rows:
        if key.log_index is None or key.salt is None:
            yield "publisher", f"no log entry commits to key {key.kid} of publisher {publisher.id}"
        elif entry != log_entry(ENROLMENT, commitment(key.salt, enrolment_of(key, publisher))):
            what = f"name, identifier, role or key {key.kid} of publisher {publisher.id}"
            yield "publisher", f"{what} is not what log entry {key.log_index} commits to"
    yield from _left_over(session, ENROLMENT, "publisher", "key")


def check_records(session: Session) -> Findings:
    """Compares every record with its log entry, its key and its signed statement."""
    keys = {key.kid: key for key in session.exec(select(PublisherKey))}
    rows = session.exec(
        select(Record, LogEntry.entry)
        .join(LogEntry, col(LogEntry.index) == col(Record.log_index), isouter=True)
        .execution_options(yield_per=STREAM_ROWS)
    )
    latest, too_late = now() + CLOCKS_DIFFER_BY, 0
    for record, entry in rows:
        too_late += record.registered_at > latest
        if record.status != ERASED:
            yield from _check_record(record, keys[record.kid], entry)
        elif record.jws or record.salt or record.digest_sha256:
            yield "erasure", f"record {record.id} is erased but not empty"
    if too_late:
        yield "clock", f"{too_late} records were registered at a time that has not come yet"
    yield from _left_over(session, "record", "record", "record")


def _left_over(session: Session, entry_type: str, what: str, missing: str) -> Findings:
    found = text(
        f"SELECT index FROM log_entry WHERE {OF_TYPE} AND {ENTRIES_WITHOUT[missing]} ORDER BY index"
    )
    kind = f'"type":"{entry_type}"'.encode()
    for (index,) in session.connection().execute(found, {"kind": kind}):
        yield what, f"log entry {index} has no {missing}"


def _check_record(record: Record, key: PublisherKey, entry: bytes | None) -> Findings:
    if record.jws is None or record.salt is None:
        yield "record", f"record {record.id} lost its signed bytes or its salt"
        return
    if entry != log_entry("record", commitment(record.salt, record.jws.encode())):
        yield "record", f"record {record.id} is not what log entry {record.log_index} commits to"
    try:
        statement = verify_record(record.jws, import_public_key(key.jwk))
    except SdkError as error:
        yield "record", f"record {record.id}: {error}"
        return
    if record.publisher_id != key.publisher_id:
        yield "record", f"record {record.id} is of another publisher than the key that signed it"
    said = (statement.digest_sha256, statement.asset_class.value, statement.label)
    if said != (record.digest_sha256, record.asset_class, record.label):
        yield "record", f"the row of record {record.id} says something else than its signed statement"
    if statement.intimate and not record.intimate:
        yield (
            "record",
            f"record {record.id} is intimate by its signed statement, and its row says otherwise",
        )
    validity = key_validity(key, record.registered_at)
    if not validity.valid:
        yield "record", f"record {record.id} was signed with a key that was not valid: {validity.reason}"


def check_fingerprints(session: Session) -> Findings:
    """Looks at lengths, and at what is missing or left over; compares rows with the index's changes."""
    yield from _lengths(session)
    of_erased = select(Record.id).where(
        Record.status == ERASED, select(Fingerprint.id).where(Fingerprint.record_id == Record.id).exists()
    )
    for record_id in session.exec(of_erased):
        yield "erasure", f"erased record {record_id} still has fingerprints"
    active = session.exec(select(func.count()).select_from(Record).where(Record.status == ACTIVE)).one()
    if active != head_of(session).active_records:
        yield "log_head", f"{active} records are active, the head counts {head_of(session).active_records}"
    findable = (PDQ.name, *HASH_LISTS)  # a list of others holds no PDQ
    has_one = select(Fingerprint.id).where(
        Fingerprint.record_id == Record.id, col(Fingerprint.kind).in_(findable)
    )
    for record_id in session.exec(select(Record.id).where(Record.status == ACTIVE, ~has_one.exists())):
        yield "fingerprint", f"active record {record_id} has no {PDQ.name}"
    named = {"remove": REMOVE, "active": ACTIVE}
    differing = session.connection().execute(text(OUTBOX_DIFFERENCES), named).scalar_one()
    if differing:
        yield "index_changes", f"{differing} rows are not what the outbox says of them"


def _lengths(session: Session) -> Findings:
    length = func.octet_length(Fingerprint.value)
    for name in session.exec(select(Fingerprint.kind).distinct()).all():
        kind = KINDS.get(name)
        expected = 0 if kind is None else kind.size // 8 if kind.family is Family.BINARY else kind.size * 2
        wrong = select(Fingerprint.id, length).where(Fingerprint.kind == name, length != expected)
        for row_id, octets in session.exec(wrong.execution_options(yield_per=STREAM_ROWS)):
            yield "fingerprint", f"row {row_id} of kind {name} has {octets} bytes"
