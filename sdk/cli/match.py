"""`match`: which registered assets do pictures come from?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from sdk.cli.connection import ApiKey, Home, Jobs, Json, Quiet, Url, connect
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
from sdk.cli.register import error_of
from sdk.client import Client
from sdk.errors import HOPELESS, SdkError
from sdk.models import Match, MatchAnswer, Operation, in_words


def join(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(match)


def match(
    paths: Annotated[
        list[Path], typer.Argument(help="pictures, or folders of pictures", metavar="FILES|DIR")
    ],
    on_device: Annotated[
        bool, typer.Option("--on-device", help="fingerprint here and send no picture")
    ] = False,
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
    with connect(url, api_key, home) as client:

        def one(path: Path, on_progress: OnProgress) -> dict[str, Any]:
            return match_line(client, path, on_device=on_device, on_progress=on_progress)

        for _, line in each_with_progress("Matching", files, one, jobs, quiet=quiet):
            matched = matched or bool(line["matches"])
            failed = failed or line["error"] is not None
            if as_json:
                print_json(line)
            else:
                _show(line)
    raise typer.Exit(FAILED_FILE if failed else MATCHED if matched else NOTHING_MATCHED)


def match_line(
    client: Client, path: Path, *, on_device: bool = False, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """The answer for one file, in the fields that are a contract.

    Raises one of HOPELESS when no other file would fare better.
    """
    try:
        answer = _ask(client, path, on_device, on_progress)
    except HOPELESS:
        raise
    except (SdkError, OSError) as error:
        return {
            "file": str(path),
            "verdict": None,
            "sentence": None,
            "matches": [],
            "error": error_of(error),
        }
    return {
        "file": str(path),
        "verdict": answer.verdict.kind.value,
        "sentence": answer.verdict.sentence,
        "matches": [_match_fields(one) for one in answer.matches],
        "error": None,
    }


def _ask(client: Client, path: Path, on_device: bool, on_progress: OnProgress | None) -> MatchAnswer:
    if not on_device:
        return client.match(path.read_bytes(), on_progress=on_progress)
    from sdk.local import local_query  # imaging libraries, needed for this option only

    return client.match_fingerprints(local_query(path))


def _match_fields(match: Match) -> dict[str, Any]:
    return {
        "record": match.record.id,
        "label": match.record.label,
        "class": match.record.asset_class.value,
        "made_from": [one.id for one in match.made_from],
        "relation": match.relation.value,
        "operations": [_operation_fields(one) for one in match.operations],
        "segments": [
            {
                "query": list(one.query),
                "reference": list(one.reference),
                "factor": one.factor,
                "operations": [_operation_fields(operation) for operation in one.operations],
            }
            for one in match.segments
        ],
        "uncertain": list(match.uncertain),
        "strength": match.strength.value,
        "verified": match.verified,
        "disputed_with": list(match.record.disputed_with),
        "explanation": match.explanation,
        "evidence": match.evidence.model_dump(mode="json") if match.evidence else None,
    }


def _operation_fields(operation: Operation) -> dict[str, Any]:
    fields = {
        "type": operation.type.value,
        "region": operation.region.corners if operation.region else None,
        "reference_region": operation.reference_region.corners if operation.reference_region else None,
        "degree": operation.degree.value,
        "sentence": operation.sentence,
        "measured": operation.measured,
    }
    return fields if operation.factor is None else fields | {"factor": operation.factor}


def _show(line: dict[str, Any]) -> None:
    console.print(styled("bold", line["file"]))
    if line["error"]:
        console.print("  ", styled("red", line["error"]["title"], f": {line['error']['detail']}"), sep="")
        return
    console.print(f"  {line['sentence']}")
    for one in line["matches"]:
        console.print("  ", styled("cyan", in_words(one["strength"]), f": {one['explanation']}"), sep="")
