"""How a log's key is succeeded by another: signed notes that lead from the pinned key to the next.

Two notes (c2sp.org/signed-note@v1.0.0), of exactly these lines; the log's origin is the name of every key:

    trueprint/log-key-succession/v1     trueprint/log-key-retirement/v1
    <origin>                            <origin>
    <vkey of the old key>               <vkey of the key that is retired>
    <vkey of the new key>               <vkey of its successor>
    <size>                              <size>
    <time, as 2026-11-30T12:00:00Z>     <time>

A succession is signed by both keys: checkpoints over more than <size> entries carry the new key's
signature, and go on carrying the old one's. A retirement is signed by the successor: checkpoints over more
than <size> entries are not signed by the old key. Neither is a checkpoint: those have a size in line two.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sdk.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    VerifierKey,
    parse_checkpoint_unverified,
    parse_verifier_key,
    signature_line,
    signers_of,
    split_note,
)

SUCCESSION, RETIREMENT = "trueprint/log-key-succession/v1", "trueprint/log-key-retirement/v1"
ENTRY_TYPE = "log_key"  # of the log's own entry that commits to such a note
MOST_NOTES = 1000
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)

Sign = Callable[[bytes], bytes]  # a message -> its signature


class BadKeyHistory(BadCheckpoint):
    """A note about the log's keys cannot be read, does not verify, or contradicts another."""


@dataclass(frozen=True)
class KeyChange:
    """What a note says of the log's keys."""

    kind: str  # SUCCESSION or RETIREMENT
    origin: str
    old: VerifierKey
    new: VerifierKey
    size: int
    at: datetime

    def body(self) -> str:
        """Returns the text that is signed."""
        moment = self.at.astimezone(UTC).strftime(_TIME)
        lines = (self.kind, self.origin, self.old.text(), self.new.text(), str(self.size), moment)
        return "".join(f"{line}\n" for line in lines)

    def signed(self, signers: Iterable[tuple[VerifierKey, Sign]]) -> str:
        """Returns the note, with a signature line of each key."""
        body = self.body()
        return f"{body}\n" + "".join(signature_line(key, sign(body.encode())) for key, sign in signers)


@dataclass(frozen=True)
class KeyPeriod:
    """Which checkpoints a key of the log signs: those over `first` to `last` entries."""

    key: VerifierKey
    first: int = 0
    last: int | None = None  # None: all from `first` on

    def covers(self, size: int) -> bool:
        """Whether a checkpoint over `size` entries is signed by it."""
        return self.first <= size and (self.last is None or size <= self.last)


def parse_key_change(note: str) -> KeyChange:
    """Reads a succession or retirement and verifies its signatures. Raises BadKeyHistory."""
    try:
        change = _parse_body(split_note(note)[0])
        signed_by = signers_of(note, (change.old, change.new))
    except BadKeyHistory:
        raise
    except BadCheckpoint as error:
        raise BadKeyHistory(f"a note about the log's keys: {error}") from error
    needed = {change.new} if change.kind == RETIREMENT else {change.old, change.new}
    if needed - signed_by:
        raise BadKeyHistory("a note about the log's keys is not signed by the keys that must sign it")
    return change


def _parse_body(body: str) -> KeyChange:
    lines = body.split("\n")
    if len(lines) != 7 or lines[0] not in (SUCCESSION, RETIREMENT) or lines[6]:
        raise BadKeyHistory("this is no note about a log's keys")
    kind, origin, old, new, size, moment = lines[:6]
    try:
        at = datetime.strptime(moment, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise BadKeyHistory("the time is not written as 2026-11-30T12:00:00Z") from None
    if not _SIZE.fullmatch(size):
        raise BadKeyHistory("the size is not a decimal number")
    change = KeyChange(kind, origin, parse_verifier_key(old), parse_verifier_key(new), int(size), at)
    if {change.old.name, change.new.name} != {origin} or change.old == change.new or change.body() != body:
        raise BadKeyHistory("the note is not about two keys of one log")
    return change


def key_periods(pinned: VerifierKey, notes: Sequence[str]) -> tuple[KeyPeriod, ...]:
    """Derives which keys of the log signed what, oldest first: the pinned one, and those it is bound to.

    A key is bound to its successor by a note that both signed, in either direction: who pinned the new key
    verifies receipts of before. Notes may come in any order. Raises BadKeyHistory, also where two
    successions of one key name different successors.
    """
    if len(notes) > MOST_NOTES:
        raise BadKeyHistory(f"more than {MOST_NOTES} notes about the log's keys")
    changes = [
        change for change in map(parse_key_change, dict.fromkeys(notes)) if change.origin == pinned.name
    ]
    after, before = _by_key(changes, SUCCESSION, "old"), _by_key(changes, SUCCESSION, "new")
    retired = _by_key(changes, RETIREMENT, "old")
    first, steps = pinned, 0
    while first in before:
        first, steps = before[first].old, steps + 1
        if steps > len(changes):
            raise BadKeyHistory("the log's keys succeed one another in a circle")
    periods = [KeyPeriod(first)]
    while (change := after.get(periods[-1].key)) is not None:
        start = change.size + 1
        if start <= periods[-1].first or len(periods) > len(changes):
            raise BadKeyHistory("the log's keys do not succeed one another in the order of its entries")
        periods.append(KeyPeriod(change.new, start))
    return tuple(_ended(period, retired.get(period.key), after) for period in periods)


def _by_key(changes: Iterable[KeyChange], kind: str, side: str) -> dict[VerifierKey, KeyChange]:
    found: dict[VerifierKey, KeyChange] = {}
    for change in changes:
        if change.kind == kind and found.setdefault(getattr(change, side), change) != change:
            raise BadKeyHistory(
                "two notes say different things of one key: the log, or a thief, signed both"
            )
    return found


def _ended(
    period: KeyPeriod, retirement: KeyChange | None, after: dict[VerifierKey, KeyChange]
) -> KeyPeriod:
    if retirement is None:
        return period
    succession = after.get(period.key)
    if succession is None or succession.new != retirement.new or retirement.size <= succession.size:
        raise BadKeyHistory("a key of the log was retired before it had a successor")
    return replace(period, last=retirement.size)


def verify_by_periods(note: str, periods: Sequence[KeyPeriod]) -> tuple[Checkpoint, VerifierKey]:
    """Verifies a checkpoint by the key that signs trees of its size; returns both. Raises BadCheckpoint.

    As with one key, lines of unknown keys are ignored, and a line of a known key that does not verify makes
    the whole note invalid. Of several, the newest key is returned.
    """
    signers = signers_of(note, [period.key for period in periods])
    if not signers:
        raise BadCheckpoint("the checkpoint is not signed by the expected key")
    checkpoint = parse_checkpoint_unverified(note)
    for period in reversed(periods):
        if period.key in signers and period.covers(checkpoint.size):
            if checkpoint.origin != period.key.name:
                raise BadCheckpoint(f"the checkpoint is of {checkpoint.origin!r}, not {period.key.name!r}")
            return checkpoint, period.key
    raise BadCheckpoint(f"the key that signed it does not sign trees of {checkpoint.size} entries")
