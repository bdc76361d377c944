"""The commands `trueprint policy`: a pack is checked, tested, replayed, run in shadow and switched on.

`check` and `test` need no registry, so that a pack can be tested where it is kept.
"""

import csv
import sys
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError
from rich.table import Table

from sdk import gate_calls
from sdk.cli.connection import ApiKey, Home, Json, Url, connect
from sdk.cli.output import CHECK_FAILED, REFUSED, console, fail, notes, print_json, shown, styled, usage_of
from sdk.client import Client
from sdk.models import ActivationMode, NewBacktest, NewGateSettings, PackCheck, PackTest, Replay, in_words

if TYPE_CHECKING:
    from sdk.models import Activation, PackSummary

policy = typer.Typer(
    name="policy",
    help="Policies of the gate: check, test, backtest, shadow, activate (docs/policies.md).",
    no_args_is_help=True,
)
PackFile = Annotated[Path, typer.Argument(help="a policy pack in YAML", exists=True, dir_okay=False)]
PackNamed = Annotated[str, typer.Argument(help="a file, or name, name@version or SHA-256 of a pack")]
Why = Annotated[str, typer.Option(help="why, for those who read it later")]
Format = Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="of what changes")]
Days = Annotated[int, typer.Option(min=1, help="how far back")]


@policy.command()
def check(path: PackFile, as_json: Json = False) -> None:
    """Say whether a pack can be used and, line by line, what is wrong with it. Needs no registry."""
    from registry.gate.pack_rows import check_pack

    found = check_pack(_read(path))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show_check(path, found)
    if not found.ok:
        raise typer.Exit(CHECK_FAILED)


@policy.command("test")
def run_tests(path: PackFile, as_json: Json = False) -> None:
    """Run the cases of a pack. Needs no registry; exit code 3 where one fails."""
    from registry.errors import BadPack
    from registry.gate.evaluation import run_cases
    from registry.gate.pack_rows import check_pack
    from registry.gate.packs import compile_pack

    text = _read(path)
    try:
        result = run_cases(compile_pack(text))
    except BadPack:
        _show_check(path, check_pack(text))
        raise typer.Exit(CHECK_FAILED) from None
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        _show_cases(result)
    if not result.ok:
        raise typer.Exit(CHECK_FAILED)


@policy.command()
def add(path: PackFile, url: Url = None, api_key: ApiKey = None, home: Home = None) -> None:
    """Keep a pack in the registry; nothing is switched on."""
    with connect(url, api_key, home) as client:
        pack = client.send(gate_calls.add_pack(_read(path)))
    console.print(f"{pack.name} {pack.version} is kept as {pack.sha256}")


@policy.command("list")
def list_packs(url: Url = None, api_key: ApiKey = None, home: Home = None, as_json: Json = False) -> None:
    """List the packs, and who switched which on, when and why."""
    with connect(url, api_key, home) as client:
        packs = client.send(gate_calls.list_packs())
        activations = client.send(gate_calls.list_activations())
    if as_json:
        for one in (*packs, *activations):
            print_json(one.model_dump(mode="json"))
        return
    table = Table("pack", "version", "rules", "cases", "", "SHA-256", box=None, pad_edge=False)
    for pack in packs:
        state = "active" if pack.active else "shadow" if pack.shadow else ""
        state = state or ("" if pack.added_at else "shipped")
        table.add_row(pack.name, pack.version, str(pack.rules), str(pack.cases), state, pack.sha256[:12])
    console.print(table)
    for activation in activations:
        console.print(_activation_in_words(activation), soft_wrap=True)


@policy.command()
def show(
    named: PackNamed,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Print a pack's text, byte for byte."""
    with connect(url, api_key, home) as client:
        pack = client.send(gate_calls.get_pack(named))
    if as_json:
        print_json(pack.model_dump(mode="json"))
    else:
        sys.stdout.write(pack.text)


@policy.command()
def backtest(
    named: PackNamed,
    days: Days = 30,
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="uploads that are listed")] = 100,
    form: Format = "table",
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
) -> None:
    """Say which decisions of the last days a pack would have made differently, counts first."""
    with connect(url, api_key, home) as client:
        _show_replay(client.send(gate_calls.backtest(_backtest(named, None, days, limit))), form)


@policy.command()
def diff(
    before: PackNamed,
    after: PackNamed,
    days: Days = 30,
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="uploads that are listed")] = 100,
    form: Format = "table",
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
) -> None:
    """Compare two packs on the decisions of the last days."""
    with connect(url, api_key, home) as client:
        _show_replay(client.send(gate_calls.backtest(_backtest(after, before, days, limit))), form)


@policy.command()
def shadow(
    named: Annotated[
        str | None, typer.Argument(help="the pack that runs beside the active one; none: its report")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="let none run beside the active one")] = False,
    why: Annotated[str | None, typer.Option(help="why")] = None,
    days: Days = 30,
    form: Format = "table",
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
) -> None:
    """Run a pack beside the active one on live uploads, or say what it would have changed so far."""
    with connect(url, api_key, home) as client:
        if named is None and not end:
            report = client.send(gate_calls.shadow(days, 1000))
            running = _in_shadow(client)
            if running is not None and form == "table":
                console.print(f"{running.name}@{running.version} runs in the shadow", soft_wrap=True)
            if report is not None:
                _show_replay(report, form)
            elif running is not None:
                console.print(f"It saw no upload in the last {days} days.", soft_wrap=True)
            else:
                fail("no pack runs, or ran, in the shadow of the active one", REFUSED)
            return
        mode = ActivationMode.SHADOW_ENDED if end else ActivationMode.SHADOW
        running = _in_shadow(client) if named is None else None
        pack = named if running is None else running.sha256
        if pack is None:
            fail("no pack runs in the shadow of the active one", REFUSED)
        reason = why or ("it has run long enough" if end else "to see what it would change")
        activation = client.send(gate_calls.activate(_kept(client, pack), reason, mode))
    console.print(_activation_in_words(activation), soft_wrap=True)


@policy.command()
def activate(
    named: PackNamed, why: Why, url: Url = None, api_key: ApiKey = None, home: Home = None
) -> None:
    """Switch a pack on; where two people are asked for, ask the second."""
    with connect(url, api_key, home) as client:
        activation = client.send(gate_calls.activate(_kept(client, named), why))
    console.print(_activation_in_words(activation), soft_wrap=True)


@policy.command()
def confirm(
    number: Annotated[int, typer.Argument(help="number of the activation")],
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
) -> None:
    """Confirm as the second person what another asked for."""
    with connect(url, api_key, home) as client:
        console.print(_activation_in_words(client.send(gate_calls.confirm(number))), soft_wrap=True)


@policy.command()
def rollback(why: Why, url: Url = None, api_key: ApiKey = None, home: Home = None) -> None:
    """Switch on again what was active before."""
    with connect(url, api_key, home) as client:
        console.print(_activation_in_words(client.send(gate_calls.roll_back(why))), soft_wrap=True)


@policy.command()
def settings(
    two_people: Annotated[
        bool | None, typer.Option("--two-people/--one-person", help="who must agree to an activation")
    ] = None,
    retention_days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="then decisions are deleted")
    ] = None,
    dispute_url: Annotated[
        str | None, typer.Option(help="where uploaders dispute; {content_ref} is replaced")
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show how your gate works, and change it where an option is given."""
    try:
        wanted = NewGateSettings(
            two_people=two_people, retention_days=retention_days, dispute_url=dispute_url
        )
    except ValidationError as error:
        usage_of(error)
    with connect(url, api_key, home) as client:
        is_change = wanted != NewGateSettings()
        call = gate_calls.change_gate_settings(wanted) if is_change else gate_calls.gate_settings()
        found = client.send(call)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    console.print(f"two people   {'yes' if found.two_people else 'no'}")
    console.print(f"kept         {found.retention_days} days")
    console.print(f"disputes     {found.dispute_url or 'on the page of each decision'}")
    if found.one_person_asked_by:
        notes.print(f"API key {found.one_person_asked_by} wants one person to suffice: another must, too.")


def _show_check(path: Path, found: PackCheck) -> None:
    if found.ok:
        console.print(f"{found.name} {found.version} can be used; its SHA-256 is {found.sha256}")
        return
    for flaw in found.flaws:
        where = f" ({flaw.where})" if flaw.where else ""
        console.print(styled("red", f"{shown(path)}:{flaw.line}", f": {flaw.reason}{where}"))


def _show_cases(result: PackTest) -> None:
    for case in result.cases:
        if case.passed:
            console.print(styled("green", "passed", f"  {case.name}"))
        else:
            got = f"{case.got} by {case.rule}" if case.rule else case.got
            console.print(
                styled("red", "failed", f"  {case.name}: {case.expected} expected, {got} came out")
            )
    passed = sum(case.passed for case in result.cases)
    console.print(f"{passed} of {len(result.cases)} cases passed")


def _backtest(named: str, against: str | None, days: int, limit: int) -> NewBacktest:
    text = _text_of(named)
    against_text = None if against is None else _text_of(against)
    return NewBacktest(
        pack=None if text is not None else named,
        text=text,
        against=None if against_text is not None else against,
        against_text=against_text,
        days=days,
        limit=limit,
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        fail(f"{path} is no text in UTF-8", CHECK_FAILED)


def _text_of(named: str) -> str | None:
    """The text of a file that is named; None: it is the name of a pack."""
    path = Path(named)
    if path.suffix in (".yaml", ".yml") or "/" in named:
        return _read(path)
    return None


def _kept(client: Client, named: str) -> str:
    """What a pack is called in the registry; a file is added first.

    Not one whose cases fail: it would not be switched on, and its name would mean it from now on.
    """
    text = _text_of(named)
    if text is None:
        return named
    failed = [case.name for case in client.send(gate_calls.run_pack_cases(text)).cases if not case.passed]
    if failed:
        fail(f"{named}: {len(failed)} of its cases fail, such as {failed[0]!r}; it was not added", REFUSED)
    return client.send(gate_calls.add_pack(text)).sha256


def _in_shadow(client: Client) -> "PackSummary | None":
    return next((pack for pack in client.send(gate_calls.list_packs()) if pack.shadow), None)


def _activation_in_words(activation: "Activation") -> str:
    what = {
        ActivationMode.ACTIVE: "is active",
        ActivationMode.SHADOW: "runs in the shadow of the active one",
        ActivationMode.SHADOW_ENDED: "runs in the shadow no more",
    }[activation.mode]
    at = (activation.effective_at or activation.asked_at).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if activation.effective_at is None:
        what = f"waits for a second person: `trueprint policy confirm {activation.number}`"
    by = activation.asked_by + (f" and {activation.confirmed_by}" if activation.confirmed_by else "")
    pack = f"{activation.pack} {activation.version}"
    return f"{activation.number}: {pack} {what}; {at}, by {by}: {activation.why}"


def _show_replay(replay: Replay, form: str) -> None:
    if form == "json":
        print_json(replay.model_dump(mode="json"))
        return
    if form == "csv":
        _write_csv(replay)
        return
    console.print(
        f"{_counted(replay.decisions)} since {replay.since:%Y-%m-%d}: {replay.changed} would change"
        + (f", of {replay.cannot_tell} it cannot be told" if replay.cannot_tell else "")
        + ("" if replay.complete else "; only the newest were looked at")
    )
    for title, counts in (("before", replay.outcomes_before), ("after", replay.outcomes_after)):
        words = ", ".join(f"{in_words(outcome)} {count}" for outcome, count in counts.items())
        console.print(f"  {title:7} {words or '-'}")
    if replay.counts:
        table = Table("count", "before", "rule", "after", "rule", "verdict", box=None, pad_edge=False)
        for one in replay.counts:
            table.add_row(
                str(one.count),
                in_words(one.before),
                one.rule_before,
                in_words(one.after),
                one.rule_after,
                in_words(one.kind),
            )
        console.print(table)
    for upload in replay.uploads:
        name = upload.content_ref or upload.decision
        words = f"{in_words(upload.before)} → {in_words(upload.after)} ({upload.rule_after})"
        console.print(f"  {name}: {words}")


def _counted(decisions: int) -> str:
    return "1 decision" if decisions == 1 else f"{decisions} decisions"


def _write_csv(replay: Replay) -> None:
    """One row for each upload (RFC 4180)."""
    writer = csv.writer(sys.stdout)
    writer.writerow(
        ("decision", "at", "content_ref", "verdict", "before", "rule_before", "after", "rule_after")
    )
    for one in replay.uploads:
        writer.writerow(
            (
                one.decision,
                one.at.isoformat(),
                _not_a_formula(one.content_ref or ""),
                one.kind,
                one.before.value,
                one.rule_before,
                one.after.value,
                one.rule_after,
            )
        )


def _not_a_formula(cell: str) -> str:
    """What a spreadsheet would calculate is quoted: names of uploads come from strangers."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t") else cell
