"""The commands `dsa export` and `dsa send`: statements of reasons for the DSA Transparency Database.

What sends is imported inside the command: it locks files, which not every system can do in the same way.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from sdk import gate_calls
from sdk.cli.connection import ApiKey, Home, Json, Url, connect
from sdk.cli.output import FAILED_FILE, USAGE, fail, notes, print_json, say, shown, styled
from sdk.client import Client
from sdk.durable_files import sync_folder
from sdk.flaws import fault_in_words

AT_A_TIME = 100  # statements of a page, and of a batch: the database takes no more
Since = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
        help="only decisions from then on; UTC where it names no zone",
        show_default=False,
    ),
]

dsa = typer.Typer(
    name="dsa",
    help="Statements of reasons for the DSA Transparency Database.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def join(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(dsa)


@dsa.command()
def export(
    out: Annotated[
        Path | None, typer.Option("--out", help="file to write instead of standard output", dir_okay=False)
    ] = None,
    batches: Annotated[
        bool,
        typer.Option("--batches", help="a line for every 100, as the database takes them in one request"),
    ] = False,
    since: Since = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
) -> None:
    """Write the statements of all decisions that restrict somebody, one JSON object a line."""
    with connect(url, api_key, home) as client:
        statements = statements_of(client, since)
        lines = _batches(statements) if batches else statements
        if out is None:
            for line in lines:
                print_json(line)
            return
        count = _write(out, lines)
    notes.print(f"{shown(out)}: {count} {'batches' if batches else 'statements'}")


@dsa.command()
def send(
    to: Annotated[
        str, typer.Option("--to", help="address of the database, as https://transparency.dsa.ec.europa.eu")
    ],
    token_file: Annotated[
        Path, typer.Option("--token-file", help="file that holds the token", exists=True, dir_okay=False)
    ],
    memory: Annotated[
        Path,
        typer.Option(
            "--memory", help="file of what was sent, made at first: keep it, one a database", dir_okay=False
        ),
    ],
    since: Since = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Send the statements that the database does not have. Exit code 1 if it refuses one.

    Safe to interrupt and to run again, as often as you like: each is there once.
    """
    from sdk.dsa import send_statements

    with connect(url, api_key, home) as client:
        sent = send_statements(statements_of(client, since), to, _token_in(token_file), memory)
    for one in sent.refused:
        if as_json:
            print_json({"puid": one.puid, "refused": one.reason})
        else:
            say(styled("red", one.puid or "a statement without puid", f": {one.reason}"))
    counts = {
        "sent": sent.sent,
        "already_there": sent.already_there,
        "remembered": sent.remembered,
        "refused": len(sent.refused),
    }
    if as_json:
        print_json({**counts, "missing": list(sent.missing)})
    notes.print(
        f"{sent.sent} sent, {sent.already_there} were there already, {sent.remembered} were sent before, "
        f"{len(sent.refused)} refused"
    )
    if sent.missing:
        notes.print(
            f"{len(sent.missing)} that a run before began to send are not there and not among these: "
            f"send again without --since ({sent.missing[0]}{', ...' if len(sent.missing) > 1 else ''})"
        )
    raise typer.Exit(FAILED_FILE if sent.refused or sent.missing else 0)


def statements_of(client: Client, since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """The statements of all entries that have one, page by page. `since` without a zone is in UTC."""
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    cursor: str | None = None
    while True:
        page = client.send(gate_calls.list_statements(cursor=cursor, limit=AT_A_TIME, since=since))
        yield from page.statements
        cursor = page.next
        if cursor is None:
            return


def _batches(statements: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    left = iter(statements)
    while batch := list(islice(left, AT_A_TIME)):
        yield {"statements": batch}


def _write(out: Path, lines: Iterable[dict[str, Any]]) -> int:
    """Replaces a file as a whole, however long it is; returns the number of lines. Raises OSError."""
    descriptor, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")  # of mode 0600
    try:
        count = 0
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as opened:
            for line in lines:
                opened.write(json.dumps(line) + "\n")
                count += 1
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(temporary, out)
    finally:
        Path(temporary).unlink(missing_ok=True)
    sync_folder(out.parent)
    return count


def _token_in(file: Path) -> str:
    """The one word in a file. What it holds instead is not said: it may be a token all the same."""
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        fail(f"{shown(file)}: {fault_in_words(error)}", USAGE)
