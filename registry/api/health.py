"""Endpoints for operators: liveness, readiness, status, the audit."""

from datetime import UTC, datetime
from shutil import disk_usage

from fastapi import APIRouter, Request
from sqlmodel import func, select

from registry import __version__
from registry.api.deps import AnyKey, Operator, ServicesDep, SessionDep
from registry.api.readiness import Readiness, require_current
from registry.errors import DiskFull
from registry.index.loading import newest_change
from registry.jobs.reembedding import count_behind
from registry.log.witness_rounds import AskedWitness
from registry.match.answers import freshness
from registry.operate.audit_runs import last_audit, require_sound_audit, run_audit
from registry.records.acts import actor_of
from registry.services import Services
from registry.storage.db import describe, transaction
from registry.storage.models import Fingerprint, Record
from sdk.models import AuditReport, ServerStatus, WitnessState

router = APIRouter(tags=["health"])
LEAST_FREE_BYTES = 64 << 20
READS_ONLY = "ready, but nothing is registered: see the status"


@router.get("/livez", operation_id="getLiveness")
async def liveness() -> dict[str, str]:
    """Answers as long as the process runs."""
    return {"status": "alive"}


@router.get("/readyz", operation_id="getReadiness")
async def readiness(request: Request) -> dict[str, str]:
    """Answers as long as the database does and the index follows it; says what is wrong otherwise.

    Where the log takes nothing, because of its witnesses, everything else is ready, and that is said.
    """
    looked: Readiness = request.app.state.readiness
    await looked.require()
    services: Services = request.app.state.services
    return {"status": "ready"} if services.witnessing.fault is None else {"status": READS_ONLY}


def readiness_of(services: Services) -> Readiness:
    """What this registry needs to be ready. Its look raises IndexStale, and what the database raises."""

    def require_ready() -> None:
        fault = services.database.fault
        if fault is not None:
            raise fault
        if disk_usage(services.settings.home).free < LEAST_FREE_BYTES:
            raise DiskFull(f"less than {LEAST_FREE_BYTES >> 20} MiB are free")
        with transaction(services.engine) as session:
            require_current(services.index.state(newest_change(session)))
            require_sound_audit(session)

    return Readiness(require_ready)


@router.get("/v1/status", operation_id="getStatus")
def status(services: ServicesDep, session: SessionDep, _: AnyKey) -> ServerStatus:
    """Says what is installed, on which device, how large and current the index is, what is to be mended."""
    found = (services.witnessing.fault, services.witnessing.weakness, services.signer.fault)
    kinds = session.exec(select(Fingerprint.kind, func.count()).group_by(Fingerprint.kind)).all()
    return ServerStatus(
        version=__version__,
        device=f"{services.uploads.embedders.wanted.kind} on {services.uploads.embedders.wanted.device}",
        faces=services.faces_missing or "compared one to one, never kept",
        index=services.index.description,
        isolation=services.uploads.decoders.isolation(),
        database=describe(services.engine),
        blobs=services.blobs.description.split("?")[0],
        records=session.exec(select(func.count()).select_from(Record)).one(),
        fingerprints=dict(kinds),
        to_describe_anew=count_behind(services, session),
        probing_slowed=services.chains.slowed,
        probing_refused=services.chains.refused,
        freshness=freshness(services.in_request(session)),
        faults=(*services.faults, *filter(None, found)),
        witnesses=tuple(map(_as_wire, services.witnessing.asked)),
        oldest_index_s=round(services.index.state(newest_change(session)).age_s, 3),
        last_audit=last_audit(session),
    )


def _as_wire(asked: AskedWitness) -> WitnessState:
    return WitnessState(
        name=asked.witness.name,
        key=asked.witness.key.text(),
        size=asked.size,
        cosigned_at=None if asked.newest is None else datetime.fromtimestamp(asked.newest.at, UTC),
        fault=asked.said,
    )


@router.post("/v1/audit", operation_id="audit")
def audit(services: ServicesDep, api_key: Operator) -> AuditReport:
    """Derives everything again and lists every difference; the audit itself is noted as an act."""
    return run_audit(services, actor_of(api_key))
