"""What outsiders see of the log: checkpoint, proofs and tiles, no further than the published checkpoint.

That is the newest one, or where witnesses are configured, the newest that enough of them cosigned.
"""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from registry.errors import NotCosigned, UnknownEntry
from registry.log.transparency_log import Log, head_of, tile_reader
from registry.storage.models import LogEntry, LogTile, WitnessedCheckpoint
from sdk.merkle import HASH_SIZE
from sdk.tiles import TILE_WIDTH, consistency_proof, inclusion_proof, join_bundle, published_width
from sdk.tlog_proof import format_tlog_proof


@dataclass(frozen=True)
class Published:
    """The checkpoint that everybody is shown."""

    size: int
    checkpoint: str  # a signed note, with the lines of witnesses where there are any


def published_of(session: Session, log: Log) -> Published:
    """Reads what is published as of now. Raises NotCosigned where witnesses have cosigned nothing yet."""
    if not log.witnessed:
        head = head_of(session)
        return Published(head.size, head.checkpoint)
    newest = select(WitnessedCheckpoint).execution_options(populate_existing=True)
    row = session.exec(newest).first()
    if row is None:
        raise NotCosigned("no checkpoint of this log was cosigned yet")
    return Published(row.size, row.checkpoint)


def published_size(session: Session, log: Log) -> int:
    """Reads over how many entries the published checkpoint is; 0 where there is none yet."""
    try:
        return published_of(session, log).size
    except NotCosigned:
        return 0


def prove(session: Session, log: Log, index: int) -> tuple[bytes, str]:
    """Returns an entry and its tlog-proof file under the published checkpoint.

    Raises UnknownEntry, or NotCosigned where the entry is there and no witnessed checkpoint covers it.
    """
    published = published_of(session, log)
    entry = session.get(LogEntry, index) if 0 <= index < 2**63 else None
    if entry is None:
        raise UnknownEntry(f"the log has {published.size} entries")
    if index >= published.size:
        if log.witnessed:
            raise NotCosigned("the entry is stored; too few witnesses have cosigned it by now")
        raise UnknownEntry(f"the log has {published.size} entries")
    hashes = inclusion_proof(tile_reader(session), index, published.size)
    return entry.entry, format_tlog_proof(index, hashes, published.checkpoint)


def prove_consistency(session: Session, log: Log, first: int, second: int) -> list[bytes]:
    """Builds the consistency proof between two sizes that the log has had. Raises UnknownEntry."""
    if not 0 <= first <= second <= published_of(session, log).size:
        raise UnknownEntry("sizes must ascend and not exceed the log's")
    return consistency_proof(tile_reader(session), first, second)


def read_tile_resource(session: Session, log: Log, level: int | None, number: int, width: int) -> bytes:
    """Reads a tile or a bundle of entries, only as far as the checkpoint goes. Raises UnknownEntry."""
    published = published_width(level, number, published_of(session, log).size)
    if width > published:
        raise UnknownEntry("no such tile under the published checkpoint")
    if level is not None:
        tile = session.get(LogTile, (level, number))
        assert tile is not None, "the head covers a tile that is not stored"
        return tile.hashes[: HASH_SIZE * width]
    first = number * TILE_WIDTH
    inside = (col(LogEntry.index) >= first) & (col(LogEntry.index) < first + width)
    entries = session.exec(select(LogEntry.entry).where(inside).order_by(col(LogEntry.index))).all()
    return join_bundle(entries)
