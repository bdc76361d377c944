"""`match`, `verify`, `audit`, `doctor`: questions, none of which changes anything."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table

from sdk.cli.connection import ApiKey, Home, Jobs, Json, Quiet, Url, connect
from sdk.cli.output import (
    CHECK_FAILED,
    FAILED_FILE,
    MATCHED,
    NOTHING_MATCHED,
    console,
    each_with_progress,
    fail,
    pictures_in,
    print_json,
)
from sdk.cli.register import error_of
from sdk.client import Client
from sdk.errors import SdkError, VerificationError
from sdk.models import Match, MatchAnswer, Receipt
from sdk.verify import verify_receipt


def join(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (match, verify, audit, doctor):
        app.command()(command)


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

        def one(path: Path) -> dict[str, Any]:
            return match_line(client, path, on_device=on_device)

        for _, line in each_with_progress("Matching", files, one, jobs, quiet=quiet):
            matched = matched or bool(line["matches"])
            failed = failed or line["error"] is not None
            if as_json:
                print_json(line)
            else:
                _show(line)
    raise typer.Exit(FAILED_FILE if failed else MATCHED if matched else NOTHING_MATCHED)


def match_line(client: Client, path: Path, *, on_device: bool = False) -> dict[str, Any]:
    """The answer for one file, in the fields that are a contract."""
    try:
        answer = _ask(client, path, on_device)
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


def _ask(client: Client, path: Path, on_device: bool) -> MatchAnswer:
    if not on_device:
        return client.match(path.read_bytes())
    from sdk.local import local_query  # imaging libraries, needed for this option only

    return client.match_fingerprints(local_query(path))


def _match_fields(match: Match) -> dict[str, Any]:
    return {
        "record": match.record.id,
        "label": match.record.label,
        "class": match.record.asset_class.value,
        "relation": match.relation.value,
        "operations": [
            {
                "type": operation.type,
                "region": operation.region.corners if operation.region else None,
                "reference_region": operation.reference_region.corners
                if operation.reference_region
                else None,
                "strength": operation.strength,
                "sentence": operation.sentence,
                "measured": operation.measured,
            }
            for operation in match.operations
        ],
        "strength": match.strength.value,
        "verified": match.verified,
        "contested_with": list(match.record.contested_with),
        "explanation": match.explanation,
        "evidence": match.evidence.model_dump(mode="json") if match.evidence else None,
    }


def _show(line: dict[str, Any]) -> None:
    console.print(f"[bold]{line['file']}[/]")
    if line["error"]:
        console.print(f"  [red]{line['error']['title']}[/]: {line['error']['detail']}")
        return
    console.print(f"  {line['sentence']}")
    for one in line["matches"]:
        console.print(f"  [cyan]{one['strength']}[/]: {one['explanation']}")


def verify(
    receipt: Annotated[Path, typer.Argument(help="receipt as JSON")],
    log_key: Annotated[str | None, typer.Option(help="the log's key that you trust (vkey)")] = None,
    publisher_key: Annotated[str | None, typer.Option(help="the publisher's key id that you trust")] = None,
    media: Annotated[Path | None, typer.Option(help="the file the record was made for")] = None,
) -> None:
    """Check a receipt offline, step by step. Exit code 3 if a step fails."""
    try:
        parsed = Receipt.model_validate_json(receipt.read_bytes())
        content = media.read_bytes() if media else None
        verified = verify_receipt(parsed, log_key=log_key, publisher_kid=publisher_key, media=content)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", 2)
    except ValidationError:
        fail(f"{receipt} is not a receipt", 2)
    except VerificationError as error:
        fail(f"does not hold: {error}", CHECK_FAILED)
    for step in verified.steps:
        console.print(f"[green]ok[/] {step}")
    statement = verified.statement
    console.print(f"{statement.label}: registered as {statement.asset_class.value} by {statement.issuer}")


def audit(url: Url = None, api_key: ApiKey = None, home: Home = None, as_json: Json = False) -> None:
    """Derive tree, checkpoint, fingerprints and index again; exit code 3 if anything differs."""
    with connect(url, api_key, home) as client:
        report = client.audit()
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        for finding in report.findings:
            console.print(f"[red]{finding.what}[/]: {finding.detail}")
        word = "[green]clean[/]" if report.clean else f"[red]{len(report.findings)} findings[/]"
        console.print(
            f"{word}: {report.records} records, {report.log_size} log entries, "
            f"{report.fingerprints} fingerprints derived again"
        )
    raise typer.Exit(0 if report.clean else CHECK_FAILED)


def doctor(url: Url = None, api_key: ApiKey = None, home: Home = None, as_json: Json = False) -> None:
    """What the registry runs on: database, device, isolation, size and age of the index."""
    with connect(url, api_key, home) as client:
        report = client.doctor()
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    table = Table(show_header=False, box=None)
    rows = {
        "version": report.version,
        "database": report.database,
        "descriptor": report.device,
        "index": f"{report.index}, {report.freshness.records_searched} assets, "
        f"{report.freshness.behind} changes behind, checked {report.oldest_index_s:.1f} s ago",
        "decoder": report.isolation,
        "previews": report.blobs,
        "records": str(report.records),
        "fingerprints": ", ".join(f"{kind} {count}" for kind, count in sorted(report.fingerprints.items())),
        "log": f"{report.freshness.checkpoint_size} entries",
    }
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", value or "none")
    console.print(table)
