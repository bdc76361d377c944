"""A witness's private key, with its name, in one file.

The form is that of Go's `note` package, which other witnesses read too:
`PRIVATE+KEY+name+id+base64(0x01 || seed)`.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sdk.checkpoint import ED25519_TYPE, BadCheckpoint, VerifierKey, verifier_key
from sdk.cosignature import witness_key
from sdk.durable_files import write_secret_once
from sdk.encodings import BadEncoding, decode_base64
from sdk.errors import SdkError

PREFIX = "PRIVATE+KEY+"
_SEED_BYTES = 32


class BadWitnessKey(SdkError):
    """The file does not hold a witness's key, or the name cannot be one."""


@dataclass(frozen=True)
class WitnessSigner:
    """The name and the private key of a witness."""

    name: str
    private_key: Ed25519PrivateKey

    @property
    def key(self) -> VerifierKey:
        """Returns the public half, which logs and verifiers are configured with."""
        return witness_key(self.private_key, self.name)


def new_signer(name: str) -> WitnessSigner:
    """Makes a key. Raises BadWitnessKey where the name cannot be one."""
    signer = WitnessSigner(name, Ed25519PrivateKey.generate())
    try:
        _ = signer.key
    except BadCheckpoint as error:
        raise BadWitnessKey(str(error)) from None
    return signer


def save_signer(signer: WitnessSigner, path: Path) -> None:
    """Writes a key to a new file that its owner alone may read. Raises FileExistsError, OSError."""
    # The id is that of the same key as a log's: so Go's package reads and checks it.
    key_id = verifier_key(signer.private_key, signer.name).key_id.hex()
    seed = ED25519_TYPE + signer.private_key.private_bytes_raw()
    line = f"{PREFIX}{signer.name}+{key_id}+{base64.b64encode(seed).decode()}\n"
    write_secret_once(path, line.encode())


def load_signer(path: Path) -> WitnessSigner:
    """Reads a key. Raises BadWitnessKey."""
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise BadWitnessKey(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadWitnessKey(f"{path} does not hold a witness's key") from None
    parts = text.removeprefix(PREFIX).split("+", 2)
    try:
        name, key_id, encoded = parts
        seed = decode_base64(encoded)
        if not text.startswith(PREFIX) or seed[:1] != ED25519_TYPE or len(seed) != 1 + _SEED_BYTES:
            raise BadEncoding("no Ed25519 key")
        signer = WitnessSigner(name, Ed25519PrivateKey.from_private_bytes(seed[1:]))
        if verifier_key(signer.private_key, name).key_id.hex() != key_id:
            raise BadEncoding("of another id")
    except (ValueError, BadCheckpoint):  # what it holds is a secret, and is not repeated
        raise BadWitnessKey(f"{path} does not hold a witness's key") from None
    return signer
