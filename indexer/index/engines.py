"""Every index engine, one row each: what it is called, who uses it, and how an index in it is made.

A new engine is one module with a class that satisfies `Index` (or `SharedIndex`), and one row of `ENGINES`.
Settings are checked against the table, so the modules of the engines are imported only when one is made.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable

from indexer.fingerprints.kinds import Kind
from indexer.index.device import Device
from indexer.index.port import BruteForceIndex, Index
from indexer.index.segmented_index import SegmentedIndex
from indexer.index.shared_index import SharedIndex

SHARE_OF_FREE_MEMORY = 0.8  # of the device, where no bound is set; the descriptor runs there as well
_log = logging.getLogger(__name__)


class DeviceUse(Enum):
    """Whether an index is searched on a device."""

    NEVER = "never"
    IF_PRESENT = "if present"
    EXPECTED = "expected"  # without one there is a warning


@dataclass(frozen=True)
class LocalEngine:
    """An engine in which every process holds an index of its own."""

    name: str  # the value of the setting
    description: str  # of an index that is not on a device, as the status of a server shows it
    device: DeviceUse
    # Makes an empty index that keeps its files in the folder and is searched on the device, if given one.
    # Raises EngineUnavailable when a package is missing.
    make: Callable[[Kind, Path, str, Device | None], Index]  # kind, folder, registry, device


@dataclass(frozen=True)
class SharedEngine:
    """An engine outside the process, with one index for all nodes."""

    name: str  # the value of the setting
    description: str  # as the status of a server shows it
    address_setting: str | None  # the setting that says where it is; None: in the registry's database
    # Joins the index with what it holds. Raises EngineUnavailable when a package is missing or the engine
    # does not answer.
    make: Callable[[Kind, str, str], SharedIndex]  # kind, address or conninfo of the database, registry


def _segments(kind: Kind, folder: Path, registry: str, device: Device | None) -> Index:
    from indexer.index.faiss_package import require_one_flavour

    require_one_flavour()
    host = SegmentedIndex(kind, folder / kind.name, registry)
    if device is None:
        return host
    from indexer.index.device_index import DeviceIndex  # brings torch

    return DeviceIndex(host, device)


def _brute_force(kind: Kind, folder: Path, registry: str, device: Device | None) -> Index:
    return BruteForceIndex(kind)


def _milvus(kind: Kind, address: str, registry: str) -> SharedIndex:
    from indexer.index.milvus_index import MilvusIndex

    return MilvusIndex(kind, address, f"trueprint_{registry}")


def _pgvector(kind: Kind, conninfo: str, registry: str) -> SharedIndex:
    from indexer.index.pgvector_index import PgvectorIndex

    return PgvectorIndex(kind, conninfo)


CPU = LocalEngine("cpu", "segments on the CPU", DeviceUse.NEVER, _segments)
_ROWS: tuple[LocalEngine | SharedEngine, ...] = (
    LocalEngine("auto", "segments on the CPU", DeviceUse.IF_PRESENT, _segments),
    CPU,
    LocalEngine("gpu", "segments on the CPU", DeviceUse.EXPECTED, _segments),
    LocalEngine("brute-force", "brute force", DeviceUse.NEVER, _brute_force),
    SharedEngine("milvus", "Milvus", "milvus", _milvus),
    SharedEngine("pgvector", "pgvector", None, _pgvector),
)
ENGINES = {row.name: row for row in _ROWS}
DEFAULT = _ROWS[0].name


def open_device(engine: LocalEngine, torch_device: str | None, max_bytes: int | None) -> Device | None:
    """The device that indexes of this engine are searched on; None: the CPU.

    `torch_device`: the setting; with `cpu` the device's code can be tried without a device.
    """
    if engine.device is DeviceUse.NEVER:
        return None
    import torch  # heavy

    if torch.cuda.is_available() and torch_device != "cpu":
        if find_spec("triton") is None:
            _log.warning("Triton is not installed: the GPU is searched by torch alone, which is slower")
        free, _ = torch.cuda.mem_get_info()
        return Device(torch_device or "cuda", max_bytes or int(free * SHARE_OF_FREE_MEMORY))
    if engine.device is DeviceUse.IF_PRESENT:
        return None
    if torch_device == "cpu":
        return Device("cpu", max_bytes)
    _log.warning("there is no GPU that torch can use: the index is searched on the CPU")
    return None


@runtime_checkable
class OnDevice(Protocol):
    """A DeviceIndex, for modules that must not import torch."""

    host: SegmentedIndex

    @property
    def is_on_device(self) -> bool:
        """Whether the device answers searches."""
        ...

    def fill(self) -> None:
        """Copy the rows that the host holds already."""
        ...


def host_of(index: Index) -> SegmentedIndex | None:
    """The part of an index that is kept on disk; None when it has none."""
    host = index.host if isinstance(index, OnDevice) else index
    return host if isinstance(host, SegmentedIndex) else None
