"""Starts the registry again after the case before, looks at it, and goes through the next case.

    python -m bench.faults.child SITE_JSON

A process that imports everything and opens nothing reads one order a line as JSON and forks a child for it,
which writes what it found to the order's file: hundreds of deaths cost a second or less each.
"""

import json
import os
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from obstore.exceptions import BaseError as BlobError
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, func, select

from bench.faults.layer import Fault, Layer, Plan
from bench.faults.site import ACKNOWLEDGED, CASE, EvenEmbedder, Site
from bench.faults.writes import ANY, MEDIA, WRITES, Acknowledged, Actor, again, erase, register_something
from registry.app import running_services
from registry.errors import RegistryError
from registry.log.transparency_log import head_of
from registry.media.uploads import Upload
from registry.operate.audit import audit
from registry.services import Services
from registry.storage.db import connect, transaction
from registry.storage.models import Job, PublisherKey, Record
from registry.storage.models.records import ACTIVE
from sdk.checkpoint import parse_checkpoint_unverified

SURVIVED = 7


@dataclass
class Report:
    """What a child found and did."""

    lost: list[str] = field(default_factory=list)  # acknowledged, and not there
    findings: list[str] = field(default_factory=list)  # of the audit, and what should not be
    writes: list[str] = field(default_factory=list)  # names of what went through the layer
    outcome: str = ""  # answered, or what was raised; empty: killed


def acknowledge(site: Site, acknowledged: Acknowledged) -> None:
    """Remembers what a caller was told. The last line about a thing counts."""
    with site.path(ACKNOWLEDGED).open("a") as file:
        file.writelines(json.dumps([name, state]) + "\n" for name, state in acknowledged.items())


def lost_of(site: Site, services: Services, session: Session) -> list[str]:
    """What was acknowledged, and is not so."""
    wanted: Acknowledged = {}
    with suppress(FileNotFoundError):
        wanted.update(json.loads(line) for line in site.path(ACKNOWLEDGED).read_text().splitlines())
    records = dict(session.exec(select(Record.id, Record.status)).all())
    keys = {key.kid: key for key in session.exec(select(PublisherKey))}
    jobs = dict(session.exec(select(Job.id, Job.status)).all())

    def is_so(name: str, state: str) -> bool:
        match state:
            case "key":
                return name in keys
            case "revoked":
                return name in keys and keys[name].revoked_at is not None
            case "blob":
                return services.blobs.get(name) is not None
            case "no blob":
                return services.blobs.get(name) is None
            case "job":
                return name in jobs
            case "done job":
                return jobs.get(name) == "done"
            case _:
                return name in records and state in (ANY, records[name])

    lost = [f"{state} {name}" for name, state in wanted.items() if not is_so(name, state)]
    twice = select(Record.digest_sha256).where(
        col(Record.status) == ACTIVE, col(Record.digest_sha256).is_not(None)
    )
    grouped = twice.group_by(col(Record.digest_sha256)).having(func.count() > 1)
    return lost + [f"registered twice: {digest}" for digest in session.exec(grouped)]


def look(site: Site, services: Services, report: Report, *, is_answered: bool) -> None:
    """Audits, and looks for all that was acknowledged, after an answer: the checkpoint must be out."""
    published = parse_checkpoint_unverified(services.settings.checkpoint_file.read_text()).size
    with transaction(services.engine) as session:
        if is_answered and published < head_of(session).size:
            report.findings.append(f"answered, but only {published} entries are published")
        report.lost += lost_of(site, services, session)
    with transaction(services.engine) as session:
        report.findings += [
            f"{finding.what}: {finding.detail}" for finding in audit(services, session).findings
        ]


def go_on(site: Site, actor: Actor, report: Report) -> None:
    """After a start: what the case before asked for is asked for again, and something else is written."""
    file = site.path(CASE)
    if file.exists():
        case = json.loads(file.read_text())
        answered = again(WRITES[case["write"]], actor, case["state"])
        acknowledge(site, answered)
        # A conflict, as when a key is enrolled twice, acknowledges nothing.
        look(site, actor.services, report, is_answered=bool(answered))
        if "content" in case["state"]:  # the same picture a hundred times would be compared a hundred times
            with transaction(actor.services.engine) as session:
                record = session.exec(select(Record.id).where(Record.jws == case["state"]["jws"])).one()
            acknowledge(site, erase(actor, {"record": record}))
        file.unlink()
    acknowledge(site, register_something(actor))


def one_case(site: Site, order: dict[str, Any], uploads: dict[str, Upload], report: Report) -> None:
    """The child's whole life; does not return where it is killed."""
    settings = site.settings
    assert settings.database_url is not None
    engine = connect(settings.database_url)
    layer = Layer(engine)
    with running_services(settings, engine, EvenEmbedder()) as services:
        actor = Actor(services, site, uploads)
        go_on(site, actor, report)
        write = WRITES[order["write"]]
        state = write.prepare(actor)
        if "record" in state:
            acknowledge(site, {state["record"]: ANY})
        site.path(CASE).write_text(json.dumps({"write": write.name, "state": state}))
        save(report, order)
        plan = Plan(order["at"], Fault(order["fault"])) if "at" in order else None
        layer.arm(plan)
        try:
            acknowledge(site, write.act(actor, state))
            report.outcome = "answered"
        except (RegistryError, SQLAlchemyError, BlobError, OSError) as error:
            report.outcome = type(error).__name__
        layer.disarm()
        report.writes = layer.seen
        if layer.has_waited_in_vain and isinstance(order.get("at"), str):
            report.findings.append(f"there is no write of this name; there are {', '.join(layer.seen)}")
        save(report, order)
        if plan:
            go_on(site, actor, report)  # without a start: the process that saw the fault goes on
    save(report, order)


def describe_media(site: Site) -> dict[str, Upload]:
    """Decodes and fingerprints the pictures of all cases once."""
    settings = site.settings
    assert settings.database_url is not None
    engine = connect(settings.database_url)
    with running_services(settings, engine, EvenEmbedder()) as services:
        found = {kind: services.uploads.read(make(), with_previews=True) for kind, make in MEDIA.items()}
        for upload in found.values():
            assert upload.features is not None or upload.video is not None
    engine.dispose()
    return found


def save(report: Report, order: dict[str, Any]) -> None:
    """Writes the report where the order wants it."""
    Path(order["report"]).write_text(json.dumps(asdict(report)))


def main() -> None:
    """Forks a child for each order, and answers with its exit status."""
    site = Site(**json.loads(sys.argv[1]))
    uploads = describe_media(site)
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code, report = 1, Report()
            try:
                one_case(site, order, uploads, report)
                code = SURVIVED
            except BaseException as error:
                traceback.print_exc()
                report.findings.append(f"{type(error).__name__}: {error}")
                save(report, order)
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
