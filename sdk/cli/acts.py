"""The command `acts`: what was done by those who run a registry, and by publishers to what is theirs."""

import re
from datetime import UTC
from typing import Annotated

import typer
from rich.table import Table

from sdk.acts import BadChain, verify_chain
from sdk.cli.connection import ApiKey, Home, Json, Url, connect
from sdk.cli.output import CHECK_FAILED, console, fail, print_json
from sdk.models import Act, ActType, in_words

USAGE = 2
PUBLISHER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOT_SHOWN = ("settings", "salt", "head")  # in the table; --json has them


def join(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(acts)


def acts(
    limit: Annotated[int, typer.Option(min=1, max=500, help="how many, newest first")] = 50,
    before: Annotated[int | None, typer.Option(min=0, help="only acts below this number")] = None,
    act_type: Annotated[ActType | None, typer.Option("--type", help="only acts of this type")] = None,
    by_key: Annotated[str | None, typer.Option(help="only acts by this API key (its id)")] = None,
    publisher: Annotated[str | None, typer.Option(help="only acts by API keys of this publisher")] = None,
    on: Annotated[str | None, typer.Option(help="only acts on this record, key or publisher")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List administrative acts (needs the scope `admin`); exit code 3 where they are not one chain.

    Filtered acts are compared with their own digests only. `trueprint audit` follows the whole chain.
    """
    if publisher is not None and not PUBLISHER_ID.fullmatch(publisher):
        fail("--publisher is the id that the enrolment printed, not a name", USAGE)
    with connect(url, api_key, home) as client:
        listed = client.list_acts(
            before=before,
            limit=limit,
            act_type=act_type,
            api_key=by_key,
            publisher=publisher,
            on=on,
        )
    if as_json:
        for act in listed:
            print_json(act.model_dump(mode="json"))
    else:
        console.print(_table(listed))
    filtered = any(wanted is not None for wanted in (act_type, by_key, publisher, on))
    try:
        for run in [[act] for act in listed] if filtered else [listed[::-1]]:
            verify_chain(run)
    except BadChain as error:
        fail(f"does not hold: {error}", CHECK_FAILED)


def _table(listed: list[Act]) -> Table:
    table = Table("number", "when (UTC)", "who", "did", "to", "details", box=None, pad_edge=False)
    for act in listed:
        when = act.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        details = ", ".join(
            f"{in_words(name)} {_words(value)}"
            for name, value in act.details.items()
            if name not in NOT_SHOWN
        )
        who = act.api_key or in_words(act.actor)
        table.add_row(str(act.number), when, who, in_words(act.type), act.object or "", details)
    return table


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{in_words(str(name))} {counted}" for name, counted in value.items()) or "none"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
