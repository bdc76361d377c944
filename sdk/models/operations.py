"""The vocabulary of operations, as `indexer.operations` keeps it; what the SDK publishes of it."""

from indexer.operations import (
    OPERATIONS,
    Degree,
    Extent,
    MediaAuthenticity,
    OperationRow,
    OperationType,
    Severity,
)

__all__ = [
    "OPERATIONS",
    "Degree",
    "Extent",
    "MediaAuthenticity",
    "OperationRow",
    "OperationType",
    "Severity",
]
