"""Hashes every entry of the log again, and compares what follows with the stored tiles and the head."""

from sqlalchemy import or_
from sqlmodel import Session, col, select

from registry.log.transparency_log import head_of
from registry.operate.findings import STREAM_ROWS, Findings
from registry.storage.models import LogEntry, LogTile
from sdk.merkle import leaf_hash
from sdk.tiles import TILE_BITS, TILE_WIDTH, GrowingTiles

HIGHEST_LEVEL = 7  # 256^8 entries do not fit a 64-bit size


def check_tree(session: Session) -> Findings:
    """Compares entries, tiles and head; holds one tile a level."""
    head = head_of(session)
    rows = session.exec(
        select(LogEntry.index, LogEntry.entry)
        .order_by(col(LogEntry.index))
        .execution_options(yield_per=STREAM_ROWS)
    )
    tiles = GrowingTiles()
    for index, entry in rows:
        if index != tiles.size:
            yield "log_entry", f"entry {tiles.size} is missing"
            return
        for level, number, hashes in tiles.add(leaf_hash(entry)):
            yield from _compare(session, level, number, hashes)
    if tiles.size != head.size:
        yield "log_head", f"{tiles.size} entries are stored, the head says {head.size}"
    if tiles.root() != head.root:
        yield "log_root", "the entries do not lead to the root hash of the head"
    for level, number, hashes in tiles.partial():
        yield from _compare(session, level, number, hashes)
    yield from _left_over(session, tiles.size)


def _compare(session: Session, level: int, number: int, hashes: list[bytes]) -> Findings:
    wanted = select(LogTile.hashes).where(LogTile.level == level, LogTile.number == number)
    if session.exec(wanted).first() != b"".join(hashes):
        yield "log_tile", f"tile {level}/{number} differs from its entries"


def _left_over(session: Session, size: int) -> Findings:
    beyond = [
        (col(LogTile.level) == level) & (col(LogTile.number) * TILE_WIDTH >= size >> TILE_BITS * level)
        for level in range(HIGHEST_LEVEL + 1)
    ]
    unwanted = select(LogTile.level, LogTile.number).where(or_(col(LogTile.level) > HIGHEST_LEVEL, *beyond))
    for level, number in session.exec(unwanted.execution_options(yield_per=STREAM_ROWS)):
        yield "log_tile", f"tile {level}/{number} belongs to no entry"
