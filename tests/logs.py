"""Logs of any history, signed and served without a server."""

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sdk.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from sdk.log_mirror import Mirror
from sdk.log_monitor import follow
from sdk.log_reader import BadResource, LogReader, NotServed
from sdk.merkle import leaf_hash, root_of
from sdk.tiles import TILE_WIDTH, join_bundle, parse_tile_path, published_width

ORIGIN = "registry.example/log"
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
KEY = verifier_key(PRIVATE_KEY, ORIGIN)


def entries_of(count: int, what: str = "entry") -> list[bytes]:
    return [f"{what} {number}".encode() for number in range(count)]


def note_over(entries: Sequence[bytes], private_key: Ed25519PrivateKey = PRIVATE_KEY) -> str:
    root = root_of([leaf_hash(entry) for entry in entries])
    return sign_checkpoint(Checkpoint(ORIGIN, len(entries), root), private_key)


def mirrored(entries: Sequence[bytes], folder: Path, private_key: Ed25519PrivateKey = PRIVATE_KEY) -> Path:
    """A log of that history, as files."""
    mirror, key = Mirror(folder), verifier_key(private_key, ORIGIN)
    log = ServedLog(entries, note_over(entries, private_key))
    after, findings = follow(log.reader(), key, mirror.continued(key), mirror.take)
    assert findings == ()
    mirror.publish(after)
    return folder


class ServedLog:
    """A `Source` that computes every resource from the entries; `instead` replaces some of them."""

    def __init__(self, entries: Sequence[bytes], note: str | None = None) -> None:
        self.entries = list(entries)
        self.note = note or note_over(entries)
        self.instead: dict[str, bytes | None] = {}  # path: content; None: not there
        self.asked: list[str] = []

    def read(self, path: str, most: int) -> bytes:
        self.asked.append(path)
        content = self.instead.get(path, b"") if path in self.instead else self._computed(path)
        if content is None:
            raise NotServed(f"{path} is not there")
        if len(content) > most:
            raise BadResource(f"{path} is too long")
        return content

    def _computed(self, path: str) -> bytes | None:
        if path == "checkpoint":
            return self.note.encode()
        parsed = parse_tile_path(path.removeprefix("tile/"))
        assert parsed is not None, path
        level, number, width = parsed
        if width > published_width(level, number, len(self.entries)):
            return None
        if level is None:
            return join_bundle(self.entries[number * TILE_WIDTH :][:width])
        below = TILE_WIDTH**level
        leaves = [leaf_hash(entry) for entry in self.entries]
        firsts = range(number * TILE_WIDTH * below, (number * TILE_WIDTH + width) * below, below)
        return b"".join(root_of(leaves[first : first + below]) for first in firsts)

    def close(self) -> None:
        pass

    def reader(self) -> LogReader:
        return LogReader(self, "the log")
