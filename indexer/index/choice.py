"""Which index is made, by name, and on which device."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable

from indexer.fingerprints.kinds import Kind
from indexer.index.device import Device
from indexer.index.engine import SharedIndex
from indexer.index.faiss_package import require_one_flavour
from indexer.index.port import BruteForceIndex, Index
from indexer.index.segmented_index import SegmentedIndex

AUTO, CPU, GPU, BRUTE_FORCE = "auto", "cpu", "gpu", "brute-force"
MILVUS, PGVECTOR = "milvus", "pgvector"
SHARED = (MILVUS, PGVECTOR)
SHARE_OF_FREE_MEMORY = 0.8  # of the device, where no bound is set; the descriptor runs there as well
_log = logging.getLogger(__name__)


def open_device(name: str, torch_device: str | None, max_bytes: int | None) -> Device | None:
    """The device that the index `name` is searched on; None: the CPU.

    `torch_device`: as set by hand; `cpu` serves to try the device's code without one.
    """
    if name not in (AUTO, GPU):
        return None
    import torch  # heavy

    if torch.cuda.is_available() and torch_device != "cpu":
        if find_spec("triton") is None:
            _log.warning("Triton is not installed: the GPU is searched by torch alone, which is slower")
        free, _ = torch.cuda.mem_get_info()
        return Device(torch_device or "cuda", max_bytes or int(free * SHARE_OF_FREE_MEMORY))
    if name == GPU and torch_device == "cpu":
        return Device("cpu", max_bytes)
    if name == GPU:
        _log.warning("there is no GPU that torch can use: the index is searched on the CPU")
    return None


def make_index(kind: Kind, name: str, folder: Path, registry: str, device: Device | None = None) -> Index:
    """An empty index; what it keeps on disk lies in a folder of its own under `folder`.

    Raises FaissUnavailable.
    """
    if name == BRUTE_FORCE:
        return BruteForceIndex(kind)
    require_one_flavour()
    host = SegmentedIndex(kind, folder / kind.name, registry)
    if device is None:
        return host
    from indexer.index.device_index import DeviceIndex  # brings torch

    return DeviceIndex(host, device)


def make_shared_index(kind: Kind, name: str, where: str, registry: str) -> SharedIndex:
    """An index in an engine, with what it holds. `where`: an address, or a database for pgvector.

    Raises EngineUnavailable.
    """
    if name == MILVUS:
        from indexer.index.milvus_index import MilvusIndex  # only where it is wanted

        return MilvusIndex(kind, where, f"trueprint_{registry}")
    from indexer.index.pgvector_index import PgvectorIndex  # only where it is wanted

    return PgvectorIndex(kind, where)


@runtime_checkable
class OnDevice(Protocol):
    """What is known of a DeviceIndex without torch."""

    host: SegmentedIndex

    @property
    def is_on_device(self) -> bool:
        """Whether the device answers."""
        ...

    def fill(self) -> None:
        """Copy what the host holds already."""
        ...


def host_of(index: Index) -> SegmentedIndex | None:
    """The part of an index that is kept on disk, where it has one."""
    host = index.host if isinstance(index, OnDevice) else index
    return host if isinstance(host, SegmentedIndex) else None
