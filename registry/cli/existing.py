"""Opens a registry that is there, for commands on the machine itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from registry.cli.models import HomeOption, settings_of
from registry.errors import RegistryError
from sdk.cli.connection import no_registry_in
from sdk.cli.output import REFUSED, fail

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from registry.settings import Settings


@contextmanager
def existing_registry(home: HomeOption) -> "Iterator[tuple[Settings, Engine]]":
    """The settings and the database of a registry that runs or is stopped.

    Ends the command in a line where there is none, or where the registry refuses what is done inside.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from registry.storage.faults import fault_of
    from registry.storage.opening import open_database

    settings = settings_of(home)
    if settings.database_url is None and not settings.database_folder.exists():
        fail(no_registry_in(settings.home), REFUSED)
    try:
        with open_database(settings) as engine:
            yield settings, engine
    except RegistryError as error:
        fail(f"{error.title}: {error} [{error.code}]", REFUSED)
    except SQLAlchemyError as error:
        fault = fault_of(error)
        if fault is None:
            raise
        fail(f"{fault.title}: {fault} [{fault.code}]", REFUSED)
