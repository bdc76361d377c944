"""Fingerprints that are registered without their picture: what they must hold, which are known."""

from sqlmodel import Session, col, select

from indexer.fingerprints.compute import has_insufficient_detail, upright
from indexer.fingerprints.hash_lists import NAMES as HASH_LISTS
from indexer.fingerprints.hash_lists import has_distinctive_value
from indexer.fingerprints.kinds import PDQ, Fingerprint, unpack_codes
from registry.errors import InsufficientDetail, InvalidFingerprint
from registry.services import Services
from registry.storage.models import Fingerprint as FingerprintRow
from registry.storage.models import Record
from registry.storage.models.records import ACTIVE

Value = tuple[str, int, bytes]  # kind, orientation, value


def require_findable(fingerprints: tuple[Fingerprint, ...]) -> None:
    """Refuses what no search would find. Raises InvalidFingerprint, InsufficientDetail."""
    has_hash_of_list = any(fingerprint.kind in HASH_LISTS for fingerprint in fingerprints)
    if upright(fingerprints, PDQ.name) is None and not has_hash_of_list:
        raise InvalidFingerprint(f"an upright {PDQ.name} is needed, or a hash of a list")
    if has_insufficient_detail(fingerprints):
        raise InsufficientDetail("the PDQ quality is missing or below 50")
    if upright(fingerprints, PDQ.name) is None and not has_distinctive_value(fingerprints):
        raise InsufficientDetail("unrelated pictures share this hash: it is that of a plain picture")


def record_of_same_values(
    services: Services, session: Session, publisher_id: str, fingerprints: tuple[Fingerprint, ...]
) -> Record | None:
    """The publisher's active record that names no file and has exactly these values.

    Where no digest names the content, its values do. They are looked up in the index, which must see what
    `session` sees.
    """
    wanted = {_value_of(fingerprint) for fingerprint in fingerprints}
    searched = services.index.by_kind
    first = next(
        one for one in fingerprints if one.orientation == 0 and one.kind in (PDQ.name, *HASH_LISTS)
    )
    hits = searched[first.kind].within(unpack_codes([first.value]), 0)
    of_publisher = select(Record).where(
        col(Record.id).in_(
            select(FingerprintRow.record_id).where(col(FingerprintRow.id).in_([hit.id for hit in hits]))
        ),
        Record.publisher_id == publisher_id,
        Record.status == ACTIVE,
        col(Record.digest_sha256).is_(None),
    )
    for record in session.exec(of_publisher.order_by(col(Record.log_index))) if hits else ():
        rows = session.exec(select(FingerprintRow).where(FingerprintRow.record_id == record.id))
        if {_value_of(row) for row in rows} == wanted:
            return record
    return None


def _value_of(fingerprint: Fingerprint | FingerprintRow) -> Value:
    return fingerprint.kind, fingerprint.orientation, fingerprint.value
