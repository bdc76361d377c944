"""Lays out hashes in C2SP tlog-tiles and builds proofs from them (c2sp.org/tlog-tiles@v0.1.0).

Tile (L, N) holds up to 256 hashes of subtrees with 256^L leaves each. Pure functions over a reader of
tiles; knows nothing of the database.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from sdk.merkle import EMPTY_ROOT, HASH_SIZE, largest_power_of_two_below, node_hash, root_of

TILE_WIDTH = 256
TILE_BITS = 8
LENGTH_BYTES = 2  # of an entry in a bundle, big-endian
MAXIMUM_ENTRY_BYTES = (1 << 16) - 1
MAXIMUM_BUNDLE_BYTES = TILE_WIDTH * (LENGTH_BYTES + MAXIMUM_ENTRY_BYTES)
_PATH = re.compile(
    r"(entries|0|[1-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*)([0-9]{3})"
    r"(?:\.p/([1-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5]))?",
    re.ASCII,
)

ReadTile = Callable[[int, int], bytes]  # level, number -> at least the hashes that the tree needs


def parse_tile_path(path: str) -> tuple[int | None, int, int] | None:
    """Parses `level/number[.p/width]` into level (None: entries), number and width; None if malformed."""
    found = _PATH.fullmatch(path)
    if not found:
        return None
    level, groups, last, width = found.groups()
    digits = groups.replace("x", "").replace("/", "") + last
    if groups and digits.startswith("000"):
        return None
    return None if level == "entries" else int(level), int(digits), int(width or TILE_WIDTH)


def tile_path(level: int | None, number: int, width: int = TILE_WIDTH) -> str:
    """Formats the path that `parse_tile_path` reads."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03d}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"{'entries' if level is None else level}/{'/'.join(groups)}{partial}"


def published_width(level: int | None, number: int, size: int) -> int:
    """Counts the hashes of that tile, or entries of that bundle, in a tree of `size`: 0..256."""
    hashes = size >> (TILE_BITS * (level or 0))
    return max(0, min(TILE_WIDTH, hashes - number * TILE_WIDTH))


def split_hashes(tile: bytes) -> list[bytes]:
    """Splits a tile into its hashes."""
    return [tile[place : place + HASH_SIZE] for place in range(0, len(tile), HASH_SIZE)]


def subtree_hash(read_tile: ReadTile, start: int, end: int) -> bytes:
    """Computes MTH(D[start:end]) of RFC 9162, for a `start` that the tree's own splits lead to."""
    count = end - start
    if count & (count - 1) == 0:
        return _complete_subtree_hash(read_tile, start, count)
    split = largest_power_of_two_below(count)
    return node_hash(
        subtree_hash(read_tile, start, start + split), subtree_hash(read_tile, start + split, end)
    )


def _complete_subtree_hash(read_tile: ReadTile, start: int, count: int) -> bytes:
    bits = count.bit_length() - 1
    level, width = bits // TILE_BITS, 1 << (bits % TILE_BITS)
    first = start >> (TILE_BITS * level)
    tile, offset = read_tile(level, first // TILE_WIDTH), first % TILE_WIDTH
    hashes = [tile[HASH_SIZE * place : HASH_SIZE * (place + 1)] for place in range(offset, offset + width)]
    return root_of(hashes)


def tree_root(read_tile: ReadTile, size: int) -> bytes:
    """Computes the root hash of the first `size` entries."""
    return subtree_hash(read_tile, 0, size) if size else EMPTY_ROOT


def inclusion_proof(read_tile: ReadTile, index: int, size: int) -> list[bytes]:
    """Builds the inclusion proof of RFC 9162, section 2.1.3.1, from the leaf's sibling up."""

    def path(start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        split = start + largest_power_of_two_below(end - start)
        if index < split:
            return [*path(start, split), subtree_hash(read_tile, split, end)]
        return [*path(split, end), subtree_hash(read_tile, start, split)]

    return path(0, size)


def consistency_proof(read_tile: ReadTile, old_size: int, new_size: int) -> list[bytes]:
    """Builds the consistency proof of RFC 9162, section 2.1.4.1."""

    def proof(start: int, end: int, old_end: int, whole: bool) -> list[bytes]:
        if old_end == end:
            return [] if whole else [subtree_hash(read_tile, start, end)]
        split = start + largest_power_of_two_below(end - start)
        if old_end <= split:
            return [*proof(start, split, old_end, whole), subtree_hash(read_tile, split, end)]
        return [*proof(split, end, old_end, False), subtree_hash(read_tile, start, split)]

    return [] if old_size in (0, new_size) else proof(0, new_size, old_size, True)


class GrowingTiles:
    """The tiles of a tree to which one leaf hash after another is added; holds the last of each level."""

    def __init__(self, size: int = 0, read_tile: ReadTile = lambda _level, _number: b"") -> None:
        """`read_tile` gives the tiles of a tree of `size` entries, where it goes on from one."""
        self.size = size
        self._last: list[list[bytes]] = []  # by level: what is there of the tile that is not full
        while size:
            full, width = divmod(size, TILE_WIDTH)
            tile = read_tile(len(self._last), full) if width else b""
            self._last.append(split_hashes(tile[: width * HASH_SIZE]))
            size = full

    def add(self, leaf: bytes) -> Iterator[tuple[int, int, list[bytes]]]:
        """Adds the hash of an entry; yields level, number and hashes of every tile that becomes full."""
        new_hash, level, number = leaf, 0, self.size
        self.size += 1
        while True:
            if level == len(self._last):
                self._last.append([])
            tile = self._last[level]
            tile.append(new_hash)
            if len(tile) < TILE_WIDTH:
                return
            number //= TILE_WIDTH
            self._last[level] = []
            yield level, number, tile
            new_hash = root_of(tile)
            level += 1

    def partial(self) -> Iterator[tuple[int, int, list[bytes]]]:
        """Yields level, number and hashes of the tiles that are not full."""
        for level, tile in enumerate(self._last):
            if tile:
                yield level, self.size >> TILE_BITS * (level + 1), tile

    def root(self) -> bytes:
        """Computes the root hash: the tiles that are not full hold all that it needs."""
        return tree_root(lambda level, _: b"".join(self._last[level]), self.size)


def split_bundle(bundle: bytes) -> list[bytes]:
    """Splits a bundle into its entries. Raises ValueError: it ends in the middle of one."""
    entries, at = [], 0
    while at < len(bundle):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(bundle[at:start], "big")
        if start > len(bundle) or at > len(bundle):
            raise ValueError("the bundle ends in the middle of an entry")
        entries.append(bundle[start:at])
    return entries


def join_bundle(entries: Iterable[bytes]) -> bytes:
    """Makes the bundle that `split_bundle` splits."""
    return b"".join(len(entry).to_bytes(LENGTH_BYTES, "big") + entry for entry in entries)
