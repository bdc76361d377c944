"""Reads records: summaries without fingerprints, and receipts that verify offline."""

import base64
from collections.abc import Iterable, Sequence

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, or_, select

from registry.errors import RecordErased, UnknownRecord
from registry.log.published import prove
from registry.log.transparency_log import Log
from registry.records.standing import standings_of
from registry.storage.models import DeclaredSource, Dispute, Publisher, PublisherKey, Record
from registry.storage.models.records import ACTIVE, ERASED
from sdk.checkpoint import VerifierKey
from sdk.models import DeclaredSource as WireDeclaredSource
from sdk.models import OperationType, Receipt, RecordSummary, SourceAgreement
from sdk.records import AssetClass, Relation

URN_PREFIX = "urn:uuid:"


def get_record(session: Session, record_id: str) -> Record:
    """Returns a record by its id, with or without its prefix. Raises UnknownRecord."""
    record = session.get(Record, record_id.removeprefix(URN_PREFIX))
    if record is None:
        raise UnknownRecord(f"no record has the id {record_id[:60]!r}")
    return record


def summaries_of(session: Session, records: Iterable[Record]) -> dict[str, RecordSummary]:
    """Returns what anybody may read of these records, by id."""
    rows = list(records)
    if not rows:
        return {}
    ids = [record.id for record in rows]
    publishers = {record.publisher_id for record in rows}
    known = select(Publisher.id, Publisher.name).where(col(Publisher.id).in_(publishers))
    names = dict(session.exec(known).all())
    declared = session.exec(select(DeclaredSource).where(col(DeclaredSource.record_id).in_(ids))).all()
    disputes = _rival_claims(session, ids)
    standings = standings_of(session, rows, declared)
    return {
        record.id: RecordSummary(
            id=record.id,
            label=record.label,
            asset_class=AssetClass(record.asset_class),
            publisher=record.publisher_id,
            publisher_name=names[record.publisher_id],
            registered_at=record.registered_at,
            status=record.status,
            disputed_with=_other_sides(disputes, record.id),
            fake=standings.get(record.id),
            declared_sources=tuple(
                WireDeclaredSource(
                    relation=source.relation,
                    target=source.target,
                    origin="declared",
                    agreement=SourceAgreement(source.agreement),
                    operations=tuple(OperationType(name) for name in source.operations),
                )
                for source in declared
                if source.record_id == record.id
            ),
            log_index=record.log_index,
            intimate=record.intimate,
            media_seen=record.is_media_seen or record.status == ERASED,
            duration_s=None if record.duration_ms is None else round(record.duration_ms / 1000, 3),
            preview=f"/v1/records/{record.id}/preview" if record.preview_key else None,
        )
        for record in rows
    }


def sources_of(session: Session, found: Iterable[RecordSummary]) -> list[Record]:
    """Returns the records here that these are declared and confirmed to be derived from, in no order.

    Not those that were erased: nothing is left of them that could be named.
    """
    targets = {
        source.target
        for record in found
        for source in record.declared_sources
        if source.relation == Relation.DERIVED_FROM and source.agreement is SourceAgreement.CONFIRMED
    }
    if not targets:
        return []
    known = select(Record).where(col(Record.id).in_(targets), Record.status != ERASED)
    return list(session.exec(known))


def _rival_claims(session: Session, ids: list[str]) -> Sequence[Dispute]:
    """Disputes between records that both stand and both are said to be authentic."""
    claim, other = aliased(Record), aliased(Record)
    authentic = AssetClass.AUTHENTIC.value
    return session.exec(
        select(Dispute)
        .join(claim, col(claim.id) == col(Dispute.record_id))
        .join(other, col(other.id) == col(Dispute.other_id))
        .where(
            or_(col(Dispute.record_id).in_(ids), col(Dispute.other_id).in_(ids)),
            claim.asset_class == authentic,
            other.asset_class == authentic,
            claim.status == ACTIVE,
            other.status == ACTIVE,
        )
    ).all()


def _other_sides(disputes: Iterable[Dispute], record_id: str) -> tuple[str, ...]:
    sides = {dispute.other_id for dispute in disputes if dispute.record_id == record_id}
    sides |= {dispute.record_id for dispute in disputes if dispute.other_id == record_id}
    return tuple(sorted(sides))


def summary_of(session: Session, record: Record) -> RecordSummary:
    """Returns what anybody may read of this record."""
    return summaries_of(session, [record])[record.id]


def receipt_of(session: Session, log: Log, record: Record, log_key: VerifierKey | None = None) -> Receipt:
    """Returns the record, proved under the published checkpoint. Raises RecordErased, NotCosigned.

    `log_key`: the log's newest key, where the caller knows it for this transaction.
    """
    if record.status == ERASED or record.jws is None or record.salt is None:
        raise RecordErased("record and salt were erased; the log entry alone says nothing")
    entry, proof = prove(session, log, record.log_index)
    key = session.get(PublisherKey, record.kid)
    assert key is not None, "a record always has its key"
    return Receipt(
        record=record.jws,
        salt=base64.b64encode(record.salt).decode(),
        entry=base64.b64encode(entry).decode(),
        proof=proof,
        publisher_key={name: str(value) for name, value in key.jwk.items()},
        log_key=(log_key or log.current_key(session)).text(),
    )


def newest_records(session: Session, before: int | None, limit: int) -> list[Record]:
    """Returns records, newest first, by log index; those below `before`, where a listing goes on."""
    query = select(Record).order_by(col(Record.log_index).desc()).limit(limit)
    if before is not None:
        query = query.where(col(Record.log_index) < before)
    return list(session.exec(query))
