"""Decides about one `add-checkpoint`, in the order that c2sp.org/tlog-witness states.

1. The body is a request, the note a checkpoint (else 400). 2. The log is one of those that are watched
(404). 3. Its key signed the note (403). 4. The old size is not above the new one (400), and is that of the
checkpoint that was cosigned last (409, with that size). 5. The new tree extends the old one (422). 6. The
cosigned note is stored durably, and only then answered. Steps 4 to 6 are one turn for each log: of two
requests from one size the second finds the first one's.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sdk.add_checkpoint import SIZE_MEDIA_TYPE, AddCheckpoint, BadRequestBody, parse_add_checkpoint
from sdk.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    parse_checkpoint_unverified,
    parse_signature,
    split_note,
    verify_checkpoint,
)
from sdk.cosignature import CLOCKS_DIFFER_S, cosign, verify_cosignatures
from sdk.forks import BadEvidence, fork_evidence
from sdk.merkle import EMPTY_ROOT, BadProof, verify_consistency
from sdk.witness.keys import WitnessSigner
from sdk.witness.logs import WatchedLog
from sdk.witness.state import BadState, State, name_of

PLAIN = "text/plain; charset=utf-8"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a log is answered."""

    status: int
    body: str
    media_type: str = PLAIN


class ClockWentBack(Exception):
    """This machine's clock is behind the time of an earlier cosignature."""


class Witness:
    """Cosigns for some logs with one key; many threads may ask at a time."""

    def __init__(
        self,
        signer: WitnessSigner,
        logs: Mapping[str, WatchedLog],
        state: State,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.key = signer.key
        self.origins = {name_of(origin): origin for origin in logs}
        self._signer, self._logs, self._state, self._clock = signer, logs, state, clock
        self._turns = {origin: threading.Lock() for origin in logs}

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosigns a checkpoint, or says by status why not. Raises nothing of what it is sent."""
        try:
            request = parse_add_checkpoint(body)
            claimed = parse_checkpoint_unverified(request.note)
        except (BadRequestBody, BadCheckpoint) as error:
            return Answer(400, f"{error}\n")
        log = self._logs.get(claimed.origin)
        if log is None:
            return Answer(404, "this log is not known here\n")
        try:
            checkpoint = verify_checkpoint(request.note, log.key, log.origin)
        except BadCheckpoint as error:
            return Answer(403, f"{error}\n")
        if request.old_size > checkpoint.size:
            return Answer(400, "the old size is above the checkpoint's\n")
        with self._turns[log.origin]:
            try:
                return self._extend(log, checkpoint, request)
            except (BadState, ClockWentBack, OSError) as error:
                logger.error("%s is not cosigned: %s", log.origin, error)
                return Answer(500, "this witness cannot cosign now: its operator is told why\n")

    def close(self) -> None:
        """Lets another process go on with what this one remembers."""
        self._state.close()

    def newest(self, named: str) -> str | None:
        """Returns the note that was cosigned last of the log of that name (SHA-256 of its origin)."""
        origin = self.origins.get(named)
        return None if origin is None else self._state.read(origin)

    def _extend(self, log: WatchedLog, new: Checkpoint, request: AddCheckpoint) -> Answer:
        last = self._state.read(log.origin)
        old, cosigned_at = self._verified(log, last)
        if request.old_size != old.size:
            return Answer(409, f"{old.size}\n", SIZE_MEDIA_TYPE)
        try:
            verify_consistency(old.size, new.size, request.proof, old.root, new.root)
        except BadProof as error:
            logger.error("%s is not cosigned at size %d: %s", log.origin, new.size, error)
            if last is not None and old.size == new.size and old.root != new.root:
                self._keep_evidence(log, last, request.note)
            return Answer(422, f"{error}\n")
        line = cosign(request.note, self._signer.private_key, self._signer.name, self._now(cosigned_at))
        self._state.write(log.origin, _signed_by(log, request.note) + line + "\n")
        logger.info("%s is cosigned at size %d", log.origin, new.size)
        return Answer(200, line + "\n")

    def _keep_evidence(self, log: WatchedLog, ours: str, theirs: str) -> None:
        """Of two roots of one size, both signed by the log: that proves that it forked.

        Of unequal sizes nothing is proved: anybody may send a checkpoint with a wrong proof.
        """
        try:
            evidence = fork_evidence(log.key, ours, theirs, [])
        except BadEvidence:  # the log is named otherwise than its key
            logger.error("two trees of one size, both signed by the log:\n%s\n%s", ours, theirs)
            return
        kept = self._state.keep_evidence(log.origin, evidence)
        logger.error("two trees of one size, both signed by the log: %s", kept)

    def _verified(self, log: WatchedLog, note: str | None) -> tuple[Checkpoint, int]:
        """What was cosigned last, by our own signature, and when. Raises BadState."""
        if note is None:
            return Checkpoint(log.origin, 0, EMPTY_ROOT), 0
        try:
            own = verify_cosignatures(note, [self.key])
            checkpoint = parse_checkpoint_unverified(note)
        except BadCheckpoint as error:
            raise BadState(f"what was cosigned of it is damaged: {error}") from None
        if not own or checkpoint.origin != log.origin:
            raise BadState("what was cosigned of it is not signed by this witness")
        return checkpoint, own[0].at

    def _now(self, cosigned_at: int) -> int:
        """The time of a cosignature, never below an earlier one. Raises ClockWentBack."""
        now = int(self._clock())
        if now < cosigned_at - CLOCKS_DIFFER_S:
            raise ClockWentBack(f"the clock is {cosigned_at - now} s behind what was cosigned before")
        return max(now, cosigned_at)


def _signed_by(log: WatchedLog, note: str) -> str:
    """The note with the log's own line alone: what others wrote under it was not verified."""
    body, lines = split_note(note)
    own = next(line for line in lines if _is_line_of(log, line))
    return f"{body}\n{own}\n"


def _is_line_of(log: WatchedLog, line: str) -> bool:
    name, raw = parse_signature(line)
    return (name, raw[:4]) == (log.key.name, log.key.key_id)
