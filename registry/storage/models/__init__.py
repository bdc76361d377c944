"""Tables, by subject. Rows are the truth; everything else is derived from them."""

from registry.storage.models.acts import Act
from registry.storage.models.gate import (
    Decision,
    DecisionEntry,
    GateSettings,
    PolicyActivation,
    PolicyPack,
)
from registry.storage.models.jobs import Job
from registry.storage.models.log import (
    AnswerKey,
    LogEntry,
    LogHead,
    LogKeyChange,
    LogTile,
    WitnessedCheckpoint,
)
from registry.storage.models.publishers import ApiKey, Publisher, PublisherKey
from registry.storage.models.records import (
    Corroboration,
    DeclaredSource,
    Dispute,
    FakeReview,
    Fingerprint,
    IdempotencyKey,
    IndexChange,
    IndexPosition,
    Record,
)

__all__ = [
    "Act",
    "AnswerKey",
    "ApiKey",
    "Corroboration",
    "Decision",
    "DecisionEntry",
    "DeclaredSource",
    "Dispute",
    "FakeReview",
    "Fingerprint",
    "GateSettings",
    "IdempotencyKey",
    "IndexChange",
    "IndexPosition",
    "Job",
    "LogEntry",
    "LogHead",
    "LogKeyChange",
    "LogTile",
    "PolicyActivation",
    "PolicyPack",
    "Publisher",
    "PublisherKey",
    "Record",
    "WitnessedCheckpoint",
]
