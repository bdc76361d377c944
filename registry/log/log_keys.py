"""The keys of the log, old and new: which sign now, which signed what, and how one succeeds another.

The database holds public keys and the notes that bind them (`sdk.log_keys`); the private halves are found
in a ring. Every writer looks, under the writer lock, whether the keys are still those that it knows: a
rotation by another process counts from the next entry on, without a restart.
"""

import threading
from collections.abc import Sequence

from sqlmodel import Session, col, select

from registry.errors import LogRolledBack, MissingKey
from registry.log.key_ring import KeyRing
from registry.log.signers import Signer
from registry.storage.models import LogHead, LogKeyChange
from sdk.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    VerifierKey,
    parse_checkpoint_unverified,
    signature_line,
    signers_of,
)
from sdk.log_keys import BadKeyHistory, KeyPeriod, key_periods, verify_by_periods


class LogKeys:
    """Which keys the log has. `ring`: None where nothing is signed, such as in a rehearsal."""

    def __init__(self, origin: str, ring: KeyRing | None) -> None:
        self.origin, self.ring = origin, ring
        self._learning = threading.Lock()  # of the two below
        self._seen: tuple[tuple[bytes | None, str | None], ...] = ()  # what the periods were derived from
        self._periods: tuple[KeyPeriod, ...] = ()
        self._signers: dict[bytes, Signer] = {}

    @property
    def periods(self) -> tuple[KeyPeriod, ...]:
        """Every key with the trees that it signs, oldest first, as of the last `refresh`."""
        return self._periods

    @property
    def notes(self) -> list[str]:
        """The notes that bind the keys to one another, as of the last `refresh`."""
        return [note for _, note in self._seen if note is not None]

    @property
    def current(self) -> VerifierKey:
        """The newest key, which those who pin one should pin."""
        return self._periods[-1].key

    def refresh(self, session: Session) -> None:
        """Learns what changed. Raises LogRolledBack: the history in the database is damaged."""
        seen = tuple((change.public_key, change.note) for change in changes_of(session))
        with self._learning:
            # A session whose snapshot is older than what another thread has seen knows nothing newer.
            if seen != self._seen[: len(seen)]:
                self._learn(seen)

    def _learn(self, seen: tuple[tuple[bytes | None, str | None], ...]) -> None:
        try:
            first = seen[0][0]
            if first is None:
                raise BadKeyHistory("the first key is missing")
            periods = key_periods(
                VerifierKey(self.origin, first), [note for _, note in seen if note is not None]
            )
        except BadKeyHistory as error:
            raise LogRolledBack(f"the history of the log's keys is damaged: {error}") from error
        self._periods, self._seen = periods, seen

    def begin(self, session: Session, public_key: bytes) -> None:
        """Makes this the first key of the log, once in its life."""
        session.add(LogKeyChange(number=0, public_key=public_key))
        session.flush()
        self.refresh(session)

    def adopt(self, session: Session) -> None:
        """Takes the key that signed the head for the first one, in a log from before keys had a history.

        Raises MissingKey, LogRolledBack.
        """
        self.refresh(session)
        if self._periods:
            return
        ring = self._required_ring()
        signers = ring.signers()
        if not signers:
            raise MissingKey(ring.missing())
        note = session.exec(select(LogHead)).one().checkpoint
        for signer in signers:
            if self._signed(note, signer):
                self.begin(session, signer.public_key)
                return
        raise LogRolledBack("the log in the database is not signed by this key, nor by another one here")

    def _signed(self, note: str, signer: Signer) -> bool:
        try:
            return bool(signers_of(note, [VerifierKey(self.origin, signer.public_key)]))
        except BadCheckpoint:
            return False

    def active(self, size: int) -> list[VerifierKey]:
        """The keys that sign a tree of this size, the oldest first."""
        return [period.key for period in self._periods if period.covers(size)]

    def sign(self, checkpoint: Checkpoint) -> str:
        """Signs with every key that signs trees of this size. Raises MissingKey, SignerUnavailable."""
        body = checkpoint.body()
        keys = self.active(checkpoint.size)
        lines = (signature_line(key, self.signer(key).sign(body.encode())) for key in keys)
        return f"{body}\n" + "".join(lines)

    def signer(self, key: VerifierKey) -> Signer:
        """The private half of a key. Raises MissingKey."""
        if key.public_key not in self._signers:
            self._signers[key.public_key] = self._required_ring().signer(key.public_key)
        return self._signers[key.public_key]

    def require_signers(self, size: int) -> None:
        """Raises MissingKey unless every key that would sign the next tree is here."""
        for key in self.active(size + 1):
            self.signer(key)

    def verify(self, note: str) -> Checkpoint:
        """Verifies a checkpoint of any time. Raises BadCheckpoint."""
        return verify_by_periods(note, self._periods)[0]

    def require_all_signed(self, note: str) -> Checkpoint:
        """Verifies a checkpoint by every key that signs trees of its size. Raises BadCheckpoint."""
        checkpoint = parse_checkpoint_unverified(note)
        signers = signers_of(note, [period.key for period in self._periods])
        active = self.active(checkpoint.size)
        if not signers.intersection(active) or checkpoint.origin != self.origin:
            raise BadCheckpoint("the checkpoint is not signed by the expected key")
        if not signers.issuperset(active):
            raise BadCheckpoint("the checkpoint is not signed by all keys that sign trees of its size")
        return checkpoint

    def _required_ring(self) -> KeyRing:
        if self.ring is None:
            raise MissingKey("there is no private key of the log here")
        return self.ring


def changes_of(session: Session) -> Sequence[LogKeyChange]:
    """All changes of the log's keys, oldest first."""
    return session.exec(select(LogKeyChange).order_by(col(LogKeyChange.number))).all()
