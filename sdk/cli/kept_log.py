"""What is remembered of a log, in a folder of its own: how far it held, and what did not hold."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from platformdirs import user_state_path

from sdk.checkpoint import BadCheckpoint, VerifierKey, parse_checkpoint_unverified, split_note
from sdk.cli.kept_notes import KeptNotes, read_shown
from sdk.cli.keys_of_log import KeyHistory, trusted_key
from sdk.cli.output import CHECK_FAILED, USAGE, console, fail, notes, print_json, shown, styled
from sdk.cosignature import TooFewWitnesses, parse_witness_key, require_witnesses
from sdk.errors import SdkError, Unreachable
from sdk.log_mirror import Mirror, MirrorFull
from sdk.log_monitor import Fault, Finding, Followed, compare, follow
from sdk.log_reader import BadResource, LogReader, NotServed
from sdk.log_state import load_state, save_state
from sdk.tlog_proof import checkpoint_in

STATE = "state.json"


class NoCheckpoint(SdkError):
    """The log shows nothing that could be a checkpoint: no name to remember it by."""


class Trusted:
    """Witnesses, and how many of them must have cosigned a checkpoint, how lately."""

    def __init__(self, vkeys: Sequence[str], quorum: int | None, max_age_s: int | None) -> None:
        self._keys = [parse_witness_key(vkey) for vkey in vkeys]
        self._quorum, self._max_age_s = quorum or len(vkeys), max_age_s

    def finding(self, note: str) -> Finding | None:
        """What is wrong with the cosignatures of a checkpoint; None: nothing, or none were asked for."""
        if self._keys:
            try:
                require_witnesses(note, self._keys, self._quorum, max_age_s=self._max_age_s)
            except (TooFewWitnesses, BadCheckpoint) as error:
                return Finding(Fault.TOO_FEW_WITNESSES, str(error), note=note)
        return None


class KeptLog:
    """What is remembered of a log, in a folder of its own."""

    def __init__(
        self,
        reader: LogReader,
        keys: KeyHistory,
        log_key: str | None,
        folder: Path | None,
        mirror: Path | None,
    ) -> None:
        self._reader = reader
        self._folder = folder or _folder_of(reader)
        self._file = self._folder / STATE
        self._notes = KeptNotes(self._folder)
        self._new = ""  # the checkpoint that was shown, unless it is the one that is remembered
        remembered = load_state(self._file)
        self._keys = keys
        self._key = trusted_key(log_key, remembered, keys, self._file)
        self._before = remembered[1] if remembered else Followed()
        self._mirror = Mirror(mirror) if mirror else None

    def look(
        self, claims: list[tuple[Path, str]], witnesses: Trusted, as_json: bool
    ) -> tuple[Finding, ...]:
        """Follows the log to its newest checkpoint, says what was seen, and returns what is wrong."""
        start, followed, of_log = self._follow(witnesses)
        findings = of_log
        if not findings:
            save_state(self._file, self._key, followed)
            self._explained()
            findings = (*self._against(followed, claims), *self._shown_before(followed))
        self._say(followed, findings, followed.tree.size - start.tree.size, as_json)
        if any(finding.evidence for finding in of_log):
            self._explained()  # the evidence holds it
        if any(map(_of_another_key, of_log)) and self._before.note and not as_json:
            notes.print(
                f"the key that is remembered is {self._key.text()}, in {shown(self._file)}; for "
                "another log of the same name use another --state"
            )
        self._before = followed
        return findings

    def _follow(self, witnesses: Trusted) -> tuple[Followed, Followed, tuple[Finding, ...]]:
        """From where, how far, and what is wrong."""
        start, take, own = self._before, None, None
        if self._mirror:
            # From where the mirror ends: it may be behind what is remembered, or new.
            start, take, own = self._mirrored(self._mirror), self._mirror.take, self._mirror.reader
        before, first = self._key, None
        for key in self._successors():
            self._key = key
            try:
                doubt = partial(self._doubt, witnesses)
                followed, findings = follow(self._reader, key, start, take, own, doubt)
            except MirrorFull:
                assert self._mirror is not None
                self._mirror.discard()
                raise
            first = first or findings
            if not any(map(_of_another_key, findings)):
                break
        else:
            self._key, findings = before, first or ()
        if self._key != before:
            notes.print(f"the log changed its key, as both keys say: {self._key.text()} is remembered now")
        if self._mirror and not findings and self._before.note:
            try:
                contradiction = self._compared(followed, self._before.note)
            except BadCheckpoint as error:  # its key was retired before it signed this
                contradiction = Finding(Fault.BAD_CHECKPOINT, f"what is remembered of the log: {error}")
            findings = (contradiction,) if contradiction else ()
        if self._mirror:
            if findings:
                self._mirror.discard()
            else:
                self._mirror.publish(followed)
        return start, followed, findings

    def _doubt(self, witnesses: Trusted, note: str) -> Finding | None:
        """Why a checkpoint whose signature holds is not followed; keeps it, whatever comes of it."""
        size, retired_at = parse_checkpoint_unverified(note).size, self._keys.retired_at(self._key)
        if retired_at is not None and size > retired_at:
            detail = (
                f"the checkpoint over {size} entries is signed by a key that was retired at {retired_at}"
            )
            return Finding(Fault.BAD_CHECKPOINT, detail)
        # Before an entry is read: the log may show a fork and not answer when asked for what is below it.
        if not self._before.note or split_note(note)[0] != split_note(self._before.note)[0]:
            self._notes.keep(note)
            self._new = note
        return witnesses.finding(note)

    def _explained(self) -> None:
        """Lets go of the checkpoint that this look began with."""
        if self._new:
            self._notes.forget(self._new)

    def _successors(self) -> Iterator[VerifierKey]:
        """The key that is remembered, and where it signs no more those after it, the newest first."""
        yield self._key
        known = self._key
        try:
            periods = self._keys.periods(known)
        except Unreachable as error:
            notes.print(f"whether the log has another key could not be asked: {error}")
            return
        after = [period.key for period in periods]
        yield from reversed(after[after.index(known) + 1 :])

    def _mirrored(self, mirror: Mirror) -> Followed:
        """How far the mirror goes; its checkpoint may be of a key before. Raises SdkError."""
        try:
            return mirror.continued(self._key)
        except BadCheckpoint:
            for period in self._keys.periods(self._key):
                with suppress(BadCheckpoint):
                    return mirror.continued(period.key)
            raise

    def _against(self, followed: Followed, claims: list[tuple[Path, str]]) -> Iterator[Finding]:
        for path, note in claims:
            try:
                contradiction = self._compared(followed, note)
            except BadCheckpoint as error:
                fail(f"{shown(path)} is not of this log: {error}", USAGE)
            if contradiction:
                detail = f"{shown(path)}: {contradiction.detail}"
                forked = contradiction.fault is Fault.FORKED
                yield replace(contradiction, detail=detail, note=contradiction.note if forked else "")

    def _shown_before(self, followed: Followed) -> Iterator[Finding]:
        """Holds signed checkpoints that could not be followed against the log; what holds is let go."""
        for path in self._notes.all_shown():
            try:
                contradiction = self._compared(followed, read_shown(path))
            except BadCheckpoint as error:
                yield Finding(Fault.BAD_CHECKPOINT, f"{shown(path)}, kept at an earlier look: {error}")
                continue
            if contradiction is None:
                path.unlink()
            elif contradiction.evidence is None:
                yield Finding(contradiction.fault, f"{shown(path)}: {contradiction.detail}")
            else:
                yield contradiction

    def _compared(self, followed: Followed, note: str) -> Finding | None:
        """Holds a checkpoint, of any key of the log, against what was followed. Raises BadCheckpoint."""
        try:
            return compare(self._reader, self._key, followed, note)
        except BadCheckpoint:
            return compare(self._reader, self._key, followed, note, self._keys.others(self._key))

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
            if path and finding.evidence:
                notes.print(f"the evidence is in {shown(path)}: trueprint verify-fork {shown(path)}")
            elif path:
                notes.print(f"the checkpoint that it showed is in {shown(path)}, and is looked at again")
        if not findings:
            entries = f"{followed.tree.size:,} entries, {new:,} of them hashed now"
            console.print(styled("green", "one history", f": {self._key.name}, {entries} ({now})"))

    def _keep(self, finding: Finding, now: str) -> Path | None:
        if finding.evidence is not None:
            return self._notes.keep_evidence(finding.evidence, now)
        return self._notes.keep(finding.note) if finding.note else None


def _of_another_key(finding: Finding) -> bool:
    return finding.fault is Fault.BAD_CHECKPOINT and not finding.nothing_shown


def _folder_of(reader: LogReader) -> Path:
    """A folder of this user's for that log, by the name that the log gives itself. Raises NoCheckpoint."""
    try:
        note = reader.checkpoint()
    except (BadResource, NotServed) as error:
        raise NoCheckpoint(f"{reader.named}: {error}") from error
    try:
        origin = parse_checkpoint_unverified(note).origin
    except BadCheckpoint as error:
        fail(f"{reader.named}: {error}", CHECK_FAILED)
    return user_state_path("trueprint") / "logs" / folder_name(origin)


def folder_name(origin: str) -> str:
    """A name that any file system takes, of its own for every log: where one was changed, by a digest."""
    name = re.sub(r"[^a-z0-9.-]", "_", origin)[:100].strip(".")
    return name if name == origin else f"{name}_{hashlib.sha256(origin.encode()).hexdigest()[:16]}"


def note_in(path: Path) -> str:
    """The checkpoint in a receipt, in a proof, or by itself."""
    try:
        return checkpoint_in(path.read_bytes().decode())
    except OSError as error:
        fail(f"{shown(path)}: {error.strerror}", USAGE)
    except (UnicodeDecodeError, BadCheckpoint):
        fail(f"{shown(path)} is no receipt, no proof and no checkpoint", USAGE)
