"""What a registry looks like at this moment, as numbers with names: read by whoever watches it.

Cheap: a handful of queries by index, none of which grows with the records.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from shutil import disk_usage

from sqlmodel import Session, col, func, select

from registry import __version__
from registry.index.loading import newest_change
from registry.log.transparency_log import head_of, read_note
from registry.log.witnessed_checkpoints import newest_witnessed
from registry.operate.audit_runs import is_bearable, last_audit
from registry.records.acts import newest_number
from registry.services import Services
from registry.storage.models import Act, ApiKey, Job, LogHead
from registry.storage.models.columns import now
from registry.storage.models.jobs import QUEUED, RUNNING
from sdk.checkpoint import BadCheckpoint, parse_checkpoint_unverified
from sdk.models import ActType, Scope

EXPIRING_WITHIN = timedelta(days=14)
TOTAL = "_total"  # ends the names of what only grows while a process runs


@dataclass(frozen=True)
class Sample:
    """One number, with its name, what it means, and labels."""

    name: str
    meaning: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def samples(services: Services, session: Session) -> Iterator[Sample]:
    """Yields every number; those of one name come one after another."""
    yield Sample("trueprint_build_info", "Version that runs", 1, {"version": __version__})
    yield from _log(services, session)
    yield from _audit(session)
    yield from _index(services, session)
    yield from _work(services, session)
    yield from _keys(session)
    free = disk_usage(services.settings.home).free
    yield Sample("trueprint_disk_free_bytes", "Free where the registry keeps its files", free)
    found = (services.witnessing.fault, services.witnessing.weakness, services.signer.fault)
    faults = len(services.faults) + sum(fault is not None for fault in found)
    yield Sample("trueprint_faults", "What its operator must mend (trueprint doctor)", faults)


def _log(services: Services, session: Session) -> Iterator[Sample]:
    file = services.settings.checkpoint_file
    published, at = 0, 0.0  # the file first: it never is ahead of the head that is read after it
    with suppress(BadCheckpoint, FileNotFoundError):
        published, at = parse_checkpoint_unverified(read_note(file)).size, file.stat().st_mtime
    head = head_of(session, anew=True)
    yield Sample("trueprint_log_size", "Entries of the log", head.size)
    yield Sample(
        "trueprint_log_unpublished", "Entries beyond the published checkpoint", head.size - published
    )
    yield Sample(
        "trueprint_checkpoint_published_timestamp_seconds",
        "When the checkpoint was published last; 0: never",
        at,
    )
    yield from _witnesses(services, session, head)
    yield Sample("trueprint_records_active", "Records that can match", head.active_records)


def _witnesses(services: Services, session: Session, head: LogHead) -> Iterator[Sample]:
    row = newest_witnessed(session) if services.log.witnessed else None
    behind = head.size - (row.size if row else 0) if services.log.witnessed else 0
    meaning = "Whether a witness contradicted the log, which takes nothing since"
    yield Sample("trueprint_log_stopped", meaning, float(head.stopped is not None))
    yield Sample("trueprint_log_not_cosigned", "Entries that too few witnesses have cosigned", behind)
    yield Sample(
        "trueprint_checkpoint_cosigned_timestamp_seconds",
        "When enough witnesses cosigned last; 0: never, or there are none",
        row.cosigned_at.timestamp() if row else 0,
    )


def _audit(session: Session) -> Iterator[Sample]:
    last = last_audit(session)
    at = last.at.timestamp() if last else 0
    yield Sample("trueprint_audit_timestamp_seconds", "When the last audit ended; 0: never", at)
    yield Sample(
        "trueprint_audit_clean", "Whether the last audit found nothing", float(last.clean if last else 1)
    )
    meaning = "Whether the last audit found nothing, or nothing that keeps a registry from serving"
    yield Sample("trueprint_audit_sound", meaning, float(is_bearable(last.findings) if last else 1))
    for what, count in sorted(last.findings.items()) if last else ():
        yield Sample("trueprint_audit_findings", "What the last audit found", count, {"what": what})
    yield from _acts(session)


def _acts(session: Session) -> Iterator[Sample]:
    first = session.exec(select(Act.at).order_by(col(Act.number)).limit(1)).first()
    meaning = "When the first act was, as of the set-up; 0: there is none"
    yield Sample("trueprint_first_act_timestamp_seconds", meaning, first.timestamp() if first else 0)
    # An audit alone is no reason for a commitment (commit_acts).
    committed = newest_number(session, ActType.COMMIT_ACTS)
    since = col(Act.number) > (-1 if committed is None else committed)
    others = select(func.count()).select_from(Act).where(since, Act.type != ActType.AUDIT.value)
    yield Sample(
        "trueprint_acts_not_committed",
        "Acts, other than audits, that the log does not commit to yet",
        session.exec(others).one(),
    )


def _index(services: Services, session: Session) -> Iterator[Sample]:
    state = services.index.state(newest_change(session))
    yield Sample("trueprint_index_lag", "Changes that the index has not applied", state.lag)
    yield Sample("trueprint_index_age_seconds", "Since it was known to be up to date", state.age_s)


def _work(services: Services, session: Session) -> Iterator[Sample]:
    waiting = select(Job.status, func.count()).where(col(Job.status).in_((QUEUED, RUNNING)))
    counted = dict(session.exec(waiting.group_by(Job.status)).all())
    for status in (QUEUED, RUNNING):
        yield Sample("trueprint_jobs", "Videos", counted.get(status, 0), {"status": status})
    pools = {"images": services.uploads.decoders.images, "videos": services.uploads.decoders.videos}
    for name, pool in pools.items():
        yield Sample("trueprint_decoders_busy", "Decoders at work", pool.busy, {"pool": name})
    for name, pool in pools.items():
        meaning = "Decoder processes started"
        yield Sample("trueprint_decoder_starts_total", meaning, pool.started, {"pool": name})
    for name, pool in pools.items():
        meaning = "Decoder processes that an upload ended"
        yield Sample("trueprint_decoder_losses_total", meaning, pool.lost, {"pool": name})
    chains = services.chains
    for outcome, queries in (("slowed", chains.slowed), ("refused", chains.refused)):
        meaning = "Queries that feel their way to a hidden fingerprint"
        yield Sample("trueprint_probing_queries_total", meaning, queries, {"outcome": outcome})


def _keys(session: Session) -> Iterator[Sample]:
    moment = now()
    alive = (col(ApiKey.revoked_at).is_(None), col(ApiKey.expires_at) > moment)
    soon = (
        select(func.count())
        .select_from(ApiKey)
        .where(*alive, ApiKey.expires_at <= moment + EXPIRING_WITHIN)
    )
    yield Sample(
        "trueprint_api_keys_expiring", "API keys that expire within 14 days", session.exec(soon).one()
    )
    of_admins = select(func.max(ApiKey.expires_at)).where(
        *alive, col(ApiKey.scopes).contains([Scope.ADMIN.value])
    )
    last = session.exec(of_admins).one()
    yield Sample(
        "trueprint_admin_key_expires_timestamp_seconds",
        "When the last API key with the scope admin expires; 0: there is none",
        last.timestamp() if last else 0,
    )
