"""Describes registered pictures by another descriptor, in the background, from their previews.

A record has one descriptor at every moment: one transaction gives its row another kind and value, and the
index follows. So the old kind answers for every record that is not done yet, and no record is found twice
or missed. A process that is killed goes on where it was. Records without a preview keep their descriptor.
"""

import logging
import threading
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, func, select

from indexer.fingerprints.kinds import Vectors, pack_vector, vector_kinds
from registry.errors import RegistryError
from registry.index.changes import ADD, CHANGE, append_to_outbox
from registry.media.previews import PreviewCache, picture_of
from registry.services import Services
from registry.storage.db import transaction
from registry.storage.models import Fingerprint, Record
from registry.storage.models.records import ACTIVE

BATCH = 16  # records per transaction; the writer lock is held for a moment only
RETRY_AFTER_S = 30.0
ENDED_WITHIN_S = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Described:
    record_id: str
    vectors: dict[int, Vectors]  # (dimensions,) by the frame's time in milliseconds


class Reembedding:
    """The thread that brings every record to the wanted descriptor."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._wanted = services.uploads.embedders.wanted
        # Apart from the requests' cache: a walk over all videos would drive their storyboards out of it.
        self._previews = PreviewCache(services.blobs, services.uploads.decoders, features=1, storyboards=1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="re-embedding", daemon=True)
        self._passed = ""  # id of the last record that was looked at, so that what failed is tried once

    def start(self) -> None:
        """Starts the thread; it ends at once if nothing is left to do."""
        self._thread.start()

    def stop(self) -> None:
        """Stops after the batch in hand, which is left if it takes long."""
        self._stopping.set()
        self._thread.join(ENDED_WITHIN_S)

    def wait(self) -> None:
        """Waits until nothing is left to do."""
        self._thread.join()

    def _run(self) -> None:
        done = 0
        while not self._stopping.is_set():
            try:
                with transaction(self._services.engine) as session:
                    batch = self._next(session)
                if not batch:
                    break
                described = [self._describe(record) for record in batch]
                done += self._replace([record for record in described if record is not None])
                self._passed = batch[-1].id
            except SQLAlchemyError:  # the database is away: nothing is lost, the batch comes again
                self._stopping.wait(RETRY_AFTER_S)
        if done:
            _log.info("%d records are now described by %s", done, self._wanted.kind)

    def _next(self, session: Session) -> list[Record]:
        later = _behind(self._wanted.kind).where(Record.id > self._passed)
        records = list(session.exec(later.order_by(col(Record.id)).limit(BATCH)))
        session.expunge_all()
        return records

    def _describe(self, record: Record) -> _Described | None:
        assert record.preview_key is not None
        times: tuple[int, ...] = (0,)
        if record.duration_ms is not None:
            board = self._previews.storyboard(record.preview_key)
            times = board.times_ms if board else ()
        vectors = {}
        try:
            for time_ms in times:
                picture = picture_of(record, time_ms)
                pixels = self._previews.pixels(picture) if picture else None
                if pixels is not None:
                    vectors[time_ms] = self._wanted.embed([pixels])[0]
        except RegistryError as error:
            _log.warning("the preview of record %s cannot be read: %s", record.id, error)
            return None
        return _Described(record.id, vectors) if vectors else None

    def _replace(self, described: list[_Described]) -> int:
        with transaction(self._services.engine) as session:
            self._services.log.lock(session)  # index changes become visible in the order of their numbers
            still = select(Record.id).where(
                col(Record.id).in_([record.record_id for record in described]), Record.status == ACTIVE
            )
            active = set(session.exec(still))
            replaced = [record for record in described if record.record_id in active]
            for record in replaced:
                for time_ms, vector in record.vectors.items():
                    _replace_descriptor(session, record.record_id, time_ms, vector, self._wanted.kind)
        with transaction(self._services.engine) as session:
            self._services.index.catch_up(session)
        return len(replaced)


def count_behind(services: Services, session: Session) -> int:
    """Counts records with a preview that are still described by another descriptor."""
    behind = _behind(services.uploads.embedders.wanted.kind).subquery()
    return session.exec(select(func.count()).select_from(behind)).one()


def _behind(wanted: str):  # type: ignore[no-untyped-def]  # SQLModel's SelectOfScalar has no public name
    has_wanted = select(Fingerprint.id).where(
        Fingerprint.record_id == Record.id, Fingerprint.kind == wanted
    )
    return select(Record).where(
        Record.status == ACTIVE, col(Record.preview_key).is_not(None), ~has_wanted.exists()
    )


def _replace_descriptor(session: Session, record_id: str, time_ms: int, vector: Vectors, kind: str) -> None:
    descriptors = [known.name for known in vector_kinds()]
    mine = select(Fingerprint).where(Fingerprint.record_id == record_id, Fingerprint.time_ms == time_ms)
    row = session.exec(mine.where(col(Fingerprint.kind).in_(descriptors))).first()
    if row is not None and row.kind == kind:
        return  # another node was faster
    operation = CHANGE
    if row is None:
        row, operation = Fingerprint(record_id=record_id, kind=kind, time_ms=time_ms, value=b""), ADD
    # The row keeps its number: a search that found it a moment ago still finds its record.
    row.kind, row.value = kind, pack_vector(vector)
    session.add(row)
    session.flush()
    assert row.id is not None
    append_to_outbox(session, operation, [row.id])
