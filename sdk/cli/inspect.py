"""The commands `audit` and `doctor`: does it hold, and what is it? They change nothing."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC

import typer
from rich.table import Table

from sdk.cli.connection import ApiKey, Home, Json, Url, connect
from sdk.cli.installation import Installation, this_installation
from sdk.cli.output import (
    CHECK_FAILED,
    console,
    notes,
    print_json,
    styled,
)
from sdk.local import isolation
from sdk.models import IsolationLayer, ServerStatus, WitnessState, in_words


def join(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (audit, doctor):
        app.command()(command)


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
