"""Writes JSON in canonical form (JCS, RFC 8785), of JSON that was just written by a model.

The `rfc8785` package walks through the value in Python. The standard library's writer, in C, says the same
of nearly all JSON: what it would say otherwise is left to the package.
"""

import json
import re

import rfc8785

# Where the order of keys by code points is not that by UTF-16 units (RFC 8785, 3.2.3).
_ORDERED_OTHERWISE = re.compile("[\ue000-\U0010ffff]")
MOST_INTEGER = 2**53 - 1  # I-JSON, RFC 7493
# repr() writes these as ECMAScript does: shortest digits, and no exponent.
LEAST_PLAIN, MOST_PLAIN = 1e-4, 1e15


class _Unusual(ValueError):
    """A number that the two would write differently."""


def canonical_json(text: str) -> bytes:
    """The canonical form of a JSON text, in UTF-8. Raises ValueError: no JSON, or none that has one."""
    try:
        value = json.loads(text, parse_float=_plain_float, parse_int=_safe_integer, parse_constant=_refuse)
    except _Unusual:
        return rfc8785.dumps(json.loads(text))
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if _ORDERED_OTHERWISE.search(written):
        return rfc8785.dumps(json.loads(text))
    return written.encode()


def _plain_float(digits: str) -> float | int:
    number = float(digits)
    if not LEAST_PLAIN <= abs(number) < MOST_PLAIN and number != 0:
        raise _Unusual
    return int(number) if number.is_integer() else number


def _safe_integer(digits: str) -> int:
    number = int(digits)
    if abs(number) > MOST_INTEGER:
        raise _Unusual
    return number


def _refuse(name: str) -> float:
    raise _Unusual
