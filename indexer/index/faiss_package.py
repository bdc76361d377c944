"""The package that brings faiss. Several packages do, and all of them install the same folder."""

from functools import cache
from importlib import metadata
from types import ModuleType

from indexer.index.port import EngineUnavailable

FLAVOURS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu12", "faiss-cuda")


class FaissUnavailable(EngineUnavailable):
    """FAISS is missing, or two packages that overwrite each other's files are installed."""


@cache  # parsing what every installed package says of itself takes a twentieth of a second each time
def installed_flavours() -> list[str]:
    """The installed packages that own the folder `faiss`; more than one is a broken installation."""
    names = {(dist.metadata["Name"] or "").lower() for dist in metadata.distributions()}
    return [flavour for flavour in FLAVOURS if flavour in names]


def require_one_flavour() -> None:
    """Raises FaissUnavailable, with what to install or uninstall, unless exactly one is installed."""
    flavours = installed_flavours()
    if len(flavours) > 1:
        raise FaissUnavailable(
            f"{' and '.join(flavours)} own the same folder; uninstall all of them, then install one"
        )
    if not flavours:
        raise FaissUnavailable("FAISS is not installed: install trueprint[cpu] or trueprint[gpu]")


@cache
def import_faiss() -> ModuleType:
    """Import faiss. Raises FaissUnavailable."""
    require_one_flavour()
    import faiss  # heavy, and a choice of the installation

    module: ModuleType = faiss
    return module


def faiss_for_search() -> ModuleType:
    """faiss with a single OpenMP thread for the calling thread: requests run in parallel, not their parts.

    Where the machine had other work, two threads made a search up to four times slower.
    """
    faiss = import_faiss()
    faiss.omp_set_num_threads(1)  # holds for the calling thread only
    return faiss
