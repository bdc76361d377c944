"""What the indexes in engines outside the process have in common."""

from typing import Protocol

from indexer.index.port import Hit, Index


def first_of_each(hits: list[Hit], k: int) -> list[Hit]:
    """The first `k` hits of each query, out of sorted hits."""
    counts: dict[int, int] = {}
    kept = []
    for hit in hits:
        if counts.get(hit.query, 0) < k:
            counts[hit.query] = counts.get(hit.query, 0) + 1
            kept.append(hit)
    return kept


class SharedIndex(Index, Protocol):
    """An index in an engine that many processes use. Adding a known id replaces its row."""

    def clear(self) -> None:
        """Remove all rows."""
        ...

    def close(self) -> None:
        """End all connections."""
        ...
