"""The command `compare`: what was changed between a registered asset and an upload, and a picture of it."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from sdk.cli.connection import ApiKey, Home, Json, Url, connect
from sdk.cli.files import ABOUT_FILES, error_of
from sdk.cli.output import (
    FAILED_FILE,
    MATCHED,
    NOTHING_MATCHED,
    USAGE,
    fail,
    notes,
    print_json,
    say,
    shown,
    styled,
)
from sdk.client import Client
from sdk.errors import BadRequest, Conflict
from sdk.models import Comparison, Region, in_words

FORMS = {".png": "png", ".gif": "gif", ".pdf": "pdf", ".mp4": "mp4"}
NOTHING_TO_SHOW = "nothing_to_compare"  # what a registry answers where a comparison is no picture


def join(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(compare)


def compare(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="the picture or video")],
    record: Annotated[
        str | None, typer.Argument(help="id of the registered asset; the best match when left out")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="also write the comparison: .png side by side, .gif in turn, .pdf; a video: .mp4, .gif",
            dir_okay=False,
        ),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Compare an upload with one registered asset: what was changed? Exit code 10 if they match."""
    if out is not None and out.suffix.lower() not in FORMS:
        fail(f"{out.name}: write the comparison to a .png, .gif, .pdf or .mp4 file", USAGE)
    if out is not None and not out.parent.is_dir():
        fail(f"{shown(out)}: there is no folder {shown(out.parent)}", USAGE)
    with connect(url, api_key, home) as client:
        try:
            content = file.read_bytes()
            record = record or _best_match(client, file, content)
            comparison = client.compare(content, record)
        except (OSError, BadRequest) as error:
            if isinstance(error, BadRequest) and error.code not in ABOUT_FILES:
                raise
            _say_what_is_wrong(file, error, as_json)
        if as_json:
            print_json(comparison.model_dump(mode="json", by_alias=True, exclude={"change_map"}))
        else:
            _show(file, comparison)
        if out is not None:
            _write_picture(client, content, record, out)
    raise typer.Exit(MATCHED if comparison.relation is not None else NOTHING_MATCHED)


def _write_picture(client: Client, content: bytes, record: str, out: Path) -> None:
    """Writes the comparison as a picture; where it cannot be shown as one, what was said of it stands."""
    try:
        out.write_bytes(client.compare_picture(content, record, FORMS[out.suffix.lower()]))
    except Conflict as error:
        if error.code != NOTHING_TO_SHOW:
            raise
        notes.print(styled("red", "not written", f": {shown(out)}: {error.detail}"), soft_wrap=True)
        raise typer.Exit(FAILED_FILE) from None
    notes.print(f"written: {shown(out)}", soft_wrap=True)


def _say_what_is_wrong(file: Path, error: OSError | BadRequest, as_json: bool) -> NoReturn:
    reason = error_of(error)
    if as_json:
        print_json({"file": str(file), "answer": None, "error": vars(reason)})
    else:
        say(styled("bold", shown(file)))
        say(styled("red", str(reason)), indent=2)
    raise typer.Exit(FAILED_FILE)


def _best_match(client: Client, file: Path, content: bytes) -> str:
    answer = client.match(content)
    if not answer.matches:
        say(styled("bold", shown(file)))
        say(answer.verdict.sentence, indent=2)
        raise typer.Exit(NOTHING_MATCHED)
    return answer.matches[0].record.id


def _show(file: Path, comparison: Comparison) -> None:
    say(styled("bold", shown(file)))
    say(comparison.explanation, indent=2)
    for operation in comparison.operations:
        kind = in_words(operation.type)
        where = "" if operation.region is None else f" at {_box(operation.region)}"
        say(styled("cyan", kind, f" ({operation.how_much_in_words()}){where}"), indent=2)


def _box(region: Region) -> str:
    """Says where the region lies, in percent of width and height."""
    xs, ys = [100 * x for x, _ in region.corners], [100 * y for _, y in region.corners]
    return f"{min(xs):.0f}-{max(xs):.0f} % across, {min(ys):.0f}-{max(ys):.0f} % down"
