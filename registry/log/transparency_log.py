"""Keeps the transparency log: appends in the caller's transaction, signs, and refuses a broken log.

Order: entries, tiles and head move in the transaction that stores the record; only after its commit is
the checkpoint published to a file outside the database, and only then is the request answered. One
writer at a time, by an advisory lock that ends with the transaction; the head moves by compare-and-swap.
"""

import fcntl
import os
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text, update
from sqlmodel import Session, col, select

from registry.errors import LogDiverged, LogRolledBack, NotCosigned, SigningStopped
from registry.log.log_keys import LogKeys
from registry.storage.db import keep_connection, transaction
from registry.storage.models import LogEntry, LogHead, LogTile
from sdk.checkpoint import BadCheckpoint, Checkpoint, VerifierKey
from sdk.durable_files import write_durably
from sdk.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash, root_of
from sdk.records import commitment, log_entry
from sdk.tiles import (
    TILE_WIDTH,
    ReadTile,
    split_hashes,
    tree_root,
)

WRITER_LOCK = 0x7472_7565_6C6F_67  # "truelog", one advisory lock per database
SALT_BYTES = 32
LOCKED_IN = "log_locked_in"  # of a session's notes: the transaction that holds the writer lock
TILES_OF = "log_tiles_of"  # of a session's notes: the transaction that appended, and the tiles that it read


class Log:
    """Holds the log's keys, its name, and where its newest checkpoint is published."""

    def __init__(self, keys: LogKeys, checkpoint_file: Path, *, witnessed: bool = False) -> None:
        self.origin = keys.origin
        self.keys = keys
        self._checkpoint_file = checkpoint_file
        self.witnessed = witnessed
        # Whether witnesses said since the start that they know this log as it is here: until then an old
        # backup could sign a second tree. `Witnessing` sets it.
        self.confirmed = not witnessed

    @property
    def key(self) -> VerifierKey:
        """The newest key that this process knows of."""
        return self.keys.current

    def current_key(self, session: Session) -> VerifierKey:
        """The newest key: the one that everything which `session` sees verifies with."""
        self.keys.refresh(session)
        return self.keys.current

    def lock(self, session: Session) -> None:
        """See `lock_writer`."""
        lock_writer(session)

    def append(
        self, session: Session, entry_type: str, content: bytes, *, active: int = 0
    ) -> tuple[int, bytes]:
        """Appends a salted commitment to `content`; returns its index and the salt.

        `active` is by how many the records that can match grow or shrink; every answer tells their count.
        Holds the writer lock until the caller's transaction ends: do slow work before this.
        """
        self.lock(session)
        self.keys.refresh(session)
        newest = select(LogHead).with_for_update().execution_options(populate_existing=True)
        head = session.exec(newest).one()
        self._require_signing(head)
        tiles = _tiles_to_append_to(session)
        if tree_root(tiles.read, head.size) != head.root:
            raise LogDiverged("the tiles of the log have rotted: nothing is signed over them")
        salt = secrets.token_bytes(SALT_BYTES)
        entry = log_entry(entry_type, commitment(salt, content))
        session.add(LogEntry(index=head.size, entry=entry))
        _extend_tiles(tiles, head.size, leaf_hash(entry))
        session.flush()
        size = head.size + 1
        root = tree_root(tiles.read, size)
        self._move_head(session, head, Checkpoint(self.origin, size, root), active)
        return size - 1, salt

    def require_signing(self, session: Session) -> None:
        """Raises SigningStopped or NotCosigned where nothing may be appended now."""
        self._require_signing(head_of(session, anew=True))

    def may_sign(self, session: Session) -> bool:
        """Tells whether something may be appended now."""
        return head_of(session, anew=True).stopped is None and self.confirmed

    def _require_signing(self, head: LogHead) -> None:
        if head.stopped is not None:
            raise SigningStopped("nothing is registered here now; its operator is told why")
        if not self.confirmed:
            raise NotCosigned("nothing was stored: too few witnesses have answered since the start")

    def _move_head(self, session: Session, head: LogHead, checkpoint: Checkpoint, active: int) -> None:
        note = self.keys.sign(checkpoint)
        unmoved = (col(LogHead.size) == head.size) & (col(LogHead.root) == head.root)
        moved = session.execute(
            update(LogHead)
            .where(unmoved)
            .values(
                size=checkpoint.size,
                root=checkpoint.root,
                checkpoint=note,
                active_records=col(LogHead.active_records) + active,
            )
            .execution_options(synchronize_session=False)
        )
        if moved.rowcount != 1:  # type: ignore[attr-defined]
            raise LogDiverged("the log's head is not where this writer saw it")
        session.expire(head)

    def publish(self, session: Session) -> None:
        """Writes the newest committed checkpoint to its file, durably; no older one replaces it.

        Of several that wait for the file, the first writes for all: each reads the head in its turn.
        """
        # Taken before the lock: a holder that still had to wait for a connection would wait for ever, where
        # those that have all the connections wait for the lock.
        session.connection()
        lock = os.open(self._checkpoint_file.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            note = head_of(session, anew=True).checkpoint
            self.keys.refresh(session)
            new, published = self.keys.require_all_signed(note), self._published()
            if published is None or published.size < new.size:
                write_durably(self._checkpoint_file, note.encode())
        finally:
            os.close(lock)

    def _published(self) -> Checkpoint | None:
        note = self._published_note()
        return None if note is None else self.keys.verify(note)

    def _published_note(self) -> str | None:
        try:
            return read_note(self._checkpoint_file)
        except FileNotFoundError:
            return None

    def require_sound(self, session: Session, *, checkpoint_lost: bool = False) -> None:
        """Raises LogRolledBack unless the database continues the last published checkpoint.

        `checkpoint_lost`: the operator says that its file is lost. Where the log has witnesses the file may
        be missing, too: they are asked before anything is signed.
        """
        # The file is read before the head: who appends meanwhile publishes after the commit, so the head is
        # at least as far, without a lock. It is verified after it: others may have rotated the key.
        note, unreadable = None, None
        try:
            note = self._published_note()
        except BadCheckpoint as error:
            unreadable = error
        head = head_of(session)
        self.keys.refresh(session)
        try:
            signed = self.keys.require_all_signed(head.checkpoint)
        except BadCheckpoint as error:
            raise LogRolledBack(f"the log in the database is not signed by this key: {error}") from error
        if (signed.size, signed.root) != (head.size, head.root):
            raise LogRolledBack("the head of the log and its checkpoint differ")
        read_tile = tile_reader(session)
        if tree_root(read_tile, head.size) != head.root:
            raise LogRolledBack("the tiles of the log do not lead to its root hash")
        try:
            published = None if note is None else self.keys.verify(note)
        except BadCheckpoint as error:
            unreadable = error
        if unreadable is not None:
            raise LogRolledBack(f"{self._checkpoint_file}: {unreadable}") from unreadable
        if published is None:
            if head.size and not self.witnessed and not checkpoint_lost:
                raise LogRolledBack(
                    f"the log has {head.size} entries, but {self._checkpoint_file} with its published "
                    "checkpoint is missing, so this may be an old copy. Put the file back, or restore the "
                    "newest backup; if the database is the newest and only the file is lost, say so once "
                    "with `trueprint serve --checkpoint-lost`"
                )
            return
        if published.size > head.size:
            raise LogRolledBack(
                f"a checkpoint over {published.size} entries was published, the database has {head.size}: "
                "an old backup was restored, or this is another database"
            )
        if tree_root(read_tile, published.size) != published.root:
            raise LogRolledBack("the log in the database is not the one whose checkpoint was published")


def lock_writer(session: Session) -> None:
    """Makes the caller the only writer until its transaction ends; may be called twice."""
    if session.info.get(LOCKED_IN) is None or session.info[LOCKED_IN] is not session.get_transaction():
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
        session.info[LOCKED_IN] = session.get_transaction()
        keep_connection(session)


@contextmanager
def nothing_moves(engine: Engine) -> Iterator[Session]:
    """Opens a session during which nobody appends or registers: for a look, not for work."""
    with transaction(engine) as session:
        lock_writer(session)
        yield session


def read_note(path: Path) -> str:
    """Reads the file of a checkpoint. Raises BadCheckpoint, FileNotFoundError."""
    try:
        return path.read_text(encoding="utf-8", errors="strict")
    except UnicodeDecodeError:
        raise BadCheckpoint("the file is no text") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadCheckpoint(f"the file cannot be read: {error.strerror}") from error


def create_log(session: Session, log: Log, public_key: bytes) -> None:
    """Creates the empty log with its first key, once in the life of a database."""
    log.keys.begin(session, public_key)
    note = log.keys.sign(Checkpoint(log.origin, 0, EMPTY_ROOT))
    session.add(LogHead(registry_id=str(uuid.uuid4()), size=0, root=EMPTY_ROOT, checkpoint=note))


def has_log(session: Session) -> bool:
    """Tells whether this database has a log already."""
    return session.exec(select(LogHead)).first() is not None


def head_of(session: Session, *, anew: bool = False) -> LogHead:
    """Reads the head of the log; with `anew` as it is now, whatever this session saw before."""
    return session.exec(select(LogHead).execution_options(populate_existing=anew)).one()


class _Tiles:
    """Stored tiles, each read once and kept: a session by itself forgets rows that nobody holds."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rows: dict[tuple[int, int], LogTile | None] = {}

    def row(self, level: int, number: int) -> LogTile | None:
        place = level, number
        if place not in self._rows:
            # Whatever the session saw of it before: others may have appended since.
            self._rows[place] = self._session.get(LogTile, place, populate_existing=True)
        return self._rows[place]

    def read(self, level: int, number: int) -> bytes:
        tile = self.row(level, number)
        return tile.hashes if tile else b""

    def put(self, tile: LogTile) -> None:
        self._rows[tile.level, tile.number] = tile
        self._session.add(tile)


def tile_reader(session: Session) -> ReadTile:
    """Makes a reader of stored tiles, which reads each of them once.

    In a transaction that appended it has what that one read: nobody else writes until its end.
    """
    noted = session.info.get(TILES_OF)
    if noted is not None and noted[0] is session.get_transaction():
        tiles: _Tiles = noted[1]
        return tiles.read
    return _Tiles(session).read


def _tiles_to_append_to(session: Session) -> _Tiles:
    """The tiles as this transaction, which holds the writer lock, reads and writes them."""
    noted = session.info.get(TILES_OF)
    if noted is None or noted[0] is not session.get_transaction():
        noted = session.info[TILES_OF] = session.get_transaction(), _Tiles(session)
    tiles: _Tiles = noted[1]
    return tiles


def _extend_tiles(tiles: _Tiles, index: int, new_hash: bytes) -> None:
    """Appends the hash of leaf `index`; a tile that becomes full adds one hash a level up."""
    level, number = 0, index
    while True:
        tile = tiles.row(level, number // TILE_WIDTH)
        if tile is None:
            tile = LogTile(level=level, number=number // TILE_WIDTH, hashes=b"")
        if len(tile.hashes) != HASH_SIZE * (number % TILE_WIDTH):
            raise LogDiverged(f"tile {level}/{number // TILE_WIDTH} is not as long as the log says")
        tile.hashes = tile.hashes + new_hash
        tiles.put(tile)
        if number % TILE_WIDTH != TILE_WIDTH - 1:
            return
        new_hash = root_of(split_hashes(tile.hashes))
        level, number = level + 1, number // TILE_WIDTH
