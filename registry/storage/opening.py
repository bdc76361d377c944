"""Opens the database that the settings name."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine

from registry.settings import Settings
from registry.storage import db
from registry.storage.embedded import EmbeddedDatabase


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """Opens the database by URL, or the embedded one under the home, made where there is none.

    The embedded one is stopped again if nobody else uses it.
    """
    with ExitStack() as stack:
        url = settings.database_url
        if url is None:
            embedded = EmbeddedDatabase(settings.database_folder)
            stack.callback(embedded.stop)
            url = embedded.url
        engine = db.connect(url)
        stack.callback(engine.dispose)
        db.require_reachable(engine)
        yield engine
