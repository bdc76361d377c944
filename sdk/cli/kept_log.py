"""What is remembered of a log, in a folder of its own: how far it held, and what did not hold."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from platformdirs import user_state_path

from sdk.checkpoint import BadCheckpoint, VerifierKey, parse_checkpoint_unverified
from sdk.cli.keys_of_log import KeyHistory, trusted_key
from sdk.cli.output import CHECK_FAILED, USAGE, console, fail, notes, print_json, shown, styled
from sdk.cosignature import TooFewWitnesses, parse_witness_key, require_witnesses
from sdk.durable_files import write_durably
from sdk.encodings import BadEncoding, parse_object
from sdk.log_mirror import Mirror, MirrorFull
from sdk.log_monitor import Fault, Finding, Followed, compare, follow
from sdk.log_reader import BadResource, LogReader, NotServed
from sdk.log_state import load_state, save_state
from sdk.tlog_proof import HEADER as PROOF
from sdk.tlog_proof import parse_tlog_proof

STATE = "state.json"
SHOWN = "shown"  # begins the names of checkpoints that could not be followed


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
        remembered = load_state(self._file)
        self._keys = keys
        self._key = trusted_key(log_key, remembered, keys, self._file)
        self._before = remembered[1] if remembered else Followed()
        self._mirror = Mirror(mirror) if mirror else None

    def look(self, claims: list[tuple[Path, str]], witnesses: Trusted, as_json: bool) -> bool:
        """Follows the log to its newest checkpoint and says what was seen; True: something is wrong."""
        start, followed, findings = self._follow(witnesses)
        if not findings:
            save_state(self._file, self._key, followed)
            findings = (*self._against(followed, claims), *self._shown_before(followed))
        self._say(followed, findings, followed.tree.size - start.tree.size, as_json)
        self._before = followed
        return bool(findings)

    def _follow(self, witnesses: Trusted) -> tuple[Followed, Followed, tuple[Finding, ...]]:
        """From where, how far, and what is wrong."""
        start, take, own = self._before, None, None
        if self._mirror:
            # From where the mirror ends: it may be behind what is remembered, or new.
            start, take, own = self._mirrored(self._mirror), self._mirror.take, self._mirror.reader
        before = self._key
        for key in self._successors():
            self._key = key
            try:
                followed, findings = follow(self._reader, key, start, take, own, witnesses.finding)
            except MirrorFull:
                assert self._mirror is not None
                self._mirror.discard()
                raise
            if not any(finding.fault is Fault.BAD_CHECKPOINT for finding in findings):
                break
        else:
            self._key = before
        if self._key != before:
            notes.print(f"the log changed its key, as both keys say: {self._key.text()} is remembered now")
        if self._mirror and not findings and self._before.note:
            contradiction = _held_against(self._reader, self._key, before, followed, self._before.note)
            findings = (contradiction,) if contradiction else ()
        if self._mirror:
            if findings:
                self._mirror.discard()
            else:
                self._mirror.publish(followed)
        return start, followed, findings

    def _successors(self) -> Iterator[VerifierKey]:
        """The key that is remembered, and where it signs no more those after it, the newest first."""
        yield self._key
        known = self._key
        periods = self._keys.periods(known)
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
                contradiction = compare(self._reader, self._key, followed, note)
            except BadCheckpoint as error:
                fail(f"{shown(path)} is not of this log: {error}", USAGE)
            if contradiction:
                yield Finding(
                    contradiction.fault, f"{shown(path)}: {contradiction.detail}", contradiction.evidence
                )

    def _shown_before(self, followed: Followed) -> Iterator[Finding]:
        """Holds signed checkpoints that could not be followed against the log; what holds is let go."""
        for path in sorted(self._folder.glob(f"{SHOWN}-*")):
            try:
                contradiction = compare(self._reader, self._key, followed, note_in(path))
            except BadCheckpoint:  # of a key before
                continue
            if contradiction is None:
                path.unlink()
            elif contradiction.evidence is None:
                yield Finding(contradiction.fault, f"{shown(path)}: {contradiction.detail}")
            else:
                yield contradiction

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
            if finding.fault is Fault.BAD_CHECKPOINT and self._before.note:
                notes.print(
                    f"the key that is remembered is {self._key.text()}, in {shown(self._file)}; for "
                    "another log of the same name use another --state"
                )
        if not findings:
            entries = f"{followed.tree.size:,} entries, {new:,} of them hashed now"
            console.print(styled("green", "one history", f": {self._key.name}, {entries} ({now})"))

    def _keep(self, finding: Finding, now: str) -> Path | None:
        if finding.evidence is None and not finding.note:
            return None
        if finding.evidence is None:
            # By its digest: an hour of looks at the same checkpoint keeps it once.
            path = self._folder / f"{SHOWN}-{hashlib.sha256(finding.note.encode()).hexdigest()[:16]}"
            write_durably(path, finding.note.encode())
            return path
        stem, number = f"fork-{now.replace(':', '')}", 1
        path = self._folder / f"{stem}.json"
        while path.exists():  # one look may find several
            number += 1
            path = self._folder / f"{stem}-{number}.json"
        write_durably(path, json.dumps(finding.evidence, indent=1, ensure_ascii=False).encode() + b"\n")
        return path


def _held_against(
    reader: LogReader, key: VerifierKey, before: VerifierKey, followed: Followed, note: str
) -> Finding | None:
    """Compares with what is remembered, which a key before may have signed."""
    try:
        return compare(reader, key, followed, note)
    except BadCheckpoint:
        if key == before:
            raise
        return None  # what is remembered is not newer than the mirror, which was followed


def _folder_of(reader: LogReader) -> Path:
    """A folder of this user's for that log, by the name that the log gives itself."""
    try:
        origin = parse_checkpoint_unverified(reader.checkpoint()).origin
    except (BadCheckpoint, BadResource, NotServed) as error:
        fail(f"{reader.named}: {error}", CHECK_FAILED)
    name = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in origin)
    return user_state_path("trueprint") / "logs" / name.strip(".")


def note_in(path: Path) -> str:
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
