"""Signs and verifies C2SP checkpoints, signed notes that say with Ed25519 what a log commits to.

Formats: c2sp.org/signed-note@v1.0.0, c2sp.org/tlog-checkpoint@v1.0.0. Parsing is strict on purpose:
no `splitlines` (it splits on more than line feeds), no bare `int` (it takes `+0` and `1_0`), base64
only in its canonical form.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sdk.encodings import BadEncoding, decode_base64
from sdk.errors import VerificationError
from sdk.merkle import HASH_SIZE

ED25519_TYPE = b"\x01"
MAXIMUM_NOTE_BYTES = 64 * 1024
MAXIMUM_SIZE = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class BadCheckpoint(VerificationError):
    """The note is no checkpoint, or is not signed by the key that was expected."""


@dataclass(frozen=True)
class Checkpoint:
    """The tree that a log commits to."""

    origin: str
    size: int
    root: bytes  # 32 bytes

    def body(self) -> str:
        """Returns the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class VerifierKey:
    """The public key and name of a log or of a witness, written as `name+hash+key`."""

    name: str
    public_key: bytes  # 32 bytes, Ed25519
    signature_type: bytes = ED25519_TYPE  # one byte: what the key signs; 0x04 is a witness's

    @property
    def key_id(self) -> bytes:
        """Returns the first four bytes of the hash that names the key in a signature line."""
        named = self.name.encode() + b"\n" + self.signature_type
        return hashlib.sha256(named + self.public_key).digest()[:4]

    def text(self) -> str:
        """Returns the vkey, as clients are configured with it."""
        encoded = base64.b64encode(self.signature_type + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def parse_verifier_key(text: str, signature_type: bytes = ED25519_TYPE) -> VerifierKey:
    """Reads a vkey of that type, a log's if nothing else is said. Raises BadCheckpoint."""
    name, plus, rest = text.partition("+")
    key_id, second_plus, encoded = rest.partition("+")
    decoded = _decode_base64(encoded, "the verifier key")
    if not plus or not second_plus or len(decoded) != 33 or decoded[:1] != signature_type:
        raise BadCheckpoint(f"not an Ed25519 verifier key of type {signature_type[0]}")
    key = VerifierKey(_checked_name(name), decoded[1:], signature_type)
    if key.key_id.hex() != key_id:
        raise BadCheckpoint("the verifier key does not have the id it states")
    return key


def verifier_key(private_key: Ed25519PrivateKey, name: str) -> VerifierKey:
    """Returns the public half of a log key."""
    raw = private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return VerifierKey(_checked_name(name), raw)


def sign_checkpoint(checkpoint: Checkpoint, private_key: Ed25519PrivateKey) -> str:
    """Signs a checkpoint; returns a note with one signature line."""
    body = checkpoint.body()
    line = signature_line(verifier_key(private_key, checkpoint.origin), private_key.sign(body.encode()))
    return f"{body}\n{line}"


def signature_line(key: VerifierKey, signature: bytes) -> str:
    """Writes a line of a note: who signed, and the signature."""
    return f"\u2014 {key.name} {base64.b64encode(key.key_id + signature).decode()}\n"


def signers_of(note: str, keys: Iterable[VerifierKey]) -> set[VerifierKey]:
    """Returns which of the keys signed a note. Raises BadCheckpoint.

    Signature lines of unknown keys are ignored. A line of one of these that does not verify makes the whole
    note invalid.
    """
    body, lines = split_note(note)
    signatures = [parse_signature(line) for line in lines]
    signers = set()
    for key in keys:
        for name, raw in signatures:
            if name != key.name or raw[:4] != key.key_id:
                continue
            try:
                Ed25519PublicKey.from_public_bytes(key.public_key).verify(raw[4:], body.encode())
            except InvalidSignature:
                raise BadCheckpoint("a signature of the note does not verify") from None
            signers.add(key)
    return signers


def verify_checkpoint(note: str, key: VerifierKey, origin: str | None = None) -> Checkpoint:
    """Verifies a note and returns what it commits to. Raises BadCheckpoint.

    The log is named as its key is, unless an `origin` is given.
    """
    if not signers_of(note, [key]):
        raise BadCheckpoint("the checkpoint is not signed by the expected key")
    body, _ = split_note(note)
    checkpoint = _parse_body(body)
    expected = key.name if origin is None else origin
    if checkpoint.origin != expected:
        raise BadCheckpoint(f"the checkpoint is of {checkpoint.origin!r}, not {expected!r}")
    return checkpoint


def parse_checkpoint_unverified(note: str) -> Checkpoint:
    """Reads what a note says without looking at its signature. Raises BadCheckpoint."""
    return _parse_body(split_note(note)[0])


def split_note(note: str) -> tuple[str, list[str]]:
    """Splits a note into the text that is signed and its signature lines. Raises BadCheckpoint."""
    if len(_encoded(note)) > MAXIMUM_NOTE_BYTES:
        raise BadCheckpoint("a note of more than 64 KiB")
    if any(ord(character) < 0x20 and character != "\n" for character in note):
        raise BadCheckpoint("a note with control characters")
    at = note.rfind("\n\n")  # the text ends at the last empty line
    if at < 0 or not note.endswith("\n"):
        raise BadCheckpoint("a note without signatures")
    body, lines = note[: at + 1], note[at + 2 : -1].split("\n")
    if lines == [""]:
        raise BadCheckpoint("a note without signatures")
    return body, lines


def parse_signature(line: str) -> tuple[str, bytes]:
    """Reads a signature line: the key's name, then key id (4 bytes) and signature. Raises BadCheckpoint."""
    if not line.startswith("\u2014 "):
        raise BadCheckpoint("a signature line must begin with an em dash and a space")
    name, space, encoded = line[2:].partition(" ")
    raw = _decode_base64(encoded, "a signature")
    if not space or len(raw) < 5:
        raise BadCheckpoint("a signature line has three parts")
    return _checked_name(name), raw


def _parse_body(body: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) < 4 or lines[-1] != "" or "" in lines[:-1]:
        raise BadCheckpoint("a checkpoint has an origin, a size and a root hash")
    origin, size, root = lines[:3]
    if not _DECIMAL.fullmatch(size) or int(size) > MAXIMUM_SIZE:
        raise BadCheckpoint("the tree size is not a decimal number")
    decoded = _decode_base64(root, "the root hash")
    if len(decoded) != HASH_SIZE:
        raise BadCheckpoint("the root hash does not have 32 bytes")
    return Checkpoint(origin, int(size), decoded)


def _checked_name(name: str) -> str:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise BadCheckpoint("a key name has no spaces and no plus signs")
    _encoded(name)
    return name


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadCheckpoint("half of a character stands alone") from None


def _decode_base64(text: str, what: str) -> bytes:
    try:
        return decode_base64(text)
    except BadEncoding as error:
        raise BadCheckpoint(f"{what} is {error}") from None
