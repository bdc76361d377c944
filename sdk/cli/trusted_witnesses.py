"""The options that say which witnesses are trusted, and how many of them are enough."""

from typing import Annotated

import typer

from sdk.checkpoint import BadCheckpoint
from sdk.cosignature import parse_witness_key

Witnesses = Annotated[
    list[str] | None,
    typer.Option("--witness", help="key of a witness that you trust (vkey); may be repeated"),
]
Quorum = Annotated[
    int | None,
    typer.Option("--quorum", min=1, help="how many of these must have cosigned; all if left out"),
]
MaxAge = Annotated[
    int | None, typer.Option("--max-age", min=1, help="seconds since they cosigned, at most")
]


def witness_keys(given: list[str], quorum: int | None, max_age_s: int | None) -> list[str]:
    """The vkeys as they were given, each of which can be read. Raises BadParameter."""
    for vkey in given:
        try:
            parse_witness_key(vkey)
        except BadCheckpoint as error:
            raise typer.BadParameter(f"--witness {vkey}: {error}") from None
    if len(set(given)) < len(given):
        raise typer.BadParameter("a --witness is given twice")
    if not given and (quorum or max_age_s):
        raise typer.BadParameter("--quorum and --max-age need a --witness")
    if quorum is not None and quorum > len(given):
        raise typer.BadParameter(f"--quorum {quorum}, but {len(given)} witnesses are given")
    return given
