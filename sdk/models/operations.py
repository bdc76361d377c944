"""The vocabulary of operations, as `indexer.operations` keeps it; what the SDK publishes of it."""

from indexer.operations import (
    OPERATIONS,
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
    "Degree",
    "Direction",
    "Extent",
    "MediaAuthenticity",
    "OperationRow",
    "OperationType",
    "Severity",
]
