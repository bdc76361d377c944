"""Derives tree, checkpoint, fingerprint rows and index again, and lists every difference.

The steps in order: 1. entries and tiles, 2. head, checkpoint and the published file, 3. publishers and
their keys against the log, 4. records against their log entries and keys, 5. fingerprint rows and index
changes, 6. the index of this node, 7. previews. It changes nothing.
"""

from collections.abc import Iterator
from typing import Protocol

from sqlmodel import Session, col, func, select

from indexer.fingerprints.hash_lists import NAMES as HASH_LISTS
from indexer.fingerprints.kinds import KINDS, PDQ, Family
from registry.errors import LogRolledBack
from registry.index.access import IndexAccess
from registry.index.changes import REMOVE
from registry.log.transparency_log import Log, head_of
from registry.records.publishers import ENROLMENT, enrolment_of, key_validity
from registry.storage.blobs import Blobs
from registry.storage.models import (
    Fingerprint,
    IndexChange,
    LogEntry,
    LogTile,
    Publisher,
    PublisherKey,
    Record,
)
from registry.storage.models.records import ACTIVE, ERASED
from sdk.errors import SdkError
from sdk.keys import import_public_key
from sdk.merkle import leaf_hash, root_of
from sdk.models import AuditFinding, AuditReport
from sdk.records import commitment, log_entry, verify_record
from sdk.tiles import TILE_WIDTH, split_hashes

MAXIMUM_FINDINGS = 1000
STREAM_ROWS = 1000


class Audited(Protocol):
    """What is audited beside the rows: of a registry that runs, or of a copy that was restored."""

    @property
    def log(self) -> Log:
        """The log, which need not be able to sign."""
        ...

    @property
    def index(self) -> IndexAccess:
        """What is compared with the rows of fingerprints."""
        ...

    @property
    def blobs(self) -> Blobs:
        """Where previews are."""
        ...


def audit(services: Audited, session: Session) -> AuditReport:
    """Runs every step; a clean report has no findings."""
    services.log.lock(session)  # nothing moves while the parts are compared
    services.index.catch_up(session)
    findings: list[AuditFinding] = []
    entries: dict[int, bytes] = {}
    for step in (
        _check_tree(services, session, entries),
        _check_publishers(session, entries),
        _check_records(session, entries),
        _check_fingerprints(session),
        _check_index(services, session),
        _check_previews(services, session),
    ):
        for what, detail in step:
            if len(findings) < MAXIMUM_FINDINGS:
                findings.append(AuditFinding(what=what, detail=detail))
    return AuditReport(
        clean=not findings,
        records=session.exec(select(func.count()).select_from(Record)).one(),
        log_size=head_of(session).size,
        fingerprints=session.exec(select(func.count()).select_from(Fingerprint)).one(),
        findings=tuple(findings),
    )


Step = Iterator[tuple[str, str]]


def _check_tree(services: Audited, session: Session, entries: dict[int, bytes]) -> Step:
    head = head_of(session)
    rows = session.exec(
        select(LogEntry).order_by(col(LogEntry.index)).execution_options(yield_per=STREAM_ROWS)
    )
    hashes = []
    for expected, row in enumerate(rows):
        if row.index != expected:
            yield "log_entry", f"entry {expected} is missing"
            return
        entries[row.index] = row.entry
        hashes.append(leaf_hash(row.entry))
    if len(hashes) != head.size:
        yield "log_head", f"{len(hashes)} entries are stored, the head says {head.size}"
    if root_of(hashes) != head.root:
        yield "log_root", "the entries do not lead to the root hash of the head"
    yield from _check_tiles(session, hashes)
    try:
        services.log.require_sound(session)
    except LogRolledBack as error:
        yield "checkpoint", str(error)


def _check_tiles(session: Session, hashes: list[bytes]) -> Step:
    stored = {(tile.level, tile.number): tile.hashes for tile in session.exec(select(LogTile))}
    level = 0
    while hashes:
        full = []
        for number, start in enumerate(range(0, len(hashes), TILE_WIDTH)):
            tile = hashes[start : start + TILE_WIDTH]
            if split_hashes(stored.pop((level, number), b"")) != tile:
                yield "log_tile", f"tile {level}/{number} differs from its entries"
            if len(tile) == TILE_WIDTH:
                full.append(root_of(tile))
        hashes, level = full, level + 1
    for level, number in stored:
        yield "log_tile", f"tile {level}/{number} belongs to no entry"


def _check_publishers(session: Session, entries: dict[int, bytes]) -> Step:
    seen = set()
    for key, publisher in session.exec(select(PublisherKey, Publisher).join(Publisher)):
        if key.log_index is None or key.salt is None:
            yield "publisher", f"no log entry commits to key {key.kid} of publisher {publisher.id}"
            continue
        seen.add(key.log_index)
        committed = commitment(key.salt, enrolment_of(key, publisher))
        if entries.get(key.log_index) != log_entry(ENROLMENT, committed):
            what = f"name, identifier, role or key {key.kid} of publisher {publisher.id}"
            yield "publisher", f"{what} is not what log entry {key.log_index} commits to"
    kind = f'"type":"{ENROLMENT}"'.encode()
    for index, entry in entries.items():
        if kind in entry and index not in seen:
            yield "publisher", f"log entry {index} has no key"


def _check_records(session: Session, entries: dict[int, bytes]) -> Step:
    keys = {key.kid: key for key in session.exec(select(PublisherKey))}
    seen = set()
    for record in session.exec(select(Record).execution_options(yield_per=STREAM_ROWS)):
        seen.add(record.log_index)
        if record.status == ERASED:
            if record.jws or record.salt or record.digest_sha256:
                yield "erasure", f"record {record.id} is erased but not empty"
            continue
        yield from _check_record(record, keys[record.kid], entries.get(record.log_index))
    for index, entry in entries.items():
        if b'"type":"record"' in entry and index not in seen:
            yield "record", f"log entry {index} has no record"


def _check_record(record: Record, key: PublisherKey, entry: bytes | None) -> Step:
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


def _check_fingerprints(session: Session) -> Step:
    rows = session.exec(
        select(Fingerprint, Record.status)
        .join(Record, col(Record.id) == col(Fingerprint.record_id))
        .execution_options(yield_per=STREAM_ROWS)
    )
    searchable, findable = set(), set()
    for row, status in rows:
        kind = KINDS.get(row.kind)
        expected = 0 if kind is None else kind.size // 8 if kind.family is Family.BINARY else kind.size * 2
        if len(row.value) != expected:
            yield "fingerprint", f"row {row.id} of kind {row.kind} has {len(row.value)} bytes"
        if status == ACTIVE:
            searchable.add(row.id)
            if row.kind in (PDQ.name, *HASH_LISTS):  # a list of others holds no PDQ
                findable.add(row.record_id)
        if status == ERASED:
            yield "erasure", f"erased record {row.record_id} still has fingerprints"
    active = set(session.exec(select(Record.id).where(Record.status == ACTIVE)))
    if len(active) != head_of(session).active_records:
        yield (
            "log_head",
            f"{len(active)} records are active, the head counts {head_of(session).active_records}",
        )
    for record_id in active - findable:
        yield "fingerprint", f"active record {record_id} has no {PDQ.name}"
    in_outbox: set[int] = set()
    for change in session.exec(select(IndexChange).order_by(col(IndexChange.seq))):
        ids = set(change.fingerprint_ids)
        in_outbox = in_outbox - ids if change.operation == REMOVE else in_outbox | ids
    if in_outbox != searchable:
        yield "index_changes", f"{len(in_outbox ^ searchable)} rows are not what the outbox says of them"


def _check_index(services: Audited, session: Session) -> Step:
    for difference in services.index.check(session):
        yield "index", difference


def _check_previews(services: Audited, session: Session) -> Step:
    kept = select(Record.id, Record.preview_key).where(col(Record.preview_key).is_not(None))
    for record_id, key in session.exec(kept).all():
        if key is not None and services.blobs.get(key) is None:
            yield "preview", lost_preview(record_id)


def lost_preview(record_id: str) -> str:
    """What is said of a preview that is not there."""
    return f"the preview of record {record_id} is lost"
