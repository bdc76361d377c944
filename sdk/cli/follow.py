"""The commands `monitor` and `verify-fork`: does a log keep to one history, as anybody can check it?"""

import base64
import time
from pathlib import Path
from typing import Annotated

import typer

from sdk.checkpoint import parse_verifier_key
from sdk.cli.kept_log import KeptLog, NoCheckpoint, Trusted, note_in
from sdk.cli.keys_of_log import KeyHistory
from sdk.cli.output import CHECK_FAILED, USAGE, console, fail, notes, shown, styled
from sdk.cli.trusted_witnesses import MaxAge, Quorum, Witnesses, witness_keys
from sdk.encodings import BadEncoding, parse_object
from sdk.errors import Unreachable, VerificationError
from sdk.forks import verify_fork
from sdk.log_monitor import Finding
from sdk.log_reader import BadResource, LogReader, NotServed, open_log


def join(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(monitor)
    app.command("verify-fork")(verify_fork_evidence)


def monitor(
    log: Annotated[str, typer.Argument(help="address of a registry or of its log, or folder of a mirror")],
    log_key: Annotated[
        str | None,
        typer.Option(help="the log's key that you trust (vkey); remembered from the first run on"),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="folder to remember the log and keep evidence in", file_okay=False, show_default=False
        ),
    ] = None,
    mirror: Annotated[
        Path | None,
        typer.Option(help="also copy the log into this folder, as static files to serve", file_okay=False),
    ] = None,
    log_keys: Annotated[
        Path | None,
        typer.Option(help="of a log elsewhere than its registry: /v1/log/keys, saved", dir_okay=False),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="receipt, proof or checkpoint that the log must have had; may be given often"),
    ] = None,
    witness: Witnesses = None,
    quorum: Quorum = None,
    max_age: MaxAge = None,
    every: Annotated[
        float | None, typer.Option(min=1, help="go on, and look again every so many seconds")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per look")] = False,
) -> None:
    """Follow a log: hash every new entry, and check that the log continues what it showed before.

    Exit code 3 if it does not; where two signed checkpoints contradict one another, they are kept as
    evidence that `trueprint verify-fork` checks offline. Needs no API key.
    """
    witnesses = Trusted(witness_keys(witness or [], quorum, max_age), quorum, max_age)
    claims = [(path, note_in(path)) for path in against or ()]
    while True:
        found: tuple[Finding, ...] = ()
        try:
            with _opened(log) as reader:
                kept = KeptLog(reader, KeyHistory(log, log_keys), log_key, state, mirror)
                found = kept.look(claims, witnesses, as_json)
        except NoCheckpoint as error:
            if every is None:
                fail(str(error), CHECK_FAILED)
            notes.print(f"{error}; asked again in {every:g} s")
        except Unreachable as error:
            if every is None:
                raise
            notes.print(f"{error}; asked again in {every:g} s")
        if any(every is None or not finding.nothing_shown for finding in found):
            raise typer.Exit(CHECK_FAILED)
        if every is None:
            return
        if found:
            notes.print(f"looked at again in {every:g} s")
        time.sleep(every)


def _opened(log: str) -> LogReader:
    """Opens the log. Raises Unreachable, also where it shows no checkpoint: it may at the next look."""
    try:
        return open_log(log)
    except (NotServed, BadResource) as error:
        raise Unreachable(str(error)) from error


def verify_fork_evidence(
    evidence: Annotated[Path, typer.Argument(help="what `trueprint monitor` kept")],
    log_key: Annotated[str | None, typer.Option(help="the log's key that you trust (vkey)")] = None,
) -> None:
    """Check offline that a log forked. Exit code 3 if the evidence does not show it."""
    try:
        key = parse_verifier_key(log_key) if log_key else None
        older, newer = verify_fork(parse_object(evidence.read_bytes()), key)
    except OSError as error:
        fail(f"{shown(evidence)}: {error.strerror}", USAGE)
    except BadEncoding as error:
        fail(f"{shown(evidence)} is not evidence of a fork: {error}", USAGE)
    except VerificationError as error:
        fail(f"does not hold: {error}", CHECK_FAILED)
    pinned = "" if key else " (by the key in the evidence, not pinned)"
    console.print(styled("bold red", "forked", f": {older.origin} signed two histories{pinned}"))
    for checkpoint in (older, newer):
        console.print(
            f"  {checkpoint.size} entries, root hash {base64.b64encode(checkpoint.root).decode()}"
        )
