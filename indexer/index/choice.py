"""Which index is made, by name."""

from pathlib import Path

from indexer.fingerprints.kinds import Kind
from indexer.index.faiss_package import require_one_flavour
from indexer.index.port import BruteForceIndex, Index
from indexer.index.segmented_index import SegmentedIndex

CPU, BRUTE_FORCE = "cpu", "brute-force"
NAMES = (CPU, BRUTE_FORCE)


def make_index(kind: Kind, name: str, folder: Path, registry: str) -> Index:
    """An empty index; what it keeps on disk lies in a folder of its own under `folder`.

    Raises FaissUnavailable.
    """
    if name == BRUTE_FORCE:
        return BruteForceIndex(kind)
    require_one_flavour()
    return SegmentedIndex(kind, folder / kind.name, registry)


def host_of(index: Index) -> SegmentedIndex | None:
    """The part of an index that is kept on disk, where it has one."""
    return index if isinstance(index, SegmentedIndex) else None
