"""Which index this process uses, by its settings: its own, the matchers', or a shared engine."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine

from indexer.index.choice import MILVUS, SHARED, open_device
from indexer.index.engine import EngineUnavailable
from indexer.index.faiss_package import FaissUnavailable
from registry.errors import StartRefused
from registry.index.access import IndexAccess
from registry.index.local import Indexing
from registry.index.remote import Matchers
from registry.index.shared import SharedIndexing
from registry.settings import Settings


@contextmanager
def open_index(settings: Settings, engine: Engine, registry_id: str) -> Iterator[IndexAccess]:
    """The index of this process, or the matchers'. Raises StartRefused."""
    with ExitStack() as stack:
        if settings.matcher_addresses:
            matchers = Matchers(settings.matcher_addresses, matcher_secret_of(settings))
            stack.callback(matchers.close)
            yield matchers
            return
        if settings.index in SHARED:
            yield stack.enter_context(_shared_index(settings, engine, registry_id))
            return
        yield stack.enter_context(open_own_index(settings, engine, registry_id))


@contextmanager
def _shared_index(settings: Settings, engine: Engine, registry_id: str) -> Iterator[SharedIndexing]:
    address = settings.milvus if settings.index == MILVUS else None
    try:
        indexing = SharedIndexing(engine, settings.index, address, registry_id, settings.poll_interval_s)
        indexing.start()
    except EngineUnavailable as error:
        raise StartRefused(str(error)) from error
    try:
        yield indexing
    finally:
        indexing.stop()


@contextmanager
def open_own_index(settings: Settings, engine: Engine, registry_id: str) -> Iterator[Indexing]:
    """The index in this process, kept in step until the end. Raises StartRefused."""
    with ExitStack() as stack:
        device = open_device(settings.index, settings.device, settings.gpu_memory_bytes)
        if device is not None:
            stack.callback(device.close)
        try:
            indexing = Indexing(
                engine, settings.index, settings.index_folder, registry_id, settings.poll_interval_s, device
            )
        except FaissUnavailable as error:
            raise StartRefused(str(error)) from error
        indexing.start()
        stack.callback(indexing.stop)
        yield indexing


def matcher_secret_of(settings: Settings) -> str:
    """What matchers and those who ask them both know. Raises StartRefused."""
    if settings.matcher_secret is None:
        raise StartRefused("matchers and those who ask them need TRUEPRINT_MATCHER_SECRET, the same")
    return settings.matcher_secret.get_secret_value()
