"""The command `match`: which registered assets do pictures come from?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sdk.cli.connection import ApiKey, Home, Jobs, Json, Quiet, Url, connect
from sdk.cli.files import FileAnswer, answer_for
from sdk.cli.output import (
    FAILED_FILE,
    MATCHED,
    NOTHING_MATCHED,
    OnProgress,
    console,
    each_with_progress,
    pictures_in,
    print_json,
    styled,
)
from sdk.client import Client
from sdk.models import MatchAnswer, Severity, in_words


def join(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(match)


def match(
    paths: Annotated[
        list[Path], typer.Argument(help="pictures, or folders of pictures", metavar="FILES|DIR")
    ],
    on_device: Annotated[
        bool, typer.Option("--on-device", help="fingerprint here and send no picture")
    ] = False,
    hash_list: Annotated[
        list[str] | None,
        typer.Option(
            help="with --on-device, a kind of hash that lists of others hold, as dhash64.v1; repeatable"
        ),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    jobs: Jobs = 2,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ask which registered assets pictures come from. Exit code 10 if any matched."""
    files = pictures_in(paths)
    matched = failed = False
    hash_lists = _hash_lists(hash_list, on_device=on_device)
    with connect(url, api_key, home) as client:

        def match_one(path: Path, on_progress: OnProgress) -> FileAnswer[MatchAnswer]:
            return answer_for(path, lambda: _ask(client, path, on_device, hash_lists, on_progress))

        for _, asked in each_with_progress("Matching", files, match_one, jobs, quiet=quiet):
            matched = matched or bool(asked.answer and asked.answer.matches)
            failed = failed or asked.error is not None
            if as_json:
                print_json(asked.as_json())
            else:
                _show(asked)
    raise typer.Exit(FAILED_FILE if failed else MATCHED if matched else NOTHING_MATCHED)


def _hash_lists(given: list[str] | None, *, on_device: bool) -> list[str]:
    """The kinds that the options name. Raises BadParameter."""
    if not given:
        return []
    if not on_device:
        raise typer.BadParameter("--hash-list needs --on-device: the registry computes what it is set to")
    from sdk.local import UnknownHash, require_hash_lists

    try:
        require_hash_lists(given)
    except UnknownHash as error:
        raise typer.BadParameter(str(error)) from None
    return list(dict.fromkeys(given))


def _ask(
    client: Client,
    path: Path,
    on_device: bool,
    hash_lists: Sequence[str],
    on_progress: OnProgress | None,
) -> MatchAnswer:
    if not on_device:
        return client.match(path.read_bytes(), on_progress=on_progress)
    from sdk.local import local_query  # imaging libraries, needed for this option only

    return client.match_fingerprints(local_query(path, hash_lists=hash_lists))


def _show(asked: FileAnswer[MatchAnswer]) -> None:
    console.print(styled("bold", str(asked.path)))
    if asked.error is not None:
        console.print("  ", styled("red", asked.error.title, f": {asked.error.detail}"), sep="")
    if asked.answer is None:
        return
    answer = asked.answer
    verdict, severity = answer.verdict, ""
    if verdict.severity is not Severity.NONE:
        severity = f", {in_words(verdict.severity)}"
    console.print("  ", styled("bold", in_words(verdict.kind), severity), sep="")
    console.print(f"  {verdict.sentence}")
    others = {name for family in answer.families for name in family.records[1:]}
    for match in answer.matches:
        words = match.summary if match.record.id in others else match.explanation
        also = "also, " if match.record.id in others else ""
        console.print("  ", styled("cyan", f"{also}{in_words(match.strength)}", f": {words}"), sep="")
