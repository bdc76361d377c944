"""What indexes in engines outside the process have in common."""

from typing import Protocol

from indexer.index.port import Hit, Index


def first_of_each(hits: list[Hit], k: int) -> list[Hit]:
    """Of sorted hits, the first `k` of each query."""
    taken: dict[int, int] = {}
    kept = []
    for hit in hits:
        if taken.get(hit.query, 0) < k:
            taken[hit.query] = taken.get(hit.query, 0) + 1
            kept.append(hit)
    return kept


class SharedIndex(Index, Protocol):
    """An index in an engine that many processes use; adding a known id replaces its row."""

    def clear(self) -> None:
        """Remove all rows."""
        ...

    def close(self) -> None:
        """End all connections."""
        ...
