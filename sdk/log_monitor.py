"""Follows a log: every new entry is hashed, every new checkpoint must continue the one before.

Whoever follows a log remembers the last checkpoint that held and the complete subtrees of its tree, so that
nothing is asked for twice and a log cannot show one history today and another tomorrow. What is wrong is a
`Finding`; two signed checkpoints that contradict one another become evidence (`sdk.forks`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sdk.checkpoint import BadCheckpoint, Checkpoint, VerifierKey, verify_checkpoint
from sdk.compact_range import CompactRange
from sdk.forks import BadEvidence, fork_evidence
from sdk.log_keys import KeyPeriod, verify_by_periods
from sdk.log_reader import BadResource, LogReader, NotServed
from sdk.merkle import EMPTY_ROOT, leaf_hash, roots_of_consistency_proof
from sdk.tiles import TILE_WIDTH, ReadTile, consistency_proof, subtree_hash

OnEntries = Callable[[int, Sequence[bytes]], None]  # index of the first, entries that follow one another


class Fault(StrEnum):
    """What can be wrong with a log, as somebody sees it who follows it."""

    FORKED = "forked"  # two signed checkpoints contradict one another
    BAD_CHECKPOINT = "bad_checkpoint"  # not signed by the log's key, or no checkpoint
    WENT_BACK = "went_back"  # it shows fewer entries than before
    BAD_ENTRIES = "bad_entries"  # the entries that it serves are not those that it committed to
    TOO_FEW_WITNESSES = "too_few_witnesses"  # the newest checkpoint is not cosigned as it should be
    NOT_SERVED = "not_served"  # entries or tiles below its checkpoint are missing, or damaged


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with the log."""

    fault: Fault
    detail: str
    evidence: dict[str, Any] | None = None  # of a fork: verifies offline
    note: str = ""  # the signed checkpoint that was shown: with others it may become evidence later
    nothing_shown: bool = False  # there was no text to judge: the next look may find a checkpoint


@dataclass(frozen=True)
class Followed:
    """How far a log was followed: a checkpoint that held, and the tree below it."""

    note: str = ""
    tree: CompactRange = field(default_factory=CompactRange)


def follow(
    log: LogReader,
    key: VerifierKey,
    before: Followed,
    on_entries: OnEntries | None = None,
    own: LogReader | None = None,
    doubt: Callable[[str], Finding | None] = lambda _: None,
) -> tuple[Followed, tuple[Finding, ...]]:
    """Goes on from `before` to the log's newest checkpoint; where anything is wrong, it stays there.

    `on_entries` is handed the new entries, a bundle at a time, before it is known whether they lead to
    the checkpoint. `own`: a mirror of the log up to `before`, which proves a fork where the log does not
    serve what it did before. `doubt` says why a signed checkpoint is not to be believed, before any entry
    is read: whoever stole the key can sign a tree without end. Raises Unreachable.
    """
    try:
        note = log.checkpoint()
    except (BadResource, NotServed) as error:
        return before, (Finding(Fault.BAD_CHECKPOINT, str(error), nothing_shown=True),)
    try:
        now = verify_checkpoint(note, key)
    except BadCheckpoint as error:
        return before, (Finding(Fault.BAD_CHECKPOINT, str(error)),)
    doubted = doubt(note)
    if doubted:
        return before, (doubted,)
    try:
        if now.size < before.tree.size:
            return before, (_went_back((log, own), key, note, now, before),)
        tree = before.tree.copy()
        for first, entries in new_entries(log, before.tree.size, now.size):
            if on_entries:
                on_entries(first, entries)
            for entry in entries:
                tree.append(leaf_hash(entry))
    except (NotServed, BadResource) as error:
        return before, (Finding(Fault.NOT_SERVED, str(error), note=note),)
    if tree.root() == now.root:
        return Followed(note, tree), ()
    return before, (_diverged(log, key, note, now, before),)


def new_entries(log: LogReader, start: int, size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Reads the entries from index `start` up to a tree of `size`, in bundles.

    Raises NotServed, BadResource, Unreachable.
    """
    for number in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        first = number * TILE_WIDTH
        expected = min(TILE_WIDTH, size - first)
        entries = log.entries(number, size)
        if len(entries) < expected:
            raise BadResource(f"bundle {number} has {len(entries)} entries, not {expected}")
        skipped = max(0, start - first)
        yield first + skipped, entries[skipped:]


def compare(
    log: LogReader, key: VerifierKey, followed: Followed, note: str, others: Sequence[KeyPeriod] = ()
) -> Finding | None:
    """Holds a checkpoint from elsewhere (a receipt, a mirror, a witness) against the log that was followed.

    None: the log had exactly this state. What an earlier or later key of the log signed (`others`) is
    compared, too; a fork of it is no evidence that verifies by one key. Raises BadCheckpoint (it is not
    of this log), Unreachable.
    """
    try:
        other, by_another = verify_checkpoint(note, key), False
    except BadCheckpoint:
        if not others:
            raise
        other, by_another = verify_by_periods(note, others)[0], True
    if other.size > followed.tree.size:
        return Finding(
            Fault.WENT_BACK,
            f"a checkpoint over {other.size} entries was signed, the log shows {followed.tree.size}",
            note=note,
        )
    read_tile = log.tile_reader(followed.tree.size)
    try:
        if by_another:
            return _other_root(read_tile, followed, other, note)
        return _contradiction(read_tile, key, note, followed.note)
    except (NotServed, BadResource) as error:
        return Finding(Fault.NOT_SERVED, str(error), note=note)


def _other_root(read_tile: ReadTile, followed: Followed, other: Checkpoint, note: str) -> Finding | None:
    """Whether the followed tree had another root at that size. Raises BadResource: bad tiles."""
    size, root = followed.tree.size, followed.tree.root()
    had = EMPTY_ROOT if other.size == 0 else root
    if 0 < other.size < size:
        had, newer = roots_of_consistency_proof(
            other.size, size, proof_between(read_tile, other.size, size)
        )
        if newer != root:
            raise BadResource(f"the tiles do not lead to the checkpoint over {size} entries")
    if had == other.root:
        return None
    return Finding(
        Fault.FORKED,
        f"the checkpoint over {other.size} entries, signed by another key of the log, is not of the "
        f"history that the log shows now",
        note=note,
    )


def _went_back(
    logs: Sequence[LogReader | None], key: VerifierKey, note: str, now: Checkpoint, before: Followed
) -> Finding:
    """An older checkpoint than before: one that the log had, or one of another history."""
    forked = None
    for log in filter(None, logs):  # who shows an older state does not serve the tiles of the newer one
        with suppress(NotServed, BadResource, BadCheckpoint):
            forked = forked or _contradiction(log.tile_reader(before.tree.size), key, note, before.note)
    return forked or Finding(
        Fault.WENT_BACK, f"it showed {before.tree.size} entries before, and shows {now.size} now", note=note
    )


def _diverged(log: LogReader, key: VerifierKey, note: str, now: Checkpoint, before: Followed) -> Finding:
    """The entries do not lead from what was followed to the new checkpoint: a fork, or other entries?"""
    try:
        forked = before.note and _contradiction(log.tile_reader(now.size), key, before.note, note)
    except (NotServed, BadResource) as error:
        return Finding(Fault.NOT_SERVED, str(error), note=note)
    except BadCheckpoint:  # the one before was signed by a key before: nobody can prove it by one key
        forked = None
    return forked or Finding(
        Fault.BAD_ENTRIES,
        f"entries {before.tree.size} to {now.size - 1} do not lead to the checkpoint over {now.size}",
        note=note,
    )


def _contradiction(read_tile: ReadTile, key: VerifierKey, older: str, newer: str) -> Finding | None:
    """Evidence that `newer` does not continue `older`; None: it does. Raises BadResource: bad tiles."""
    old, new = verify_checkpoint(older, key), verify_checkpoint(newer, key)
    hashes = proof_between(read_tile, old.size, new.size)
    if 0 < old.size < new.size and roots_of_consistency_proof(old.size, new.size, hashes)[1] != new.root:
        raise BadResource(f"the tiles do not lead to the checkpoint over {new.size} entries")
    try:
        evidence = fork_evidence(key, older, newer, hashes)
    except BadEvidence:
        return None
    return Finding(
        Fault.FORKED,
        f"the checkpoint over {new.size} entries does not continue the one over {old.size}: "
        "the log showed two histories, and signed both",
        evidence,
        newer,
    )


def proof_between(read_tile: ReadTile, old_size: int, new_size: int) -> list[bytes]:
    """The hashes of a consistency proof, with the subtree that both trees are built from (`sdk.forks`)."""
    if old_size in (0, new_size):
        return []
    proof = consistency_proof(read_tile, old_size, new_size)
    return [subtree_hash(read_tile, 0, old_size), *proof] if old_size.bit_count() == 1 else proof
