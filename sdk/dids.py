"""Decentralised identifiers of publishers, in one spelling: `did:web`, and `did:key` of a key on P-256.

A `did:key` is the key itself, so it is proven by a signature. A `did:web` is a claim as long as nobody
reads the document at its address: this module reads none.
"""

import re
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sdk.keys import import_public_key

WEB, KEY = "did:web:", "did:key:z"
DID = r"^did:(web:[A-Za-z0-9.:%_~-]{3,250}|key:z[1-9A-HJ-NP-Za-km-z]{40,60})$"
P256_MULTICODEC = b"\x80\x24"  # 0x1200 as a varint
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
COMPRESSED_BYTES = 33
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


def canonical_did(did: str) -> str:
    """The one spelling of an identifier. Raises ValueError, in plain words."""
    if not did.isascii():
        raise ValueError("must be written in ASCII, a host of other scripts as xn--...")
    if did.startswith(KEY):
        _require_key(did)
        return did
    if not did.startswith(WEB):
        raise ValueError("must be a did:web or a did:key identifier")
    host, *path = did.removeprefix(WEB).split(":")
    segments = [quote(unquote_to_bytes(segment), safe="") for segment in path]
    if not all(path) or {".", ".."} & set(segments):
        raise ValueError("must not have empty parts")
    return WEB + ":".join((_canonical_host(host), *segments))


def did_key_of(jwk: dict[str, Any]) -> str:
    """The `did:key` of a public key in JWK form. Raises BadKey."""
    point = import_public_key(jwk).get_op_key("verify")
    return KEY + _base58(P256_MULTICODEC + point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


def _canonical_host(written: str) -> str:
    host, colon, port = unquote_to_bytes(written).decode("utf-8", "replace").lower().partition(":")
    labels = host.split(".")
    if (
        (len(labels) < 2 and host != "localhost")
        or not all(_LABEL.fullmatch(label) for label in labels)
        or labels[-1].isdigit()
    ):
        raise ValueError("must name a host, as did:web:example.org; of other scripts as xn--...")
    if not colon or port == "443":
        return host
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("must name a port from 1 to 65535")
    return f"{host}%3A{port}"


def _require_key(did: str) -> None:
    """Refuses what is no point on P-256, or is spelled in another way than its own. Raises ValueError."""
    try:
        content = _from_base58(did.removeprefix(KEY))
        if not content.startswith(P256_MULTICODEC) or len(content) != COMPRESSED_BYTES + 2:
            raise ValueError
        if KEY + _base58(content) != did:
            raise ValueError  # zeros before it
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), content[2:])
    except ValueError:
        raise ValueError("must be a did:key of a key on P-256, as did:key:zDn...") from None


def _base58(content: bytes) -> str:
    number, digits = int.from_bytes(content, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return digits  # what is written here begins with no zero byte


def _from_base58(text: str) -> bytes:
    number = 0
    for character in text:
        number = number * 58 + BASE58.index(character)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
