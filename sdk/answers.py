"""Signs and verifies answers, so that a platform can show later, offline, what it was told.

The signature is a compact JWS (RFC 7515, ES256) over the claim in short (what was asked, when, the verdict,
each match with its operations) and over the digest of the whole answer, so that no field of it can be
changed. The keys are those of the registry's /.well-known/jwks.json; keep them beside the answers.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey

from sdk.canonical import canonical_json
from sdk.encodings import ALGORITHM, BadEncoding, compact_jws, is_signed_by, parse_compact, parse_object
from sdk.errors import VerificationError
from sdk.keys import BadKey, import_public_key
from sdk.models import MatchAnswer

HEADER_TYPE = "trueprint-answer+jws"
WHOLE = "answerSHA256"
MAXIMUM_SIGNATURE_BYTES = 1 << 20


class BadAnswer(VerificationError):
    """The answer is not signed by the registry's keys, or does not say what was signed."""


def answer_core(answer: MatchAnswer, digest: str | None = None) -> dict[str, Any]:
    """Selects what is signed of an answer. `digest`: its `answer_digest`, if that is known."""
    return {
        "answeredAt": answer.answered_at.isoformat(),
        "query": answer.computed.digest_sha256,
        "kinds": list(answer.computed.kinds),
        # Without what says nothing, so that answers from before a field was added still verify.
        "verdict": answer.verdict.model_dump(mode="json", exclude_defaults=True),
        "matches": [
            {
                "record": match.record.id,
                "relation": match.relation.value,
                "strength": match.strength.value,
                "operations": [
                    operation.model_dump(mode="json", include={"type", "degree", "region"})
                    for operation in match.operations
                ],
            }
            for match in answer.matches
        ],
        "index": answer.index.model_dump(mode="json"),
        WHOLE: digest or answer_digest(answer),
    }


def answer_digest(answer: MatchAnswer) -> str:
    """SHA-256 over the answer without its signature, in hexadecimal.

    Over its JSON in canonical form (JCS, RFC 8785), without what stands at its default: answers from before
    such a field was added still verify.
    """
    text = answer.model_dump_json(exclude={"signature"}, exclude_defaults=True)
    return hashlib.sha256(canonical_json(text)).hexdigest()


def sign_answer(answer: MatchAnswer, key: ECKey) -> str:
    """Signs an answer; returns the compact JWS that goes with it."""
    return jws.serialize_compact(_header(key.thumbprint()), _payload(answer), key, algorithms=[ALGORITHM])


def sign_answer_by(
    answer: MatchAnswer, kid: str, sign: Callable[[bytes], bytes], digest: str | None = None
) -> str:
    """The same with a key that is elsewhere: `sign` makes the signature of ES256, 64 bytes.

    `digest`: the answer's `answer_digest`, if that is known.
    """
    return compact_jws(_header(kid), _payload(answer, digest).encode(), sign)


def _header(kid: str) -> dict[str, str]:
    return {"alg": ALGORITHM, "typ": HEADER_TYPE, "kid": kid}


def _payload(answer: MatchAnswer, digest: str | None = None) -> str:
    return json.dumps(answer_core(answer, digest), ensure_ascii=False, separators=(",", ":"))


def verify_answer(answer: MatchAnswer, jwks: dict[str, Any]) -> dict[str, Any]:
    """Return what was signed. Raises BadAnswer.

    1. The answer is signed. 2. By one of the keys in `jwks`. 3. The answer says what was signed, in every
    field; of an answer from before its digest was signed too, what is returned is all that was.
    """
    if answer.signature is None:
        raise BadAnswer("the answer is not signed")
    try:
        signed = parse_compact(answer.signature, MAXIMUM_SIGNATURE_BYTES)
        core = parse_object(signed.payload)
    except BadEncoding as error:
        raise BadAnswer(f"the answer's signature cannot be read: {error}") from None
    if not is_signed_by(signed, named_key(signed.header.get("kid"), jwks)):
        raise BadAnswer("the answer's signature does not verify")
    if signed.header.get("typ") != HEADER_TYPE:
        raise BadAnswer(f"the signature's type is not {HEADER_TYPE}")
    said = answer_core(answer)
    if WHOLE not in core:
        del said[WHOLE]
    if core != said:
        raise BadAnswer("the answer does not say what was signed")
    return core


def named_key(kid: Any, jwks: dict[str, Any]) -> ECKey:
    """The key of a set that a signature names. Raises BadAnswer."""
    keys = jwks.get("keys")
    named = (
        [key for key in keys if isinstance(key, dict) and key.get("kid") == kid]
        if isinstance(keys, list)
        else []
    )
    if not named:
        raise BadAnswer("the answer is signed by a key that is not among the registry's")
    try:
        return import_public_key(named[0])
    except BadKey as error:
        raise BadAnswer(str(error)) from error
