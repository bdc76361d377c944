"""The command `review`: a reviewer confirms what another organisation registered as a known fake."""

from typing import Annotated

import typer

from sdk.cli.connection import ApiKey, Json, Url, connect
from sdk.cli.output import console, print_json


def join(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(review)


def review(
    record: Annotated[str, typer.Argument(help="id of the known fake")],
    confirmed: Annotated[
        bool, typer.Option("--confirm/--doubt", help="it is a fake, or is not known to be one")
    ],
    reason: Annotated[str, typer.Option(help="why, for everybody to read: name nobody who is depicted")],
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Confirm a known fake of another organisation, or doubt it (needs the scope `review`).

    Until another publisher or a reviewer confirms it, what one publisher registers as a fake is `reported`.
    """
    with connect(url, api_key, None) as client:
        reviewed = client.review_fake(record, confirmed=confirmed, reason=reason)
    if as_json:
        print_json(reviewed.model_dump(mode="json", by_alias=True))
    else:
        console.print(f"{reviewed.label}: {reviewed.class_in_words()}")
