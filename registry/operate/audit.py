"""Derives tree, checkpoint, fingerprint rows and index again, and lists every difference.

The steps in order: 1. head, checkpoint and the published file, 2. entries and tiles, 3. the registry's own
keys, 4. acts, and whether what they did still holds, 5. publishers and their keys against the log, 6.
records against their log entries and keys, 7. fingerprint rows and index changes, 8. decisions of the
gate, 9. the index of this node, 10. previews. It changes nothing and holds little: rows pass by, or are
compared by the database.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Protocol

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, func, select

from registry.errors import LogRolledBack
from registry.index.access import IndexAccess, Still
from registry.log.transparency_log import Log, head_of
from registry.log.witnessed_checkpoints import require_witnessed_sound
from registry.operate.check_acts import check_acts
from registry.operate.check_decisions import check_decisions
from registry.operate.check_done import check_done
from registry.operate.check_keys import check_keys
from registry.operate.check_rows import check_fingerprints, check_publishers, check_records
from registry.operate.check_tree import check_tree
from registry.operate.findings import Findings
from registry.storage.blobs import Blobs
from registry.storage.faults import is_unreadable
from registry.storage.models import Act, Fingerprint, Record
from sdk.models import AuditFinding, AuditReport

MAXIMUM_FINDINGS = 1000
PREVIEWS_AT_ONCE = 1000
_log = logging.getLogger(__name__)
Sessions = Callable[[], AbstractContextManager[Session]]  # opens one for a short look


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
    """Runs every step in one session; see `audit_rows` and `with_previews`."""
    report = audit_rows(services, session, still)
    return with_previews(report, services.blobs, lambda: nullcontext(session))


def audit_rows(services: Audited, session: Session, still: Still | None = None) -> AuditReport:
    """Runs every step but the last; a clean report has no findings. Raises IndexUnavailable.

    Rows are read through `session`, whose transaction has not begun: the published checkpoint must be older
    than what it sees. Where others write meanwhile it is a snapshot, and `still` opens a session in which
    nothing moves: what looks different is looked at again there, since an index has no snapshots.
    """
    settled = still or (lambda: nullcontext(session))
    findings: list[AuditFinding] = []
    for kind, step in (
        ("checkpoint", _check_checkpoint(services, session)),
        ("log_entry", check_tree(session)),
        ("keys", check_keys(session)),
        ("act", check_acts(session)),
        ("act", check_done(session)),
        ("publisher", check_publishers(session)),
        ("record", check_records(session)),
        ("fingerprint", check_fingerprints(session)),
        ("decision", check_decisions(session)),
        ("index", _check_index(services, session, settled)),
    ):
        for what, detail in _to_its_end(kind, step):
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


def with_previews(report: AuditReport, blobs: Blobs, sessions: Sessions) -> AuditReport:
    """Runs the last step: adds the previews that are lost. Raises BlobsUnavailable.

    No transaction of `sessions` is open while the store is asked for one after another: a snapshot that
    stays open keeps the database from clearing away old rows.
    """
    room = MAXIMUM_FINDINGS - len(report.findings)
    lost = tuple(
        AuditFinding(what="preview", detail=lost_preview(record_id))
        for record_id in islice(_lost_previews(blobs, sessions), room)
    )
    found = {"clean": report.clean and not lost, "findings": (*report.findings, *lost)}
    return report.model_copy(update=found)


def _to_its_end(kind: str, step: Findings) -> Findings:
    """What a step finds. Rows that it cannot read are a finding too: they must not end the audit."""
    try:
        yield from step
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, DBAPIError) as error:
        if isinstance(error, DBAPIError) and not is_unreadable(error):
            raise
        _log.exception("the audit cannot read everything of the kind %s", kind)
        yield (
            kind,
            f"what is stored cannot be read; some of this kind was not compared: {type(error).__name__}",
        )


def _check_checkpoint(services: Audited, session: Session) -> Findings:
    try:
        services.log.require_sound(session)
        require_witnessed_sound(session, services.log)
    except LogRolledBack as error:
        yield "checkpoint", str(error)


def _check_index(services: Audited, session: Session, still: Still) -> Findings:
    for difference in services.index.check(session, still):
        yield "index", difference


def _lost_previews(blobs: Blobs, sessions: Sessions) -> Iterator[str]:
    """Ids of records, in rising order."""
    kept = select(Record.id, Record.preview_key).where(col(Record.preview_key).is_not(None))
    after = ""
    while True:
        with sessions() as session:
            page = kept.where(col(Record.id) > after).order_by(col(Record.id)).limit(PREVIEWS_AT_ONCE)
            keys = dict(session.exec(page).all())
        if not keys:
            return
        after = list(keys)[-1]
        lost = [record_id for record_id, key in keys.items() if key is not None and not blobs.has(key)]
        if lost:
            # A record may have been erased since: its row forgets the preview before the preview goes.
            with sessions() as session:
                anew = dict(session.exec(kept.where(col(Record.id).in_(lost))).all())
            yield from (record_id for record_id in lost if anew.get(record_id) == keys[record_id])


def lost_preview(record_id: str) -> str:
    """What is said of a preview that is not there."""
    return f"the preview of record {record_id} is lost"
