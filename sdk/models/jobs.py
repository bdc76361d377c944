"""Work that goes on after the request: its state, and where its result will be."""

from datetime import datetime
from enum import StrEnum

from sdk.models.base import Problem, Wire
from sdk.models.decisions import Decision


class JobStatus(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(Wire):
    """A video that is being registered, matched or decided about."""

    id: str
    kind: str  # match, register or gate
    status: JobStatus
    progress: float  # 0..1
    created_at: datetime
    finished_at: datetime | None = None
    result: str | None = None  # path of the answer, when it is done
    events: str  # path of its server-sent events
    problem: Problem | None = None  # when it failed
    decision: Decision | None = None  # of the gate, when it is done


class WebhookSecret(Wire):
    """The secret that deliveries to webhooks of this API key are signed with (Standard Webhooks)."""

    secret: str
