"""How the key that signs answers is succeeded by another: a statement that the old key signs.

A compact JWS (RFC 7515, ES256) of the type `trueprint-answer-key+jws`, `kid` the old key's thumbprint, over
    {"origin": <the log's>, "successor": <public JWK>, "signsFrom": <time>, "statedAt": <time>}
Platforms need none of this to verify answers: `/.well-known/jwks.json` has every key there ever was, the
next one some time before it signs. The statements are for those who keep a key and want to know that
another one is the same registry's.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sdk.encodings import ALGORITHM, BadEncoding, compact_jws, is_signed_by, parse_compact, parse_object
from sdk.errors import VerificationError
from sdk.keys import BadKey, import_public_key, is_canonical, public_jwk

HEADER_TYPE = "trueprint-answer-key+jws"
ENTRY_TYPE = "answer_key"  # of the log's entry that commits to such a statement
MAXIMUM_BYTES = 16 << 10
MEMBERS = {"origin", "successor", "signsFrom", "statedAt"}


class BadSuccession(VerificationError):
    """A statement about the next answer key cannot be read, or is not signed by the key before it."""


@dataclass(frozen=True)
class AnswerKeySuccession:
    """What a statement says."""

    origin: str
    kid: str  # of the key that signed it
    successor: dict[str, str]  # public JWK with its `kid`
    signs_from: datetime
    stated_at: datetime

    def signed(self, sign: Callable[[bytes], bytes]) -> str:
        """Returns the statement, signed by the old key."""
        header = {"alg": ALGORITHM, "typ": HEADER_TYPE, "kid": self.kid}
        payload = {
            "origin": self.origin,
            "successor": self.successor,
            "signsFrom": self.signs_from.isoformat(),
            "statedAt": self.stated_at.isoformat(),
        }
        return compact_jws(header, json.dumps(payload, separators=(",", ":")).encode(), sign)


def verify_succession(statement: str, old: dict[str, Any]) -> AnswerKeySuccession:
    """Reads a statement that the key `old` (a public JWK) signed. Raises BadSuccession."""
    try:
        compact = parse_compact(statement, MAXIMUM_BYTES)
        key = import_public_key(old)
        said = parse_object(compact.payload)
        successor = said.get("successor")
        if set(said) != MEMBERS or not isinstance(successor, dict) or not is_canonical(successor):
            raise BadSuccession("the statement names no key")
        new = public_jwk(import_public_key(successor))
    except (BadEncoding, BadKey) as error:
        raise BadSuccession(f"the statement cannot be read: {error}") from error
    if compact.header.get("typ") != HEADER_TYPE or compact.header.get("kid") != key.thumbprint():
        raise BadSuccession("this is no statement about the next answer key by that key")
    if not is_signed_by(compact, key):
        raise BadSuccession("the statement's signature does not verify")
    if not isinstance(said["origin"], str):
        raise BadSuccession("the statement names no log")
    signs_from, stated_at = _time(said["signsFrom"]), _time(said["statedAt"])
    return AnswerKeySuccession(said["origin"], key.thumbprint(), new, signs_from, stated_at)


def trusted_keys(pinned: dict[str, Any], statements: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """The pinned key and all that statements lead to from it, as `verify_answer` takes them.

    Raises BadSuccession, also where one key names two successors.
    """
    by_kid: dict[str, list[str]] = {}
    for statement in statements:
        by_kid.setdefault(_kid_of(statement), []).append(statement)
    keys = [public_jwk(import_public_key(pinned))]
    while following := by_kid.pop(keys[-1]["kid"], None):
        successors = [verify_succession(statement, keys[-1]).successor for statement in following]
        if any(successor != successors[0] for successor in successors):
            raise BadSuccession("one key names two successors: the registry, or a thief, signed both")
        keys.append(successors[0])
    return {"keys": keys}


def _kid_of(statement: str) -> str:
    try:
        return str(parse_compact(statement, MAXIMUM_BYTES).header.get("kid"))
    except BadEncoding as error:
        raise BadSuccession(f"the statement cannot be read: {error}") from error


def _time(text: Any) -> datetime:
    """A time as this module writes it, with its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise BadSuccession("a time of the statement cannot be read") from None
    if moment.tzinfo is None or moment.isoformat() != text:
        raise BadSuccession("a time of the statement is not written as it should be")
    return moment
