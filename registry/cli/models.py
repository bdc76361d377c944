"""The commands `trueprint models`: list descriptors, fetch, bring or choose the one that pictures get.

Everything heavy is imported inside the commands: `trueprint --help` must not wait for torch.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from sdk.cli.output import REFUSED, USAGE, console, fail, notes, print_json

if TYPE_CHECKING:
    from indexer.fingerprints.models import Model
    from registry.settings import Settings

HomeOption = Annotated[Path | None, typer.Option("--home", help="folder of the registry", file_okay=False)]
Channels = tuple[float, float, float]

models = typer.Typer(
    name="models",
    help="Descriptors: what there is, and which one pictures are described by.",
    no_args_is_help=True,
)


def settings_of(home: Path | None) -> "Settings":
    """Reads the settings, or those of a folder's registry; ends the command if one cannot be used."""
    from pydantic import ValidationError

    from registry.cli.refusals import refusals_of
    from registry.settings import Settings

    try:
        return Settings(home=home.resolve()) if home else Settings()
    except ValidationError as error:
        fail(refusals_of(error), USAGE)


@models.command("list")
def show_models(
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Every descriptor that is known here, its licence, and whether its weights are here."""
    from indexer.fingerprints.model_store import ModelError, is_present, list_models

    settings = settings_of(home)
    try:
        known = list_models(settings.model_folder)
    except ModelError as error:
        fail(str(error), REFUSED)
    rows = [
        {
            "kind": model.kind.name,
            "in_use": model.kind.name == settings.wanted_descriptor,
            "present": is_present(settings.model_folder, model),
            "dimensions": model.kind.size,
            "input_px": model.side,
            "runs_in": model.runtime.value,
            "licence": model.licence,
            "title": model.title,
            "source": model.url,
            "sha256": model.sha256,
        }
        for model in known.values()
    ]
    if as_json:
        print_json({"models": rows})
        return
    table = Table(box=None, header_style="bold")
    for name in ("kind", "", "numbers", "input", "licence", "what"):
        table.add_column(name, overflow="fold")
    for row in rows:
        state = "in use" if row["in_use"] else "here" if row["present"] else "to pull"
        sizes = str(row["dimensions"]), f"{row['input_px']} px"
        table.add_row(str(row["kind"]), state, *sizes, str(row["licence"]), str(row["title"]))
    console.print(table)


@models.command()
def pull(
    kind: Annotated[str, typer.Argument(help="a kind of `trueprint models list`")],
    home: HomeOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="the licence is accepted; do not ask")] = False,
) -> None:
    """Fetch the weights of a descriptor from its pinned address; their digest is checked."""
    import httpx2

    from indexer.fingerprints.model_store import ModelError, is_present, keep

    folder = settings_of(home).model_folder
    model = _known(folder, kind)
    if is_present(folder, model):
        console.print(f"{kind} is here.")
        return
    if model.url is None or model.file_bytes is None:
        fail(f"{kind} was brought by path; bring its file again with `trueprint models add`", USAGE)
    console.print(
        f"{model.title}\n  licence  {model.licence}\n           {model.licence_url}\n"
        f"  from     {model.url}\n  size     {model.file_bytes / 1e6:.0f} MB\n  SHA-256  {model.sha256}",
        soft_wrap=True,
    )
    if not yes and not typer.confirm("Fetch it under this licence?"):
        raise typer.Exit(USAGE)
    try:
        bar, task = _progress(model)
        with bar:
            path = keep(folder, model, _download(model.url), lambda size: bar.update(task, completed=size))
    except (ModelError, httpx2.HTTPError) as error:
        fail(f"{kind} could not be fetched: {error}", REFUSED)
    console.print(f"{path}\nChoose it with `trueprint models use {kind}`.", soft_wrap=True)


@models.command()
def add(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="ONNX or TorchScript")],
    kind: Annotated[str, typer.Option(help="its own kind with a version, as in mine.v1")],
    side: Annotated[int, typer.Option(min=16, max=1024, help="pixels of its square input")],
    mean: Annotated[Channels, typer.Option(help="of each channel, values 0..255")] = (
        123.675,
        116.28,
        103.53,
    ),
    scale: Annotated[Channels, typer.Option(help="of each channel")] = (58.395, 57.12, 57.375),
    licence: Annotated[str, typer.Option(help="shown wherever the model is named")] = "not stated",
    home: HomeOption = None,
) -> None:
    """Take a descriptor of your own by path: RGB in, one vector per picture out. It is tried at once.

    A TorchScript file is a program: add only what you trust.
    """
    from indexer.fingerprints.embedders import dimensions_of
    from indexer.fingerprints.kinds import Family, Kind
    from indexer.fingerprints.lite0 import WrongWeights
    from indexer.fingerprints.model_store import ModelError
    from indexer.fingerprints.model_store import add as keep_file
    from indexer.fingerprints.models import Model, Runtime

    folder = settings_of(home).model_folder
    brought = Model(
        Kind(kind, Family.VECTOR, 0), Runtime.ONNX, file.name, licence, side, mean=mean, scale=scale
    )
    try:
        model = keep_file(folder, file, brought, dimensions_of)
    except (ModelError, WrongWeights) as error:
        fail(f"{file.name}: {error}", REFUSED)
    console.print(
        f"{kind}: {model.kind.size} numbers per picture. Choose it with `trueprint models use {kind}`."
    )


@models.command()
def use(
    kind: Annotated[str, typer.Argument(help="a kind of `trueprint models list` whose weights are here")],
    home: HomeOption = None,
) -> None:
    """Describe pictures by this descriptor from the next start on.

    Registered pictures are described anew in the background, from their previews; until then they are
    found by the old descriptor.
    """
    from indexer.fingerprints.embedders import open_embedder
    from indexer.fingerprints.lite0 import WrongWeights
    from indexer.fingerprints.model_store import ModelError

    settings = settings_of(home)
    model = _known(settings.model_folder, kind)
    if settings.descriptor is not None and settings.descriptor != kind:
        fail(f"TRUEPRINT_DESCRIPTOR says {settings.descriptor}; unset it or set it to {kind}", USAGE)
    try:
        open_embedder(model, settings.model_folder, settings.device)
    except (ModelError, WrongWeights) as error:
        fail(str(error), REFUSED)
    settings.home.mkdir(parents=True, exist_ok=True)
    part = settings.descriptor_file.with_suffix(".part")
    part.write_text(f"{kind}\n", encoding="utf-8")
    os.replace(part, settings.descriptor_file)
    console.print(
        f"Pictures are described by {kind} from the next start of {settings.home} on.", soft_wrap=True
    )
    notes.print("`trueprint doctor` says how many registered pictures wait to be described anew.")


def _known(folder: Path, kind: str) -> "Model":
    from indexer.fingerprints.model_store import ModelError, find_model

    try:
        return find_model(folder, kind)
    except ModelError as error:
        fail(str(error), USAGE)


def _download(url: str) -> Iterator[bytes]:
    import httpx2

    with httpx2.stream("GET", url, follow_redirects=True, timeout=60.0) as response:
        response.raise_for_status()
        yield from response.iter_bytes()


def _progress(model: "Model") -> tuple[Progress, TaskID]:
    bar = Progress(
        TextColumn(model.kind.name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=notes
    )
    return bar, bar.add_task("", total=model.file_bytes)
