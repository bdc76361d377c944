"""The vocabulary of operations, as `indexer.operations` keeps it; what the SDK publishes of it."""

from indexer.operations import (
    OPERATIONS,
    Certainty,
    Degree,
    Direction,
    Extent,
    MediaAuthenticity,
    OperationRow,
    OperationType,
    Severity,
)

__all__ = [
    "OPERATIONS",
    "Certainty",
    "Degree",
    "Direction",
    "Extent",
    "MediaAuthenticity",
    "OperationRow",
    "OperationType",
    "Severity",
]
