"""Work that takes longer than a request may wait: one row each, from the first byte to the result."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from registry.storage.models.columns import moment, now

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
MATCH, REGISTER, GATE = "match", "register", "gate"


class Job(SQLModel, table=True):
    """One request about a video. Its payload lies in the blobs until it is finished, and no longer."""

    id: str = Field(primary_key=True)
    kind: str  # match, register or gate
    api_key_id: str | None = Field(
        foreign_key="api_key.id"
    )  # None: asked on the page; whoever knows the id may read it
    status: str = QUEUED
    progress: float = 0.0  # 0..1
    attempts: int = 0
    payload_key: str | None
    statement: str | None = None  # of a registration
    gate_context: str | None = None  # JSON of what the platform said of an upload to the gate
    idempotency_key: str | None = None
    webhook: str | None = None
    result: str | None = None  # JSON of the answer
    problem: str | None = None  # JSON of a problem document (RFC 9457)
    created_at: datetime = Field(default_factory=now, sa_column=moment())
    finished_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
