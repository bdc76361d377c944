"""`register-hashes`: sign and register a list of hashes that somebody keeps; safe to run again."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sdk.cli.connection import ApiKey, Home, Jobs, Json, Quiet, Url, connect, say_new
from sdk.cli.files import FileAnswer, answer_for
from sdk.cli.output import FAILED_FILE, notes, print_json
from sdk.cli.progress import OnProgress, each_with_progress
from sdk.cli.register import show_registration, signer_for
from sdk.hash_lists import Row, read_hash_list, register_row
from sdk.models import Registration
from sdk.records import AssetClass


def join(app: typer.Typer) -> None:
    """Add this command."""
    app.command("register-hashes")(register_hashes)


def register_hashes(
    hash_list: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns kind and value; quality, label, class, sha256 may follow",
            metavar="LIST.csv",
            exists=True,
            dir_okay=False,
        ),
    ],
    asset_class: Annotated[
        AssetClass | None, typer.Option("--class", help="what pictures are whose row names no class")
    ] = None,
    publisher: Annotated[
        str | None, typer.Option(help="which publisher of --home signs: name or id")
    ] = None,
    sign_with: Annotated[Path | None, typer.Option(help="private key for --url")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    jobs: Jobs = 2,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Register hashes of pictures that are not at hand, a signed statement for each row of a list.

    The registry must be set to take their kinds (TRUEPRINT_HASH_LISTS). A row that was registered before
    keeps its record, so that a list can be sent again after it grew or after an interruption.
    """
    rows = list(read_hash_list(hash_list))
    counts = {"registered": 0, "known": 0, "refused": 0}
    with connect(url, api_key, home, if_new=say_new) as client:
        signer = signer_for(client, sign_with, home, publisher)

        def register_one(row: Row, _: OnProgress) -> FileAnswer[Registration]:
            sent = partial(register_row, client, signer, row, asset_class=asset_class)
            return answer_for(row.place, sent, client)

        def show(_: Row, registered: FileAnswer[Registration]) -> None:
            counts[_outcome(registered)] += 1
            if as_json:
                print_json(registered.as_json())
            else:
                show_registration(registered)

        each_with_progress("Registering", rows, register_one, show, jobs, quiet=quiet)
    notes.print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    raise typer.Exit(FAILED_FILE if counts["refused"] else 0)


def _outcome(registered: FileAnswer[Registration]) -> str:
    if registered.answer is None:
        return "refused"
    return "known" if registered.answer.already_registered else "registered"
