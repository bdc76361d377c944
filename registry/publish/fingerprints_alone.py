"""Fingerprints that are registered without their picture: what they must hold, which are known.

Whoever sends them may send what is of no picture, or of several. What can be told from the values alone is
refused here; what cannot is why matches of such records are moderate at most (`registry.match.matched`).
"""

from sqlmodel import Session, col, select

from indexer.fingerprints.compute import has_insufficient_detail, upright
from indexer.fingerprints.hash_lists import NAMES as HASH_LISTS
from indexer.fingerprints.hash_lists import has_distinctive_value
from indexer.fingerprints.kinds import PDQ, Fingerprint, hamming, unpack_codes
from indexer.fingerprints.pdq import turned_codes
from registry.errors import InconsistentFingerprints, InsufficientDetail, InvalidFingerprint
from registry.services import Services
from registry.storage.models import Fingerprint as FingerprintRow
from registry.storage.models import Record
from registry.storage.models.records import ACTIVE

Value = tuple[str, int, bytes]  # kind, orientation, value

# Twice the most that differ among 596 photographs (`pdq.turned_codes`); of unrelated values one in 10^15
# differs in so few.
MOST_BITS_OF_TURNING = 64
# PDQ compares with the median, so that half of the bits are set, and fewer only where many coefficients are
# equal. Five standard deviations of a random value.
LEAST_BITS_SET, MOST_BITS_SET = 88, 168


def require_findable(fingerprints: tuple[Fingerprint, ...]) -> None:
    """Refuses what no search would find. Raises InvalidFingerprint, InsufficientDetail."""
    has_hash_of_list = any(fingerprint.kind in HASH_LISTS for fingerprint in fingerprints)
    if upright(fingerprints, PDQ.name) is None and not has_hash_of_list:
        raise InvalidFingerprint(f"an upright {PDQ.name} is needed, or a hash of a list")
    if has_insufficient_detail(fingerprints):
        raise InsufficientDetail("the PDQ quality is missing or below 50")
    if upright(fingerprints, PDQ.name) is None and not has_distinctive_value(fingerprints):
        raise InsufficientDetail("unrelated pictures share this hash: it is that of a plain picture")


def require_one_picture(fingerprints: tuple[Fingerprint, ...]) -> None:
    """Refuses values that cannot be those of one picture. Raises InconsistentFingerprints.

    1. All values of PDQ have the quality of the upright one, or none.
    2. About half of the bits of the upright value are set.
    3. The values of the other orientations follow from it, but for bits near the median.

    That each orientation has one value is asked of every query too (`UploadReader.read_fingerprints`).
    """
    codes = [value for value in fingerprints if value.kind not in HASH_LISTS]
    pdq = upright(fingerprints, PDQ.name)
    if pdq is None:
        return
    turned = [value for value in codes if value.kind == PDQ.name]
    if {value.quality for value in turned} - {None, pdq.quality}:
        raise InconsistentFingerprints(f"one picture has one quality, and several of {PDQ.name} came")
    if not LEAST_BITS_SET <= int.from_bytes(pdq.value, "big").bit_count() <= MOST_BITS_SET:
        raise InconsistentFingerprints(f"a value of {PDQ.name} has about half of its bits set")
    implied = turned_codes(pdq.value)
    if any(hamming(value.value, implied[value.orientation]) > MOST_BITS_OF_TURNING for value in turned):
        raise InconsistentFingerprints(f"the values of {PDQ.name} are not the orientations of one picture")


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
