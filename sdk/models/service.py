"""The log, the audit, and what a registry runs on."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from sdk.models.base import Wire
from sdk.models.matching import Freshness


class LogState(Wire):
    """The log's newest checkpoint and the key that signs it."""

    origin: str
    size: int
    checkpoint: str
    log_key: str


class Consistency(Wire):
    """A consistency proof between two tree sizes."""

    first: int
    second: int
    hashes: Annotated[tuple[str, ...], Field(description="base64, RFC 9162 order")]


class AuditFinding(Wire):
    """One difference between what is stored and what follows from the rows."""

    what: str  # such as `log_root` or `fingerprint`
    detail: str


class AuditReport(Wire):
    """What an audit derived again, and every difference it found."""

    clean: bool
    records: int
    log_size: int
    fingerprints: int
    acts: int = 0  # administrative acts
    findings: tuple[AuditFinding, ...]


class LastAudit(Wire):
    """What the last audit found, whoever ran it."""

    at: AwareDatetime
    clean: bool
    log_size: int
    findings: dict[str, int]  # how many of each kind, such as `log_tile`


class IsolationLayer(Wire):
    """One means by which a decoder that an upload took over is kept from harm (docs/security.md)."""

    name: str  # such as `system_calls`
    stops: str
    holds: bool  # on this machine
    why_not: str | None  # where it does not hold


class WitnessState(Wire):
    """What this process knows of a witness of the log."""

    name: str  # in the policy
    key: str  # vkey
    size: int | None  # that it cosigned last
    cosigned_at: AwareDatetime | None  # by its clock
    fault: str | None  # why it did not cosign when it was asked last


class ServerStatus(Wire):
    """What this registry runs on."""

    version: str
    device: str
    faces: str  # compared, or why they are not
    index: str
    isolation: tuple[IsolationLayer, ...]  # of the processes that decode uploads
    database: str
    blobs: str
    records: int
    fingerprints: dict[str, int]
    to_describe_anew: int  # records that wait for another descriptor, and are found by their old one
    # Queries since the process started that were put off, or refused, as those of somebody who reads off a
    # fingerprint.
    probing_slowed: int = 0
    probing_refused: int = 0
    freshness: Freshness
    oldest_index_s: float
    last_audit: LastAudit | None = None
    witnesses: tuple[WitnessState, ...] = ()  # of the log
    faults: tuple[str, ...] = ()  # sentences: what its operator must mend
