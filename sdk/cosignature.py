"""Cosigns checkpoints as a witness does, verifies cosignatures, and counts them against a quorum.

A cosignature says: at that time this was the largest tree of the log that the witness had seen, and it
extends every one that it had seen before. Format: c2sp.org/tlog-cosignature@v1.0.1, type 0x04 (Ed25519).
"""

import base64
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sdk.checkpoint import (
    BadCheckpoint,
    VerifierKey,
    parse_signature,
    parse_verifier_key,
    split_note,
    verifier_key,
)
from sdk.errors import VerificationError

COSIGNATURE_TYPE = b"\x04"
CLOCKS_DIFFER_S = 300  # a cosignature from further ahead than this is not believed
_LATEST = 2**63 - 1
_SIGNATURE_BYTES = 4 + 8 + 64  # key id, time, Ed25519


class TooFewWitnesses(VerificationError):
    """Fewer of the witnesses that are trusted cosigned the checkpoint than are wanted."""


@dataclass(frozen=True)
class Cosignature:
    """One witness's line under a checkpoint, verified."""

    key: VerifierKey
    at: int  # POSIX seconds, by the clock of the witness
    line: str  # as it stands in the note, without its line feed

    def in_words(self) -> str:
        """Returns who cosigned, and when."""
        return f"{self.key.name} at {datetime.fromtimestamp(self.at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def parse_witness_key(text: str) -> VerifierKey:
    """Reads the vkey of a witness. Raises BadCheckpoint."""
    return parse_verifier_key(text, COSIGNATURE_TYPE)


def witness_key(private_key: Ed25519PrivateKey, name: str) -> VerifierKey:
    """Returns the public half of a witness's key. Raises BadCheckpoint where the name cannot be one."""
    return VerifierKey(name, verifier_key(private_key, name).public_key, COSIGNATURE_TYPE)


def cosign(note: str, private_key: Ed25519PrivateKey, name: str, at: int) -> str:
    """Makes the signature line of a witness for a note, without a line feed; `at` in POSIX seconds.

    Checks nothing: whoever cosigns has verified the note and its consistency before.
    """
    body, _ = split_note(note)
    key, seconds = witness_key(private_key, name), at.to_bytes(8, "big")
    signature = key.key_id + seconds + private_key.sign(_message(body, at))
    return f"\u2014 {name} {base64.b64encode(signature).decode()}"


def verify_cosignatures(note: str, keys: Iterable[VerifierKey]) -> tuple[Cosignature, ...]:
    """Verifies what these witnesses signed of a note, the newest line of each. Raises BadCheckpoint.

    Lines of other keys are ignored. A line of one of these keys that does not verify makes the whole note
    invalid. It is not looked at who signed beside them: the log's own line is `verify_checkpoint`'s matter.
    """
    body, lines = split_note(note)
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[VerifierKey, Cosignature] = {}
    for line in lines:
        name, raw = parse_signature(line)
        key = known.get((name, raw[:4]))
        if key is None:
            continue
        cosignature = Cosignature(key, _verified_time(body, raw, key), line)
        if key not in found or found[key].at < cosignature.at:
            found[key] = cosignature
    return tuple(found.values())


def require_witnesses(
    note: str,
    keys: Sequence[VerifierKey],
    quorum: int,
    *,
    max_age_s: float | None = None,
    now: float | None = None,
) -> tuple[Cosignature, ...]:
    """Returns the cosignatures that count, at least `quorum` of them.

    Those older than `max_age_s` do not count, nor those from the future; `now` in POSIX seconds. Raises
    TooFewWitnesses, BadCheckpoint.
    """
    if not 1 <= quorum <= len({key.public_key for key in keys}):
        raise TooFewWitnesses(f"a quorum of {quorum} cannot be had of {len(keys)} witnesses")
    now = time.time() if now is None else now
    signed = verify_cosignatures(note, keys)
    counted = tuple(
        cosignature
        for cosignature in signed
        if cosignature.at <= now + CLOCKS_DIFFER_S
        and (max_age_s is None or now - cosignature.at <= max_age_s)
    )
    # One key under two names is one witness.
    if len({cosignature.key.public_key for cosignature in counted}) >= quorum:
        return counted
    refused = len(signed) - len(counted)
    outdated = f"; {refused} are too old or ahead of this clock" if refused else ""
    raise TooFewWitnesses(
        f"cosigned by {len(counted)} of {len(keys)} witnesses, {quorum} are wanted{outdated}"
    )


def _verified_time(body: str, raw: bytes, key: VerifierKey) -> int:
    at = int.from_bytes(raw[4:12], "big")
    if len(raw) != _SIGNATURE_BYTES or at > _LATEST:
        raise BadCheckpoint(f"the cosignature of {key.name} is malformed")
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(raw[12:], _message(body, at))
    except InvalidSignature:
        raise BadCheckpoint(f"the cosignature of {key.name} does not verify") from None
    return at


def _message(body: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{body}".encode()
