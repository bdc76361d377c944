"""Runs audits while the registry serves, notes each as an act, and reads what the last one found.

An audit reads a snapshot: nobody waits for it. With each that
finds nothing, the log commits to the acts so far.
"""

import logging
from collections import Counter
from time import monotonic

from sqlmodel import Session

from registry.errors import AuditFailed
from registry.log.transparency_log import nothing_moves
from registry.operate.audit import audit
from registry.publish.registration import publish_and_cosign
from registry.records.acts import Actor, append_act, commit_acts, newest_act
from registry.services import Services
from registry.storage.db import after_commit, snapshot, transaction
from sdk.models import ActType, AuditReport, LastAudit

# A lost preview costs a comparison and no proof, and is never found again: a registry serves on without it.
BEARABLE = frozenset({"preview"})
FINDINGS_LOGGED = 10
_log = logging.getLogger(__name__)


def run_audit(services: Services, by: Actor) -> AuditReport:
    """Audits a snapshot, and notes the act and what it found."""
    began = monotonic()
    with snapshot(services.engine) as session:
        report = audit(services, session, lambda: nothing_moves(services.engine))
    with transaction(services.engine) as session:
        append_act(
            session,
            by,
            ActType.AUDIT,
            clean=report.clean,
            log_size=report.log_size,
            records=report.records,
            findings=dict(Counter(finding.what for finding in report.findings)),
            took_ms=round((monotonic() - began) * 1000),
        )
        # Nothing is signed over a log that has rotted, or that its witnesses stopped.
        if report.clean and services.log.may_sign(session):
            commit_acts(session, services.log, by)
            after_commit(session, lambda: publish_and_cosign(services))
    if not report.clean:
        _log.error("an audit found %d differences", len(report.findings))
        for finding in report.findings[:FINDINGS_LOGGED]:
            _log.error("audit: %s: %s", finding.what, finding.detail)
    return report


def last_audit(session: Session) -> LastAudit | None:
    """What the last audit found; None: there was none."""
    row = newest_act(session, ActType.AUDIT)
    if row is None:
        return None
    told = row.details
    return LastAudit(at=row.at, clean=told["clean"], log_size=told["log_size"], findings=told["findings"])


def require_sound_audit(session: Session) -> None:
    """Raises AuditFailed where the last audit found more than lost previews."""
    last = last_audit(session)
    worse = sorted(set(last.findings) - BEARABLE) if last else []
    if last and worse:
        raise AuditFailed(f"the audit of {last.at.isoformat(timespec='seconds')} found: {', '.join(worse)}")
