"""Opens the index that the settings ask for: in this process, on search nodes, or in a shared engine."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine

from indexer.index.engines import CPU, ENGINES, SharedEngine, open_device
from indexer.index.port import EngineUnavailable
from registry.errors import StartRefused
from registry.index.access import IndexAccess
from registry.index.local import LocalIndex
from registry.index.mapped import FilesOfAnother
from registry.index.remote import SearchNodes
from registry.index.shared import SharedEngineIndex
from registry.settings import Settings
from registry.storage.db import conninfo


@contextmanager
def open_index(
    settings: Settings, engine: Engine, registry_id: str, files: FilesOfAnother | None = None
) -> Iterator[IndexAccess]:
    """The index that this process searches, until the end. Raises StartRefused.

    `files`: those of another process, which are mapped where the index is in this one.
    """
    with ExitStack() as stack:
        if settings.search_node_addresses:
            nodes = SearchNodes(settings.search_node_addresses, search_secret_of(settings))
            stack.callback(nodes.close)
            yield nodes
            return
        index_engine = ENGINES[settings.index]
        if isinstance(index_engine, SharedEngine):
            yield stack.enter_context(_shared_index(settings, index_engine, engine, registry_id))
            return
        yield stack.enter_context(open_local_index(settings, engine, registry_id, files))


@contextmanager
def _shared_index(
    settings: Settings, index_engine: SharedEngine, engine: Engine, registry_id: str
) -> Iterator[SharedEngineIndex]:
    setting = index_engine.address_setting
    address: str = conninfo(engine) if setting is None else getattr(settings, setting)
    try:
        index = SharedEngineIndex(engine, index_engine, address, registry_id, settings.poll_interval_s)
        index.start()
    except EngineUnavailable as error:
        raise StartRefused(str(error)) from error
    try:
        yield index
    finally:
        index.stop()


@contextmanager
def open_local_index(
    settings: Settings, engine: Engine, registry_id: str, files: FilesOfAnother | None = None
) -> Iterator[LocalIndex]:
    """An index in this process, which follows the rows until the end. Raises StartRefused."""
    index_engine = ENGINES[settings.index]
    if isinstance(index_engine, SharedEngine):
        index_engine = CPU  # a search node holds an index of its own
    with ExitStack() as stack:
        device = open_device(index_engine, settings.device, settings.gpu_memory_bytes)
        if device is not None:
            stack.callback(device.close)
        try:
            index = LocalIndex(
                engine,
                index_engine,
                files or settings.index_folder,
                registry_id,
                settings.poll_interval_s,
                device,
            )
        except EngineUnavailable as error:
            raise StartRefused(str(error)) from error
        index.start()
        stack.callback(index.stop)
        yield index


def search_secret_of(settings: Settings) -> str:
    """The secret that search nodes and the nodes that ask them share. Raises StartRefused."""
    if settings.search_secret is None:
        raise StartRefused("search nodes and the nodes that ask them need the same TRUEPRINT_SEARCH_SECRET")
    return settings.search_secret.get_secret_value()
