"""Hashes every entry of the log again, and compares what follows with the stored tiles and the head."""

from collections.abc import Iterator

from sqlalchemy import or_
from sqlmodel import Session, col, select

from registry.log.transparency_log import head_of
from registry.storage.models import LogEntry, LogTile
from sdk.merkle import leaf_hash, root_of
from sdk.tiles import TILE_BITS, TILE_WIDTH, tree_root

STREAM_ROWS = 1000
HIGHEST_LEVEL = 7  # 256^8 entries do not fit a 64-bit size
Step = Iterator[tuple[str, str]]


class _Tiles:
    """The tiles of a tree to which one hash after another is added; holds the last one of each level."""

    def __init__(self) -> None:
        self.size = 0
        self._last: list[list[bytes]] = []  # by level: what is there of the tile that is not full

    def add(self, new_hash: bytes) -> Iterator[tuple[int, int, list[bytes]]]:
        """Adds a leaf's hash; yields level, number and hashes of every tile that becomes full."""
        level, number = 0, self.size
        self.size += 1
        while True:
            if level == len(self._last):
                self._last.append([])
            tile = self._last[level]
            tile.append(new_hash)
            if len(tile) < TILE_WIDTH:
                return
            number //= TILE_WIDTH
            yield level, number, tile
            new_hash, self._last[level] = root_of(tile), []
            level += 1

    def partial(self) -> Iterator[tuple[int, int, list[bytes]]]:
        """Yields level, number and hashes of the tiles that are not full."""
        for level, tile in enumerate(self._last):
            if tile:
                yield level, (self.size >> TILE_BITS * (level + 1)), tile

    def root(self) -> bytes:
        """Computes the root hash: the tiles that are not full hold all that it needs."""
        return tree_root(lambda level, _: b"".join(self._last[level]), self.size)


def check_tree(session: Session) -> Step:
    """Compares entries, tiles and head; holds one tile a level."""
    head = head_of(session)
    rows = session.exec(
        select(LogEntry.index, LogEntry.entry)
        .order_by(col(LogEntry.index))
        .execution_options(yield_per=STREAM_ROWS)
    )
    tiles = _Tiles()
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


def _compare(session: Session, level: int, number: int, hashes: list[bytes]) -> Step:
    wanted = select(LogTile.hashes).where(LogTile.level == level, LogTile.number == number)
    if session.exec(wanted).first() != b"".join(hashes):
        yield "log_tile", f"tile {level}/{number} differs from its entries"


def _left_over(session: Session, size: int) -> Step:
    beyond = [
        (col(LogTile.level) == level) & (col(LogTile.number) * TILE_WIDTH >= size >> TILE_BITS * level)
        for level in range(HIGHEST_LEVEL + 1)
    ]
    unwanted = select(LogTile.level, LogTile.number).where(or_(col(LogTile.level) > HIGHEST_LEVEL, *beyond))
    for level, number in session.exec(unwanted.execution_options(yield_per=STREAM_ROWS)):
        yield "log_tile", f"tile {level}/{number} belongs to no entry"
