"""Signs and verifies answers, so that a platform can show later, offline, what it was told.

The signature is a compact JWS (RFC 7515, ES256) over the claim itself: what was asked, when, the verdict,
and each match with its operations; no numbers, receipts or pictures. The keys are those of the registry's
/.well-known/jwks.json; keep them beside the answers.
"""

import json
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from sdk.errors import VerificationError
from sdk.keys import BadKey, import_public_key
from sdk.models import MatchAnswer

ALGORITHM = "ES256"
HEADER_TYPE = "trueprint-answer+jws"


class BadAnswer(VerificationError):
    """The answer is not signed by the registry's keys, or does not say what was signed."""


def answer_core(answer: MatchAnswer) -> dict[str, Any]:
    """Selects what is signed of an answer."""
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
    }


def sign_answer(answer: MatchAnswer, key: ECKey) -> str:
    """Signs an answer; returns the compact JWS that goes with it."""
    header = {"alg": ALGORITHM, "typ": HEADER_TYPE, "kid": key.thumbprint()}
    payload = json.dumps(answer_core(answer), ensure_ascii=False, separators=(",", ":"))
    return jws.serialize_compact(header, payload, key, algorithms=[ALGORITHM])


def verify_answer(answer: MatchAnswer, jwks: dict[str, Any]) -> dict[str, Any]:
    """Return what was signed. Raises BadAnswer.

    1. The answer is signed. 2. By one of the keys in `jwks`. 3. The answer says what was signed.
    """
    if answer.signature is None:
        raise BadAnswer("the answer is not signed")
    try:
        kid = jws.extract_compact(answer.signature.encode()).headers().get("kid")
        signed = jws.deserialize_compact(answer.signature, _key_named(kid, jwks), algorithms=[ALGORITHM])
        core: dict[str, Any] = json.loads(signed.payload or b"")
    except (JoseError, ValueError) as error:
        raise BadAnswer("the answer's signature does not verify") from error
    if signed.headers().get("typ") != HEADER_TYPE:
        raise BadAnswer(f"the signature's type is not {HEADER_TYPE}")
    if core != answer_core(answer):
        raise BadAnswer("the answer does not say what was signed")
    return core


def _key_named(kid: Any, jwks: dict[str, Any]) -> ECKey:
    named = [key for key in jwks.get("keys", ()) if key.get("kid") == kid]
    if not named:
        raise BadAnswer("the answer is signed by a key that is not among the registry's")
    try:
        return import_public_key(named[0])
    except BadKey as error:
        raise BadAnswer(str(error)) from error
