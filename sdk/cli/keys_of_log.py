"""Which key signs a log's checkpoints: the one that was given or remembered, or one that came after."""

from pathlib import Path

from sdk.checkpoint import BadCheckpoint, VerifierKey, parse_verifier_key, verify_checkpoint
from sdk.cli.output import USAGE, fail, notes, shown
from sdk.cli.verify import notes_in
from sdk.client import Client
from sdk.errors import ProblemError
from sdk.log_keys import BadKeyHistory, KeyPeriod, key_periods
from sdk.log_monitor import Followed


class KeyHistory:
    """Where it is said which keys the log had, and has."""

    def __init__(self, place: str, file: Path | None) -> None:
        self.place, self._file = place, file

    def state(self) -> str:
        """The key that the registry names. Raises Unreachable."""
        if "://" not in self.place:
            fail("give the key of the log (--log-key): a mirror does not say whose it is", USAGE)
        with self._client() as client:
            return client.log_state().log_key

    def periods(self, known: VerifierKey) -> tuple[KeyPeriod, ...]:
        """The known key, and those that are bound to it by notes that both signed. Raises Unreachable."""
        if self._file is not None:
            return _periods_in(self._file, known)
        if "://" not in self.place:
            return (KeyPeriod(known),)
        try:
            with self._client() as client:
                return key_periods(known, [committed.note for committed in client.log_keys().notes])
        except (BadKeyHistory, ProblemError):
            return (KeyPeriod(known),)

    def others(self, known: VerifierKey) -> tuple[KeyPeriod, ...]:
        """The keys before and after it, and what they sign. Raises Unreachable."""
        return tuple(period for period in self.periods(known) if period.key != known)

    def retired_at(self, known: VerifierKey) -> int | None:
        """Over how many entries at most it signs, as the file says; None: it says nothing of an end."""
        if self._file is None:
            return None
        return next(period.last for period in _periods_in(self._file, known) if period.key == known)

    def _client(self) -> Client:
        return Client(self.place.removesuffix("/").removesuffix("/log"))


def _periods_in(file: Path, known: VerifierKey) -> tuple[KeyPeriod, ...]:
    try:
        return key_periods(known, notes_in(file))
    except BadKeyHistory as error:
        fail(f"{shown(file)}: {error}", USAGE)
    except OSError as error:
        fail(f"{shown(file)}: {error.strerror}", USAGE)


def trusted_key(
    given: str | None, remembered: tuple[VerifierKey, Followed] | None, keys: KeyHistory, file: Path
) -> VerifierKey:
    """The key that the log's checkpoints must be signed with.

    Another one than is remembered is taken where it signed the last checkpoint that held, too, or a note of
    both binds it to the one that is remembered (docs/operations/rotation.md).
    """
    try:
        pinned = given and parse_verifier_key(given)
    except BadCheckpoint as error:
        fail(f"--log-key: {error}", USAGE)
    if pinned and remembered and not _signed_by(remembered[1].note, pinned):
        known = remembered[0]
        if pinned not in [period.key for period in keys.periods(known)]:
            fail(
                f"--log-key is not {known.text()}, which is remembered in {shown(file)}, and nothing that "
                "that key signed leads to it: for another log of the same name use another --state",
                USAGE,
            )
    key = pinned or (remembered and remembered[0])
    if key:
        return key
    key = parse_verifier_key(keys.state())
    notes.print(f"the log's key is not pinned: {key.text()} is what the registry says, and is remembered")
    return key


def _signed_by(note: str, key: VerifierKey) -> bool:
    try:
        verify_checkpoint(note, key)
    except BadCheckpoint:
        return False
    return True
