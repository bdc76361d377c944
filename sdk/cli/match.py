"""The command `match`: which registered assets do pictures come from?"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sdk.cli.connection import (
    FINISHED_LATER,
    FINISHED_THERE,
    ApiKey,
    Home,
    Jobs,
    Json,
    Quiet,
    Url,
    connect,
)
from sdk.cli.files import FileAnswer, answer_for
from sdk.cli.folders import pictures_in
from sdk.cli.output import FAILED_FILE, MATCHED, NOTHING_MATCHED, print_json, say, shown, styled
from sdk.cli.progress import OnProgress, each_with_progress
from sdk.client import Client
from sdk.models import Effort, MatchAnswer, Severity, in_words


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
    effort: Annotated[
        Effort | None,
        typer.Option(help="how closely a still is looked at; thorough takes several times as long"),
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
    if effort is not None and on_device:
        raise typer.BadParameter("--effort and --on-device exclude each other: no picture is compared")
    with connect(url, api_key, home) as client, _asking(client, hash_lists, on_device, jobs, effort) as ask:

        def match_one(path: Path, on_progress: OnProgress) -> FileAnswer[MatchAnswer]:
            return answer_for(path, partial(ask, path, on_progress), client)

        def show(_: Path, asked: FileAnswer[MatchAnswer]) -> None:
            nonlocal matched, failed
            matched = matched or bool(asked.answer and asked.answer.matches)
            failed = failed or asked.error is not None
            if as_json:
                print_json(asked.as_json())
            else:
                _show(asked)

        words = FINISHED_LATER if home else FINISHED_THERE
        each_with_progress("Matching", files, match_one, show, jobs, quiet=quiet, under_way=words)
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


@contextmanager
def _asking(
    client: Client, hash_lists: Sequence[str], on_device: bool, jobs: int, effort: Effort | None
) -> Iterator[Callable[[Path, OnProgress], MatchAnswer]]:
    """Yields what asks about one file, by its bytes or by what is computed of it here."""
    if not on_device:
        yield lambda path, on_progress: client.match(
            path.read_bytes(), on_progress=on_progress, effort=effort
        )
        return
    from sdk.local import decoders, local_query  # imaging libraries, needed for this option only

    with decoders(jobs) as pool:
        yield lambda path, _: client.match_fingerprints(
            local_query(path, hash_lists=hash_lists, decoders=pool)
        )


def _show(asked: FileAnswer[MatchAnswer]) -> None:
    say(styled("bold", shown(asked.path)))
    if asked.error is not None:
        say(styled("red", str(asked.error)), indent=2)
    if asked.answer is None:
        return
    answer = asked.answer
    verdict, severity = answer.verdict, ""
    if verdict.severity is not Severity.NONE:
        severity = f", {in_words(verdict.severity)}"
    say(styled("bold", answer.kind_in_words(), severity), indent=2)
    say(verdict.sentence, indent=2)
    if answer.computed.note:
        say(f"Of the file: {answer.computed.note}.", indent=2)
    others = {name for family in answer.families for name in family.records[1:]}
    for match in answer.matches:
        words = match.summary if match.record.id in others else match.explanation
        also = "also, " if match.record.id in others else ""
        say(styled("cyan", f"{also}{in_words(match.strength)}", f": {words}"), indent=2)
