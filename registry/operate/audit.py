"""Derives tree, checkpoint, fingerprint rows and index again, and lists every difference.

The steps in order: 1. head, checkpoint and the published file, 2. entries and tiles, 3. acts, 4. publishers
and their keys against the log, 5. records against their log entries and keys, 6. fingerprint rows and index
changes, 7. the index of this node, 8. previews. It changes nothing and holds little: rows pass by, or are
compared by the database.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Protocol

from sqlmodel import Session, func, select

from registry.errors import LogRolledBack
from registry.index.access import IndexAccess, Still
from registry.log.transparency_log import Log, head_of
from registry.log.witnessed_checkpoints import require_witnessed_sound
from registry.operate.check_acts import check_acts
from registry.operate.check_keys import check_keys
from registry.operate.check_rows import check_fingerprints, check_publishers, check_records
from registry.operate.check_tree import check_tree
from registry.storage.blobs import Blobs
from registry.storage.models import Act, Fingerprint, Record
from sdk.models import AuditFinding, AuditReport

MAXIMUM_FINDINGS = 1000
Step = Iterator[tuple[str, str]]


class Audited(Protocol):
    """What is audited beside the rows: of a registry that runs, or of a copy that was restored."""

    @property
    def log(self) -> Log:
        """The log, which need not be able to sign."""
        ...

    @property
    def index(self) -> IndexAccess:
        """What is compared with the rows of fingerprints."""
        ...

    @property
    def blobs(self) -> Blobs:
        """Where previews are."""
        ...


def audit(services: Audited, session: Session, still: Still | None = None) -> AuditReport:
    """Runs every step; a clean report has no findings. Raises BlobsUnavailable and IndexUnavailable.

    Rows are read through `session`, whose transaction has not begun: the published checkpoint must be older
    than what it sees. Where others write meanwhile it is a snapshot, and `still` opens a session in which
    nothing moves: what looks different is looked at again there, since an index has no snapshots.
    """
    settled = still or (lambda: nullcontext(session))
    findings: list[AuditFinding] = []
    for step in (
        _check_checkpoint(services, session),
        check_tree(session),
        check_keys(session),
        check_acts(session),
        check_publishers(session),
        check_records(session),
        check_fingerprints(session),
        _check_index(services, session, settled),
        _check_previews(services, session, settled),
    ):
        for what, detail in step:
            if len(findings) < MAXIMUM_FINDINGS:
                findings.append(AuditFinding(what=what, detail=detail))
    return AuditReport(
        clean=not findings,
        records=session.exec(select(func.count()).select_from(Record)).one(),
        log_size=head_of(session).size,
        fingerprints=session.exec(select(func.count()).select_from(Fingerprint)).one(),
        acts=session.exec(select(func.count()).select_from(Act)).one(),
        findings=tuple(findings),
    )


def _check_checkpoint(services: Audited, session: Session) -> Step:
    try:
        services.log.require_sound(session)
        require_witnessed_sound(session, services.log)
    except LogRolledBack as error:
        yield "checkpoint", str(error)


def _check_index(services: Audited, session: Session, still: Still) -> Step:
    for difference in services.index.check(session, still):
        yield "index", difference


def _check_previews(services: Audited, session: Session, still: Still) -> Step:
    kept = select(Record.id, Record.preview_key).where(Record.preview_key != None)  # noqa: E711
    lost: dict[str, str] = {}
    for record_id, key in session.exec(kept.execution_options(yield_per=1000)):
        if key is not None and len(lost) < MAXIMUM_FINDINGS and not services.blobs.has(key):
            lost[record_id] = key
    if not lost:
        return
    with still() as settled:  # a record may have been erased since
        for record_id, key in lost.items():
            still_kept = select(Record.id).where(Record.id == record_id, Record.preview_key == key)
            if settled.exec(still_kept).first() is not None:
                yield "preview", lost_preview(record_id)


def lost_preview(record_id: str) -> str:
    """What is said of a preview that is not there."""
    return f"the preview of record {record_id} is lost"
