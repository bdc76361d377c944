"""Signs with a private key, wherever that is: who uses a signer never sees the key.

Two algorithms: Ed25519 for the log (RFC 8032), ES256 for answers (RFC 7518, section 3.4).
"""

from enum import StrEnum
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

COORDINATE_BYTES = 32


class Algorithm(StrEnum):
    """What a key signs with."""

    ED25519 = "Ed25519"
    ES256 = "ES256"


class Signer(Protocol):
    """A private key that signs. Safe for many threads."""

    @property
    def public_key(self) -> bytes:
        """Ed25519: 32 bytes. ES256: the point, 65 bytes (SEC 1, section 2.3.3)."""
        ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes; of ES256 the two numbers one after the other, as JWS has them. Raises SignerFailed."""
        ...


class NoSuchKey(ValueError):
    """This is no private key of the wanted algorithm."""


class Ed25519Signer:
    """An Ed25519 key in this process."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """See `Signer`."""
        return self._key.sign(message)


class Es256Signer:
    """A key on P-256 in this process."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def sign(self, message: bytes) -> bytes:
        """See `Signer`."""
        numbers = decode_dss_signature(self._key.sign(message, ECDSA(SHA256())))
        return b"".join(number.to_bytes(COORDINATE_BYTES, "big") for number in numbers)


def signer_from(content: bytes, algorithm: Algorithm) -> Signer:
    """Reads a private key without a password, as PEM or DER. Raises NoSuchKey."""
    try:
        pem = content.lstrip().startswith(b"-----BEGIN")
        key = load_pem_private_key(content, None) if pem else load_der_private_key(content, None)
    except (ValueError, TypeError):
        raise NoSuchKey("does not hold a PEM key without a password") from None
    if algorithm is Algorithm.ED25519 and isinstance(key, Ed25519PrivateKey):
        return Ed25519Signer(key)
    if (
        algorithm is Algorithm.ES256
        and isinstance(key, EllipticCurvePrivateKey)
        and isinstance(key.curve, SECP256R1)
    ):
        return Es256Signer(key)
    raise NoSuchKey(f"does not hold a private key for {algorithm.value}")
