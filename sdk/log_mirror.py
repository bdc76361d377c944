"""Keeps a copy of a log as static files, which any web server serves (c2sp.org/tlog-tiles).

The tiles are computed from the entries, not copied. The checkpoint is written last, once everything below
it is on the disk: a mirror that was killed goes on where its checkpoint ends.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from sdk.checkpoint import VerifierKey, verify_checkpoint
from sdk.compact_range import CompactRange
from sdk.durable_files import write_durably
from sdk.errors import SdkError
from sdk.log_monitor import Followed
from sdk.log_reader import CHECKPOINT, BadResource, FolderSource, LogReader
from sdk.merkle import leaf_hash
from sdk.tiles import (
    TILE_BITS,
    TILE_WIDTH,
    GrowingTiles,
    join_bundle,
    published_width,
    subtree_hash,
    tile_path,
)

LEAST_FREE_BYTES = 64 << 20
LEVELS = 8  # of tiles: a tree has fewer than 256^8 entries


class MirrorFull(SdkError):
    """There is no room for more of the log."""


class Mirror:
    """The files below one folder: `checkpoint` and `tile/...`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader = LogReader(FolderSource(folder), str(folder))
        self._new: list[bytes] = []  # entries that no full bundle was written of yet
        self._first = 0  # index of the first of them
        self._tiles = GrowingTiles()
        self._superseded: list[Path] = []  # folders of partial files that a full one stands for
        self._unproven: list[Path] = []  # full files that no checkpoint covers yet

    @property
    def reader(self) -> LogReader:
        """Reads what is mirrored."""
        return self._reader

    def continued(self, key: VerifierKey) -> Followed:
        """How far the mirror goes; removes full files beyond, which a look that was killed left.

        Raises BadCheckpoint, BadResource, NotServed: it is damaged.
        """
        if not (self._folder / CHECKPOINT).exists():
            self._begin_at(0)
            self._remove_beyond(0)
            return Followed()
        note = self._reader.checkpoint()
        checkpoint = verify_checkpoint(note, key)
        size, read_tile = checkpoint.size, self._reader.tile_reader(checkpoint.size)
        hashes, start = [], 0
        for bit in reversed(range(size.bit_length())):
            if size >> bit & 1:
                hashes.append(subtree_hash(read_tile, start, start + (1 << bit)))
                start += 1 << bit
        tree = CompactRange(size, hashes)
        self._begin_at(size)
        partial = next((hashes for level, _, hashes in self._tiles.partial() if level == 0), [])
        if tree.root() != checkpoint.root or [leaf_hash(entry) for entry in self._new] != partial:
            raise BadResource(f"{self._folder} is damaged: its files do not lead to its checkpoint")
        self._remove_beyond(size)
        return Followed(note, tree)

    def _remove_beyond(self, size: int) -> None:
        """Removes full tiles and bundles that no checkpoint covers: nothing says whose they are."""
        for level in (None, *range(LEVELS)):
            number, beyond = size >> TILE_BITS * ((level or 0) + 1), []
            while (file := self._folder / "tile" / tile_path(level, number)).exists():
                beyond.append(file)
                number += 1
            _remove(beyond)

    def _begin_at(self, size: int) -> None:
        """Reads the bundle and the tiles that are not full at that size."""
        self._first, self._superseded, self._unproven = size - size % TILE_WIDTH, [], []
        self._new = self._reader.entries(self._first // TILE_WIDTH, size) if size % TILE_WIDTH else []
        self._tiles = GrowingTiles(size, self._reader.tile_reader(size))

    def take(self, first: int, entries: Sequence[bytes]) -> None:
        """Writes the entries that follow, and the tiles that become full with them. Raises MirrorFull."""
        assert first == self._first + len(self._new), "entries come in their order"
        for entry in entries:
            self._new.append(entry)
            for level, number, hashes in self._tiles.add(leaf_hash(entry)):
                self._write(level, number, TILE_WIDTH, b"".join(hashes))
            if len(self._new) == TILE_WIDTH:
                if shutil.disk_usage(self._folder).free < LEAST_FREE_BYTES:
                    raise MirrorFull(f"no room is left for more of the log in {self._folder}")
                self._write(None, self._first // TILE_WIDTH, TILE_WIDTH, join_bundle(self._new))
                self._new, self._first = [], self._first + TILE_WIDTH

    def publish(self, followed: Followed) -> None:
        """Writes what is not full yet, and then the checkpoint, durably."""
        size = followed.tree.size
        if self._new:
            self._write(None, self._first // TILE_WIDTH, len(self._new), join_bundle(self._new))
        for level, number, hashes in self._tiles.partial():
            if published_width(level, number, size):
                self._write(level, number, len(hashes), b"".join(hashes))
        if hasattr(os, "sync"):
            os.sync()  # thousands of files at once
        write_durably(self._folder / CHECKPOINT, followed.note.encode())
        # Only now: until then the old checkpoint stands, and entries that lead nowhere may have been taken.
        for folder in self._superseded:
            shutil.rmtree(folder, ignore_errors=True)
        self._superseded, self._unproven = [], []

    def discard(self) -> None:
        """Removes what was taken since the last checkpoint: it leads to none."""
        _remove(self._unproven)
        self._unproven = []

    def _write(self, level: int | None, number: int, width: int, content: bytes) -> None:
        file = self._folder / "tile" / tile_path(level, number, width)
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(file.name + ".tmp")
        temporary.write_bytes(content)
        temporary.replace(file)
        if width == TILE_WIDTH:
            self._superseded.append(file.with_name(file.name + ".p"))
            self._unproven.append(file)


def _remove(files: Sequence[Path]) -> None:
    """The last of them first: what is left when this is killed has no gap, and is found again."""
    for file in reversed(files):
        file.unlink(missing_ok=True)
