"""Decisions of the gate: what is signed of one, and the chain that all of a platform's decisions are in.

A decision is signed as an answer is (`sdk.answers`), over the digest of all that it says but the match
answer, of which it carries the digest. Each entry of the chain commits to a decision by a salted digest:
when its time is over, body and salt are deleted, and nothing of the chain breaks.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

from sdk.answers import BadAnswer, answer_digest, named_key
from sdk.canonical import canonical_json
from sdk.encodings import ALGORITHM, BadEncoding, compact_jws, is_signed_by, parse_compact, parse_object
from sdk.errors import VerificationError
from sdk.models import Decision

HEADER_TYPE = "trueprint-decision+jws"
MAXIMUM_SIGNATURE_BYTES = 1 << 16
FIRST_PREVIOUS = "0" * 64


class BadDecision(VerificationError):
    """The decision is not signed by the registry's keys, or does not say what was signed."""


class BadDecisionChain(VerificationError):
    """Entries do not follow one another, or a decision is not what its entry commits to."""


@dataclass(frozen=True)
class ChainEntry:
    """One link: what its digest covers, and the digest."""

    platform: str
    number: int
    decision: str | None
    state: str
    at: datetime
    api_key: str | None
    commitment: bytes
    previous: bytes


def decision_digest(decision: Decision) -> str:
    """SHA-256 over a decision without signature and match answer, in hexadecimal (JCS, RFC 8785)."""
    text = decision.model_dump_json(exclude={"signature", "match"}, exclude_defaults=True)
    return hashlib.sha256(canonical_json(text)).hexdigest()


def sign_decision_by(decision: Decision, kid: str, sign: Callable[[bytes], bytes]) -> str:
    """Signs a decision; `sign` makes the signature of ES256, 64 bytes. Returns a compact JWS."""
    header = {"alg": ALGORITHM, "typ": HEADER_TYPE, "kid": kid}
    return compact_jws(header, rfc8785.dumps(_core(decision)), sign)


def _core(decision: Decision) -> dict[str, Any]:
    return {
        "decision": decision.id,
        "platform": decision.platform,
        "at": decision.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "outcome": decision.outcome.value,
        "number": decision.number,
        "decisionSHA256": decision_digest(decision),
    }


def verify_decision(decision: Decision, jwks: dict[str, Any]) -> None:
    """Raises BadDecision.

    1. The decision is signed. 2. By one of the keys in `jwks`. 3. It says what was signed, in every field.
    4. The match answer, where it is there, is the one that it was made of.
    """
    if decision.signature is None:
        raise BadDecision("the decision is not signed")
    try:
        signed = parse_compact(decision.signature, MAXIMUM_SIGNATURE_BYTES)
        core = parse_object(signed.payload)
        key = named_key(signed.header.get("kid"), jwks)
    except (BadEncoding, BadAnswer) as error:
        raise BadDecision(f"the decision's signature cannot be checked: {error}") from None
    if not is_signed_by(signed, key):
        raise BadDecision("the decision's signature does not verify")
    if signed.header.get("typ") != HEADER_TYPE:
        raise BadDecision(f"the signature's type is not {HEADER_TYPE}")
    if core != _core(decision):
        raise BadDecision("the decision does not say what was signed")
    if decision.match is not None and answer_digest(decision.match) != decision.match_sha256:
        raise BadDecision("the match answer is not the one that the decision was made of")


def commitment_to(body: str, salt: bytes) -> bytes:
    """What an entry holds of the body that may be deleted."""
    return hashlib.sha256(salt + body.encode()).digest()


def entry_digest(entry: ChainEntry) -> bytes:
    """The digest that the next entry names as its previous one (SHA-256 over JCS)."""
    covered: dict[str, Any] = {
        "v": 1,
        "platform": entry.platform,
        "number": entry.number,
        "decision": entry.decision,
        "state": entry.state,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "apiKey": entry.api_key,
        "commitment": entry.commitment.hex(),
        "previous": entry.previous.hex(),
    }
    return hashlib.sha256(rfc8785.dumps(covered)).digest()


def verify_order(decisions: Sequence[Decision]) -> None:
    """Raises BadDecisionChain where two decisions of one platform claim one place of its chain.

    What a platform keeps of its own answers is checked with this: whoever rewrote the chain would have to
    give a number again.
    """
    seen: dict[int, str] = {}
    for decision in decisions:
        said = decision_digest(decision)
        if seen.setdefault(decision.number, said) != said:
            raise BadDecisionChain(f"two decisions have the number {decision.number}")
