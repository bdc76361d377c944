"""Runs audits while the registry serves, notes each as an act, and reads what the last one found.

An audit reads a snapshot: nobody waits for it. With each that finds nothing worse than what is bearable,
the log commits to the acts so far.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from registry.errors import ActDamaged, AuditFailed, RegistryError
from registry.gate.chain import note_heads
from registry.log.transparency_log import nothing_moves
from registry.operate.audit import audit_rows, with_previews
from registry.publish.registration import publish_and_cosign
from registry.records.acts import Actor, append_act, commit_acts, newest_act
from registry.services import Services
from registry.storage.db import after_commit, snapshot, transaction
from registry.storage.timestamps import EARLIEST
from sdk.models import ActType, AuditReport, LastAudit

# A lost preview costs a comparison and no proof, and is never found again; acts of a clock that was wrong
# are there until their time has come: a registry serves on with either.
BEARABLE = frozenset({"preview", "clock"})
FINDINGS_LOGGED = 10
SAID = ("clean", "log_size", "findings")  # of the details of an audit's act
_log = logging.getLogger(__name__)


def run_audit(services: Services, by: Actor) -> AuditReport:
    """Audits a snapshot, notes the act and what it found, and then has the log commit to the acts.

    What was found is kept whether or not the log can be appended to. Raises BlobsUnavailable and
    IndexUnavailable where not everything can be looked at, and what the database raises; nothing is noted.
    """
    began = monotonic()
    with snapshot(services.engine) as session:
        report = audit_rows(services, session, lambda: nothing_moves(services.engine))
    report = with_previews(report, services.blobs, lambda: transaction(services.engine))
    try:
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
    except ActDamaged as error:  # which the report says, too
        _log.error("the audit cannot be noted: %s", error)
    # Nothing is signed over a log that has rotted.
    if is_bearable(finding.what for finding in report.findings):
        _commit_acts(services, by)
    if not report.clean:
        _log.error("an audit found %d differences", len(report.findings))
        for finding in report.findings[:FINDINGS_LOGGED]:
            _log.error("audit: %s: %s", finding.what, finding.detail)
    return report


def _commit_acts(services: Services, by: Actor) -> None:
    """Raises nothing for which the audit would be made again: the next one commits to these acts."""
    try:
        with transaction(services.engine) as session:
            if services.log.may_sign(session):  # witnesses may have stopped it
                note_heads(session, by)
                commit_acts(session, services.log, by)
                after_commit(session, lambda: publish_and_cosign(services))
    except (RegistryError, SQLAlchemyError, OSError) as error:
        _log.error("the log does not commit to the acts so far: %s", type(error).__name__)


def last_audit(session: Session) -> LastAudit | None:
    """What the last audit found; None: there was none.

    An act that does not say it was tampered with: that counts as a finding.
    """
    try:
        act = newest_act(session, ActType.AUDIT)
    except ActDamaged:
        return LastAudit(at=EARLIEST, clean=False, log_size=0, findings={"act": 1})
    if act is None:
        return None
    said = {name: act.details.get(name) for name in SAID}
    with suppress(ValidationError):
        last = LastAudit.model_validate({"at": act.at, **said}, strict=True)
        if last.clean != bool(last.findings):
            return last
    return LastAudit(at=act.at, clean=False, log_size=0, findings={"act": 1})


def is_bearable(found: Iterable[str]) -> bool:
    """Tells whether kinds of findings are of those with which a registry serves on, or none."""
    return BEARABLE.issuperset(found)


def require_sound_audit(session: Session) -> None:
    """Raises AuditFailed where the last audit found worse than what is bearable.

    Anybody may ask whether a registry is ready: what was found is told to holders of an API key alone.
    """
    last = last_audit(session)
    if last and not is_bearable(last.findings):
        raise AuditFailed("the last audit found differences; its findings are in the status")
