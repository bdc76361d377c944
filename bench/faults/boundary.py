"""Sunlight's table of faults, at the sizes where a tile becomes full: every write of a batch, lost or kept.

As in Sunlight's own tests (filippo.io/sunlight, internal/ctlog): a batch fails, fails again at the same
size, then succeeds with the same entries, then others do; after each the log is read anew.
"""

import secrets
import shutil
from collections.abc import Iterator

from sqlalchemy import Engine, create_engine, delete, insert, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from bench.faults.counts import Counts
from bench.faults.layer import Fault, Layer, Plan
from bench.faults.site import Site
from registry.errors import RegistryError
from registry.log.transparency_log import head_of, tile_reader
from registry.operate.bootstrap import open_log
from registry.settings import Settings
from registry.storage import db
from registry.storage.models import LogEntry, LogHead, LogTile
from sdk.checkpoint import Checkpoint, verify_checkpoint
from sdk.merkle import leaf_hash, root_of, verify_inclusion
from sdk.records import commitment, log_entry
from sdk.tiles import TILE_WIDTH, inclusion_proof, tree_root

SIZES = ((254, 3), (255, 1), (256, 1), (65_535, 2))  # of the log, and of the batch
SMALL_SIZES = ((255, 1),)
FAULTS = (Fault.LOST, Fault.KEPT)
FILLER = "filler"  # type of entries that say nothing
LAST = 4  # entries that are proved each time


class Batches:
    """A log to which batches are appended, and all of its checkpoints that were seen."""

    def __init__(self, settings: Settings, engine: Engine, layer: Layer) -> None:
        self.log = open_log(settings)
        with db.transaction(engine) as session:
            self.log.keys.refresh(session)
        self._engine, self._layer, self._file = engine, layer, settings.checkpoint_file
        self._published: list[Checkpoint] = []

    def append(self, contents: list[bytes], plan: Plan | None) -> list[str]:
        """Appends in one transaction and publishes; returns the names of the writes. Raises what failed."""
        self._layer.arm(plan)
        try:
            with db.transaction(self._engine) as session:
                for content in contents:
                    self.log.append(session, FILLER, content)
            with db.transaction(self._engine) as session:
                self.log.publish(session)
        finally:
            self._layer.disarm()
            self._published.append(verify_checkpoint(self._file.read_text(), self.log.key))
        return self._layer.seen

    def fails(self, contents: list[bytes], plan: Plan) -> bool:
        """Whether the batch fails in a way that is foreseen."""
        try:
            self.append(contents, plan)
        except (RegistryError, SQLAlchemyError, OSError):
            return True
        return False

    def read_anew(self) -> Iterator[str]:
        """Reads the log as a start does, and all that is in it; yields what is wrong."""
        with db.transaction(self._engine) as session:
            self.log.require_sound(session)
            head, read = head_of(session), tile_reader(session)
            entries = session.exec(select(LogEntry).order_by(col(LogEntry.index))).all()
            if [entry.index for entry in entries] != list(range(head.size)):
                yield f"{len(entries)} entries under a head of {head.size}"
            if root_of([leaf_hash(entry.entry) for entry in entries]) != head.root:
                yield "the entries do not lead to the root hash"
            for seen in self._published:
                if seen.size > head.size or tree_root(read, seen.size) != seen.root:
                    yield f"a checkpoint over {seen.size} entries was published, and is no prefix"
            for entry in entries[-LAST:]:
                proof = inclusion_proof(read, entry.index, head.size)
                verify_inclusion(leaf_hash(entry.entry), entry.index, head.size, proof, head.root)


def fill(session: Session, settings: Settings, wanted: int) -> None:
    """Makes the log `wanted` entries long, without going through each append."""
    head = session.exec(select(LogHead)).one()
    fillers = [
        log_entry(FILLER, commitment(secrets.token_bytes(32), b"")) for _ in range(wanted - head.size)
    ]
    rows = [{"index": head.size + number, "entry": entry} for number, entry in enumerate(fillers)]
    session.execute(insert(LogEntry), rows)
    session.execute(delete(LogTile))
    entries = session.exec(select(LogEntry.entry).order_by(col(LogEntry.index))).all()
    hashes, level = [leaf_hash(entry) for entry in entries], 0
    root = root_of(hashes)
    while hashes:
        tiles = [hashes[start : start + TILE_WIDTH] for start in range(0, len(hashes), TILE_WIDTH)]
        session.add_all(
            LogTile(level=level, number=number, hashes=b"".join(tile)) for number, tile in enumerate(tiles)
        )
        hashes, level = [root_of(tile) for tile in tiles if len(tile) == TILE_WIDTH], level + 1
    log = open_log(settings)
    log.keys.refresh(session)
    head.size, head.root = wanted, root
    head.checkpoint = log.keys.sign(Checkpoint(settings.log_origin, wanted, root))
    session.add(head)


def run(site: Site, counts: Counts, *, small: bool) -> None:
    """Goes through the table at each size."""
    for size, batch in SMALL_SIZES if small else SIZES:
        table = _Table(site, size, batch)
        writes = table.case(None, counts)
        for at, name in enumerate(writes, 1):
            for fault in FAULTS:
                if not small or name.startswith(("commit", "UPDATE log_tile", "replace")):
                    table.case(Plan(at, fault), counts)


class _Table:
    """One size: a filled database, of which each case gets a copy."""

    def __init__(self, site: Site, size: int, batch: int) -> None:
        self._settings, self._kind, self._batch = site.settings, f"{size} + {batch}", batch
        url = site.settings.database_url
        assert url is not None
        self._url, self._checkpoint = url, site.path("checkpoint-before")
        self._template = _copy_of(url, url)
        engine = db.connect(self._template)
        with db.transaction(engine) as session:
            fill(session, self._settings, size)
        engine.dispose()
        if not self._checkpoint.exists():  # of the registry as it was set up
            shutil.copy(self._settings.checkpoint_file, self._checkpoint)

    def case(self, plan: Plan | None, counts: Counts) -> list[str]:
        """Goes through one row of the table; returns the names of what a batch writes."""
        shutil.copy(self._checkpoint, self._settings.checkpoint_file)
        engine = db.connect(url := _copy_of(self._template, self._url))
        batches = Batches(self._settings, engine, Layer(engine))
        same, other = ([secrets.token_bytes(8) for _ in range(self._batch)] for _ in range(2))
        wrong: list[str] = []
        if plan is not None:
            if not batches.fails(same, plan):
                wrong.append(f"{plan}: the fault was not noticed")
            wrong += batches.read_anew()
            batches.fails(same, plan)  # behind the end of a tile it may come to fewer writes
            wrong += batches.read_anew()
        seen = batches.append(same, None)
        wrong += batches.read_anew()
        batches.append(other, None)
        wrong += batches.read_anew()
        engine.dispose()
        _drop(url, self._url)
        counts.add(self._kind, plan.fault.value if plan else "no fault", wrong=wrong)
        return seen


def _copy_of(template: str, beside: str) -> str:
    name = f"log_{secrets.token_hex(4)}"
    _administer(beside, f"CREATE DATABASE {name} TEMPLATE {_name_of(template)}")
    return beside.replace(f"/{_name_of(beside)}?", f"/{name}?")


def _drop(url: str, beside: str) -> None:
    _administer(beside, f"DROP DATABASE {_name_of(url)}")


def _administer(beside: str, statement: str) -> None:
    server = beside.replace(f"/{_name_of(beside)}?", "/postgres?")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
