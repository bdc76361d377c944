"""`compare`: what was changed between a registered asset and a picture, with the proof as a picture."""

from pathlib import Path
from typing import Annotated

import typer

from sdk.cli.connection import ApiKey, Home, Json, Url, connect
from sdk.cli.output import MATCHED, NOTHING_MATCHED, console, fail, notes, print_json, styled
from sdk.models import Comparison

FORMS = {".png": "png", ".gif": "gif"}
USAGE = 2


def join(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(compare)


def compare(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="the picture")],
    record: Annotated[str, typer.Argument(help="id of the registered asset, as `match --json` names it")],
    out: Annotated[
        Path | None,
        typer.Option(help="also write the comparison: .png side by side, .gif in turn", dir_okay=False),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Lay a picture on one registered asset and say what was changed. Exit code 10 if they match."""
    if out is not None and out.suffix.lower() not in FORMS:
        fail(f"{out.name}: write the comparison to a .png or a .gif file", USAGE)
    content = file.read_bytes()
    with connect(url, api_key, home) as client:
        found = client.compare(content, record)
        if as_json:
            print_json(found.model_dump(mode="json", by_alias=True, exclude={"change_map"}))
        else:
            _show(file, found)
        if out is not None:
            out.write_bytes(client.compare_picture(content, record, FORMS[out.suffix.lower()]))
            notes.print(f"written: {out}", soft_wrap=True)
    raise typer.Exit(MATCHED if found.relation is not None else NOTHING_MATCHED)


def _show(file: Path, found: Comparison) -> None:
    console.print(styled("bold", str(file)))
    console.print(f"  {found.explanation}", soft_wrap=True)
    for one in found.operations:
        console.print("  ", styled("cyan", one.type.value, f" ({one.strength}): {one.sentence}"), sep="")
