"""Reads JSON, base64 and compact JWS in one way only: what could be read in two ways is refused.

Parsers differ in what they make of a repeated key, of NaN, of spare bits: whoever signs something could
show two people two things. RFC 8259 (JSON), RFC 4648, section 3.5 (canonical base64), RFC 7515.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ALGORITHM = "ES256"
MAXIMUM_DEPTH = 16  # of objects and lists in one another; a statement has three
MAXIMUM_DIGITS = 19
# One that does not end runs to the end: otherwise each quotation mark in it would be tried as a beginning.
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+\\?(?:"|\Z)', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class BadEncoding(ValueError):
    """The bytes are not what they should be, or could be read in more than one way."""


class NestedTooDeep(BadEncoding):
    """JSON in which more is nested in one another than anything here needs."""


@dataclass(frozen=True)
class Compact:
    """A compact JWS, not verified yet."""

    text: str
    header: dict[str, Any]
    payload: bytes


def parse_json(content: bytes) -> Any:
    """Reads JSON in UTF-8. Raises BadEncoding: another encoding, a byte order mark, half a character, a key
    twice, NaN; NestedTooDeep.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise BadEncoding("not UTF-8") from None
    _require_shallow(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_without_repetition,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except BadEncoding:
        raise
    except (ValueError, RecursionError):
        raise BadEncoding("not JSON") from None
    _require_whole_characters(value)
    return value


def parse_object(content: bytes) -> dict[str, Any]:
    """As `parse_json`, of an object. Raises BadEncoding."""
    value = parse_json(content)
    if not isinstance(value, dict):
        raise BadEncoding("not a JSON object")
    return value


def decode_base64(text: str) -> bytes:
    """Reads base64 as it is written: padded, no spare bits, no spaces. Raises BadEncoding."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadEncoding("not base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise BadEncoding("not canonical base64")
    return decoded


def encode_base64url(content: bytes) -> str:
    """Writes base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """Reads base64url as JOSE writes it: no padding, no spare bits. Raises BadEncoding."""
    if not _BASE64URL.fullmatch(text):
        raise BadEncoding("not base64url")
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise BadEncoding("not base64url") from None
    if encode_base64url(decoded) != text:
        raise BadEncoding("not canonical base64url")
    return decoded


def parse_compact(text: str, maximum_bytes: int) -> Compact:
    """Takes a compact JWS of ES256 apart without verifying it. Raises BadEncoding.

    A header that asks for what is not done here (`crit`, RFC 7797's `b64`) is refused.
    """
    parts = text.split(".")
    if len(parts) != 3 or len(text) > maximum_bytes:
        raise BadEncoding("not a compact JWS")
    header = parse_object(decode_base64url(parts[0]))
    if header.get("alg") != ALGORITHM:
        raise BadEncoding(f"the algorithm is not {ALGORITHM}")
    if {"crit", "b64"} & set(header):
        raise BadEncoding("the header asks for extensions that are not known")
    decode_base64url(parts[2])
    return Compact(text, header, decode_base64url(parts[1]))


def compact_jws(header: dict[str, Any], payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    """Writes a compact JWS; `sign` makes the signature over its first two parts (ES256: 64 bytes)."""
    encoded = json.dumps(header, separators=(",", ":")).encode()
    signed = f"{encode_base64url(encoded)}.{encode_base64url(payload)}"
    return f"{signed}.{encode_base64url(sign(signed.encode()))}"


def is_signed_by(compact: Compact, key: ECKey) -> bool:
    """Whether the signature verifies with this key."""
    try:
        jws.deserialize_compact(compact.text, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        return False
    return True


def _require_shallow(text: str) -> None:
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAXIMUM_DEPTH:
            raise NestedTooDeep(f"more than {MAXIMUM_DEPTH} levels are nested in one another")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadEncoding("a key stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise BadEncoding(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > MAXIMUM_DIGITS:
        raise BadEncoding("a number is too large")
    return int(digits)


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise BadEncoding("a number is too large")
    return number


def _require_whole_characters(value: Any) -> None:
    if isinstance(value, str) and _SURROGATE.search(value):
        raise BadEncoding("half of a character stands alone")
    if isinstance(value, list):
        for one in value:
            _require_whole_characters(one)
    if isinstance(value, dict):
        for name, one in value.items():
            _require_whole_characters(name)
            _require_whole_characters(one)
