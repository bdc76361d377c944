"""The commands `monitor` and `verify-fork`: does a log keep to one history, as anybody can check it?"""

import base64
import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from platformdirs import user_state_path

from sdk.checkpoint import (
    BadCheckpoint,
    VerifierKey,
    parse_checkpoint_unverified,
    parse_verifier_key,
    verify_checkpoint,
)
from sdk.cli.output import CHECK_FAILED, console, fail, notes, print_json, shown, styled
from sdk.cli.trusted_witnesses import MaxAge, Quorum, Witnesses, witness_keys
from sdk.client import Client
from sdk.cosignature import TooFewWitnesses, parse_witness_key, require_witnesses
from sdk.durable_files import write_durably
from sdk.encodings import BadEncoding, parse_object
from sdk.errors import Unreachable, VerificationError
from sdk.forks import verify_fork
from sdk.log_mirror import Mirror
from sdk.log_monitor import Fault, Finding, Followed, compare, follow
from sdk.log_reader import BadResource, LogReader, NotServed, open_log
from sdk.log_state import load_state, save_state
from sdk.tlog_proof import HEADER as PROOF
from sdk.tlog_proof import parse_tlog_proof

USAGE = 2
STATE = "state.json"


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
    witnesses = _Trusted(witness_keys(witness or [], quorum, max_age), quorum, max_age)
    claims = [(path, _note_in(path)) for path in against or ()]
    while True:
        try:
            with open_log(log) as reader:
                kept = _Kept(reader, log, log_key, state, mirror)
                found = kept.look(claims, witnesses, as_json)
        except Unreachable as error:
            if every is None:
                raise
            notes.print(f"{error}; asked again in {every:g} s")
            found = False
        if found:
            raise typer.Exit(CHECK_FAILED)
        if every is None:
            return
        time.sleep(every)


class _Trusted:
    """Witnesses, and how many of them must have cosigned a checkpoint, how lately."""

    def __init__(self, vkeys: Sequence[str], quorum: int | None, max_age_s: int | None) -> None:
        self._keys = [parse_witness_key(vkey) for vkey in vkeys]
        self._quorum, self._max_age_s = quorum or len(vkeys), max_age_s

    def finding(self, note: str) -> Finding | None:
        if self._keys:
            try:
                require_witnesses(note, self._keys, self._quorum, max_age_s=self._max_age_s)
            except (TooFewWitnesses, BadCheckpoint) as error:
                return Finding(Fault.TOO_FEW_WITNESSES, str(error))
        return None


class _Kept:
    """What is remembered of a log, in a folder of its own."""

    def __init__(
        self,
        reader: LogReader,
        place: str,
        log_key: str | None,
        folder: Path | None,
        mirror: Path | None,
    ) -> None:
        self._reader = reader
        self._folder = folder or _folder_of(reader)
        self._file = self._folder / STATE
        remembered = load_state(self._file)
        self._key = _trusted(log_key, remembered, place)
        self._before = remembered[1] if remembered else Followed()
        self._mirror = Mirror(mirror) if mirror else None

    def look(self, claims: list[tuple[Path, str]], witnesses: _Trusted, as_json: bool) -> bool:
        """Follows the log to its newest checkpoint and says what was seen; True: something is wrong."""
        start, take = self._before, None
        if self._mirror:
            # From where the mirror ends: it may be behind what is remembered, or new.
            start, take = self._mirror.continued(self._key), self._mirror.take
        followed, findings = follow(self._reader, self._key, start, take)
        if self._mirror and not findings and self._before.note:
            contradiction = compare(self._reader, self._key, followed, self._before.note)
            findings = (contradiction,) if contradiction else ()
        if not findings:
            if self._mirror:
                self._mirror.publish(followed)
            save_state(self._file, self._key, followed)
            findings = tuple(self._against(followed, claims))
            unwitnessed = witnesses.finding(followed.note)
            findings = (*findings, unwitnessed) if unwitnessed else findings
        self._say(followed, findings, followed.tree.size - start.tree.size, as_json)
        self._before = followed
        return bool(findings)

    def _against(self, followed: Followed, claims: list[tuple[Path, str]]) -> Iterator[Finding]:
        for path, note in claims:
            try:
                contradiction = compare(self._reader, self._key, followed, note)
            except BadCheckpoint as error:
                fail(f"{shown(path)} is not of this log: {error}", USAGE)
            if contradiction:
                yield Finding(
                    contradiction.fault, f"{shown(path)}: {contradiction.detail}", contradiction.evidence
                )

    def _say(self, followed: Followed, findings: Sequence[Finding], new: int, as_json: bool) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        kept = [self._keep(finding, now) for finding in findings]
        if as_json:
            wrong = [
                {"fault": finding.fault.value, "detail": finding.detail, "evidence": path and str(path)}
                for finding, path in zip(findings, kept, strict=True)
            ]
            print_json(
                {"at": now, "log": self._key.name, "size": followed.tree.size, "new": new, "wrong": wrong}
            )
            return
        for finding, path in zip(findings, kept, strict=True):
            console.print(styled("bold red", finding.fault.value.replace("_", " "), f": {finding.detail}"))
            if path:
                notes.print(f"the evidence is in {shown(path)}: trueprint verify-fork {shown(path)}")
        if not findings:
            entries = f"{followed.tree.size:,} entries, {new:,} of them hashed now"
            console.print(styled("green", "one history", f": {self._key.name}, {entries} ({now})"))

    def _keep(self, finding: Finding, now: str) -> Path | None:
        if finding.evidence is None:
            return None
        stem, number = f"fork-{now.replace(':', '')}", 1
        path = self._folder / f"{stem}.json"
        while path.exists():  # one look may find several
            number += 1
            path = self._folder / f"{stem}-{number}.json"
        write_durably(path, json.dumps(finding.evidence, indent=1, ensure_ascii=False).encode() + b"\n")
        return path


def _folder_of(reader: LogReader) -> Path:
    """A folder of this user's for that log, by the name that the log gives itself."""
    try:
        origin = parse_checkpoint_unverified(reader.checkpoint()).origin
    except (BadCheckpoint, BadResource, NotServed) as error:
        fail(f"{reader.named}: {error}", CHECK_FAILED)
    name = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in origin)
    return user_state_path("trueprint") / "logs" / name.strip(".")


def _trusted(given: str | None, remembered: tuple[VerifierKey, Followed] | None, place: str) -> VerifierKey:
    """The key that the log's checkpoints must be signed with.

    Another one than is remembered is taken where it signed the last checkpoint that held, too: the log is
    changing its key, and both sign (docs/operations/rotation.md).
    """
    try:
        pinned = given and parse_verifier_key(given)
    except BadCheckpoint as error:
        fail(f"--log-key: {error}", USAGE)
    if pinned and remembered and not _signed_by(remembered[1].note, pinned):
        fail(
            "--log-key is another key than the one that is remembered of this log, and did not sign its "
            "last checkpoint: look once with the old key while both sign, or use another --state",
            USAGE,
        )
    key = pinned or (remembered and remembered[0])
    if key:
        return key
    if "://" not in place:
        fail("give the key of the log (--log-key): a mirror does not say whose it is", USAGE)
    with Client(place.removesuffix("/").removesuffix("/log")) as client:
        key = parse_verifier_key(client.log_state().log_key)
    notes.print(f"the log's key is not pinned: {key.text()} is what the registry says, and is remembered")
    return key


def _signed_by(note: str, key: VerifierKey) -> bool:
    try:
        verify_checkpoint(note, key)
    except BadCheckpoint:
        return False
    return True


def _note_in(path: Path) -> str:
    """The checkpoint in a receipt, in a proof, or by itself."""
    try:
        text = path.read_bytes().decode()
        if text.lstrip().startswith("{"):
            text = str(parse_object(text.encode()).get("proof", ""))
        return parse_tlog_proof(text)[2] if text.startswith(PROOF) else text
    except OSError as error:
        fail(f"{shown(path)}: {error.strerror}", USAGE)
    except (UnicodeDecodeError, BadEncoding, BadCheckpoint):
        fail(f"{shown(path)} is no receipt, no proof and no checkpoint", USAGE)


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
