"""Audits the registry once a night, by one process of however many run on its database."""

import logging
import threading
from datetime import UTC, datetime, time, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from registry.errors import RegistryError
from registry.operate.audit_runs import last_audit, run_audit
from registry.records.acts import REGISTRY
from registry.services import Services
from registry.storage.db import sole_holder, transaction
from registry.storage.models import Act
from registry.storage.models.columns import CLOCKS_DIFFER_BY, now
from sdk.models import AuditReport

LOOK_EVERY_S = 60.0
AGAIN_AFTER_S = 900.0  # an audit that failed: each reads everything that the registry holds
AUDIT_LOCK = 0x6175_6469_74  # "audit", one advisory lock per database
ENDED_WITHIN_S = 2.0
_log = logging.getLogger(__name__)


class NightlyAudit:
    """The thread that audits when it is time; a night that nobody was up is made up for."""

    def __init__(self, services: Services, at: time) -> None:
        self._services, self._at = services, at
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nightly-audit", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stops it; an audit in hand is left, and made again by whoever looks next."""
        self._stopping.set()
        self._thread.join(ENDED_WITHIN_S)

    def _run(self) -> None:
        wait_s = LOOK_EVERY_S
        while not self._stopping.wait(wait_s):
            wait_s = LOOK_EVERY_S
            try:
                audit_if_due(self._services, self._at, now())
            except Exception as error:  # whatever it is, the nights to come are audited
                wait_s = AGAIN_AFTER_S
                if not self._stopping.is_set():
                    _log_failure(error)


def _log_failure(error: Exception) -> None:
    known = isinstance(error, (SQLAlchemyError, RegistryError))  # the text of the first holds values
    words = str(error) if isinstance(error, RegistryError) else type(error).__name__
    _log.error("the nightly audit failed and is tried again: %s", words, exc_info=None if known else error)


def audit_if_due(services: Services, at: time, moment: datetime) -> AuditReport | None:
    """Audits where the last audit is older than the last time of day `at` (UTC); None: it is not due.

    Raises what the database raises.
    """
    with transaction(services.engine) as session:
        if not _is_due(session, at, moment):
            return None
    with sole_holder(services.engine, AUDIT_LOCK) as alone:
        if not alone:
            return None
        with transaction(services.engine) as session:
            if not _is_due(session, at, moment):  # another process was faster
                return None
        report = run_audit(services, REGISTRY)
    if report.clean:
        _log.info("the nightly audit found nothing: %d log entries", report.log_size)
    return report


def _is_due(session: Session, at: time, moment: datetime) -> bool:
    last = last_audit(session)
    # A registry that was never audited is due from the first night on after its first act.
    since = last.at if last else session.exec(select(Act.at).order_by(col(Act.number)).limit(1)).first()
    if since is None:
        return False
    # An act of tomorrow is of a wrong clock, or forged: it must not keep audits off until then.
    return since < last_time(at, moment) or since > moment + CLOCKS_DIFFER_BY


def last_time(at: time, moment: datetime) -> datetime:
    """The last moment, up to this one, at which it was that time of day (UTC)."""
    today = datetime.combine(moment.astimezone(UTC).date(), at, UTC)
    return today if today <= moment else today - timedelta(days=1)
