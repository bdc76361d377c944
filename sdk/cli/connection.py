"""Connects a command to a registry: by address, or in a folder, which it starts and stops itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from sdk.cli.output import notes, shown
from sdk.client import Client
from sdk.errors import SdkError

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="TRUEPRINT_URL", help="address of a registry", show_default=False),
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="TRUEPRINT_API_KEY", help="API key for --url", show_default=False),
]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home", help="use a self-contained registry in this folder", show_default=False, file_okay=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="one JSON object per line on standard output")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress bar")]
# What becomes of a file that was begun when the command was stopped: registries have no way to cancel it.
FINISHED_THERE = "What had reached the registry is finished there."
FINISHED_LATER = "A video that was under way is finished when this registry next runs."
Jobs = Annotated[int, typer.Option("--jobs", min=1, max=64, help="requests at a time")]


class NoRegistry(SdkError):
    """There is none in the folder, or the registry's own packages are not installed here."""


def refuse_new(home: Path) -> None:
    """For commands that ask: of a mistyped folder they make no registry. Raises NoRegistry."""
    raise NoRegistry(no_registry_in(home))


def no_registry_in(home: Path) -> str:
    """Says what is missing, and how a registry is made there."""
    return (
        f"there is no registry in {shown(home)}: check the folder, or make one there with "
        f"`trueprint register FILES --home {shown(home)}` or `trueprint serve --home {shown(home)}`"
    )


def say_new(home: Path) -> None:
    """For commands that may set a registry up."""
    notes.print(f"A new registry is set up in {shown(home)}.", soft_wrap=True)


@contextmanager
def connect(
    url: str | None,
    api_key: str | None,
    home: Path | None,
    *,
    if_new: Callable[[Path], None] = refuse_new,
) -> Iterator[Client]:
    """Opens a client of the registry that the options name. Raises BadParameter, NoRegistry.

    `if_new` is called before a registry is set up in a folder that holds none.
    """
    if (url is None) == (home is None):
        raise typer.BadParameter("give either --url (and --api-key) or --home")
    if url is not None:
        with Client(url, api_key) as client:
            yield client
        return
    openers = entry_points(group="trueprint.home")
    if not openers:
        raise NoRegistry("--home needs the registry itself: install trueprint with all its packages")
    open_home = next(iter(openers)).load()
    with open_home(home, if_new) as (address, operator_key), Client(address, operator_key) as client:
        yield client
