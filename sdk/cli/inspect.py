"""The commands `verify`, `audit` and `doctor`: does it hold, and what is it? They change nothing."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from sdk.cli.connection import ApiKey, Home, Json, Url, connect
from sdk.cli.installation import Installation, this_installation
from sdk.cli.output import (
    CHECK_FAILED,
    console,
    fail,
    notes,
    print_json,
    styled,
)
from sdk.cli.trusted_witnesses import MaxAge, Quorum, Witnesses, witness_keys
from sdk.encodings import BadEncoding, parse_object
from sdk.errors import VerificationError
from sdk.keys import BadKey, import_public_key, thumbprint
from sdk.local import isolation
from sdk.models import IsolationLayer, LogKeys, Receipt, ServerStatus, WitnessState, in_words
from sdk.verify import verify_receipt

KEY_ID = re.compile(r"[A-Za-z0-9_-]{43}")  # an RFC 7638 thumbprint


def join(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (verify, audit, doctor):
        app.command()(command)


def verify(
    receipt: Annotated[Path, typer.Argument(help="receipt as JSON")],
    log_key: Annotated[str | None, typer.Option(help="the log's key that you trust (vkey)")] = None,
    log_keys: Annotated[
        Path | None,
        typer.Option(help="what the registry says of its log's keys: its /v1/log/keys, saved as a file"),
    ] = None,
    publisher_key: Annotated[
        str | None, typer.Option(help="the publisher's key that you trust: its file .jwk, or its key id")
    ] = None,
    media: Annotated[Path | None, typer.Option(help="the file the record was made for")] = None,
    witness: Witnesses = None,
    quorum: Quorum = None,
    max_age: MaxAge = None,
) -> None:
    """Check a receipt offline, step by step. Exit code 3 if a step fails."""
    witnesses = witness_keys(witness or [], quorum, max_age)
    try:
        parsed = Receipt.model_validate_json(receipt.read_bytes())
        content = media.read_bytes() if media else None
        kid = None if publisher_key is None else _key_id(publisher_key)
        notes = notes_in(log_keys) if log_keys else ()
        verified = verify_receipt(
            parsed,
            log_key=log_key,
            log_key_notes=notes,
            publisher_kid=kid,
            media=content,
            witnesses=witnesses,
            quorum=quorum,
            max_age_s=max_age,
        )
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", 2)
    except ValidationError:
        fail(f"{receipt} is not a receipt", 2)
    except BadKey as error:
        fail(f"{publisher_key}: {error}", 2)
    except VerificationError as error:
        fail(f"does not hold: {error}", CHECK_FAILED)
    for step in verified.steps:
        console.print(styled("green", "ok", f" {step}"))
    statement = verified.statement
    console.print(f"{statement.label}: registered as {statement.asset_class.value} by {statement.issuer}")


def notes_in(file: Path) -> tuple[str, ...]:
    """The notes that bind the log's keys to one another. Raises OSError."""
    try:
        return tuple(committed.note for committed in LogKeys.model_validate_json(file.read_bytes()).notes)
    except ValidationError:
        fail(f"{file} is not what /v1/log/keys answers", 2)


def _key_id(named: str) -> str:
    """The id of a key that is named by its file or by itself. Raises BadKey, OSError."""
    if KEY_ID.fullmatch(named):
        return named
    path = Path(named)
    if not path.is_file():
        raise BadKey("neither a file nor a key id, which has 43 letters, digits, - and _")
    if path.suffix == ".pem":
        raise BadKey("a private key; the file .jwk beside it has the public half")
    try:
        return thumbprint(import_public_key(parse_object(path.read_bytes())))
    except BadEncoding as error:
        raise BadKey(f"not a public key in JWK form: {error}") from error


def audit(url: Url = None, api_key: ApiKey = None, home: Home = None, as_json: Json = False) -> None:
    """Derive tree, checkpoint, fingerprints and index again; exit code 3 if anything differs."""
    with connect(url, api_key, home) as client:
        report = client.audit()
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        for finding in report.findings:
            console.print(styled("red", in_words(finding.what), f": {finding.detail}"))
        style, word = ("green", "clean") if report.clean else ("red", f"{len(report.findings)} findings")
        counts = (
            f"{report.records} records, {report.log_size} log entries, {report.fingerprints} fingerprints"
        )
        console.print(styled(style, word, f": {counts} derived again"))
    raise typer.Exit(0 if report.clean else CHECK_FAILED)


def doctor(url: Url = None, api_key: ApiKey = None, home: Home = None, as_json: Json = False) -> None:
    """What is installed here; with --url or --home also what that registry runs on, its size and age.

    It says what keeps a decoder that a file took over from harm: here, or at that registry.

    Exit code 3 if something must be mended.
    """
    here = this_installation()
    report, faults = None, here.faults
    if url is not None or home is not None:
        with connect(url, api_key, home) as client:
            report = client.status()
        faults = (*faults, *report.faults)
    layers = report.isolation if report else isolation()
    if as_json:
        isolated = [layer.model_dump(mode="json") for layer in layers]
        line = report.model_dump(mode="json") if report else {"isolation": isolated}
        print_json({**line, "installation": asdict(here), "faults": faults})
    else:
        _show_installation(here)
        if report:
            _show_registry(report)
        _show_isolation(layers)
        for fault in faults:
            notes.print(styled("red", "to mend", f": {fault}"))
    raise typer.Exit(CHECK_FAILED if faults else 0)


def _show_installation(here: Installation) -> None:
    _print_rows(
        "This installation",
        {
            "trueprint": f"{here.version}, Python {here.python}",
            "descriptor": here.device,
            "faiss": ", ".join(here.faiss) or "none",
        },
    )


def _show_registry(report: ServerStatus) -> None:
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(report.fingerprints.items()))
    _print_rows(
        "The registry",
        {
            "version": report.version,
            "database": report.database,
            "descriptor": report.device,
            "faces": report.faces,
            "index": f"{report.index}, {report.freshness.records_searched} assets, "
            f"{report.freshness.lag} changes behind, checked {report.oldest_index_s:.1f} s ago",
            "decoder": in_layers(report.isolation),
            "previews": report.blobs,
            "records": str(report.records),
            "fingerprints": counts,
            "to describe anew": str(report.to_describe_anew),
            "probing": f"{report.probing_slowed} queries put off, {report.probing_refused} refused",
            "log": f"{report.freshness.checkpoint_size} entries",
            "audited": _last_audit(report),
            **{f"witness {witness.name}": _of_witness(witness) for witness in report.witnesses},
        },
    )


def _last_audit(report: ServerStatus) -> str:
    last = report.last_audit
    if last is None:
        return "never"
    when = last.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    found = ", ".join(f"{in_words(what)} {count}" for what, count in sorted(last.findings.items()))
    return f"{when}: {'clean' if last.clean else found}"


def _of_witness(witness: WitnessState) -> str:
    """What a witness cosigned last, and what is wrong with it."""
    cosigned = "nothing cosigned since the start"
    if witness.cosigned_at is not None:
        cosigned = f"{witness.size} entries cosigned at {witness.cosigned_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{cosigned}; {witness.fault}" if witness.fault else cosigned


def in_layers(layers: Sequence[IsolationLayer]) -> str:
    """How much keeps the decoder from harm, in a few words."""
    return f"decoder behind {sum(layer.holds for layer in layers)} of {len(layers)} layers"


def _show_isolation(layers: Sequence[IsolationLayer]) -> None:
    rows = {
        in_words(layer.name): f"keeps it from {layer.stops}"
        if layer.holds
        else f"not here ({layer.why_not}); it would keep it from {layer.stops}"
        for layer in layers
    }
    _print_rows("A decoder that a file took over", rows)


def _print_rows(title: str, rows: dict[str, str]) -> None:
    table = Table(show_header=False, box=None, title=title, title_justify="left", title_style="bold")
    for name, value in rows.items():
        table.add_row(name, value or "none")
    console.print(table)
