"""Proves that whoever has a signing key enrolled holds its private half: the new key signs for whom it is.

The proof is a compact JWS (RFC 7515, ES256) of the new key over the publisher, by id or by name, and the
time. Nobody else's key can be enrolled with it, nor this one by another publisher.
"""

import json
import time

from joserfc import jws
from joserfc.jwk import ECKey

from sdk.encodings import ALGORITHM, BadEncoding, is_signed_by, parse_compact, parse_object
from sdk.errors import VerificationError
from sdk.keys import thumbprint

HEADER_TYPE = "trueprint-key+jws"
MAXIMUM_PROOF_BYTES = 2048
GOOD_FOR_S = 30 * 24 * 3600  # a proof may come by mail
CLOCK_LEEWAY_S = 300


class BadProof(VerificationError):
    """The new key does not say that it is to be this publisher's."""


def prove_possession(key: ECKey, publisher: str) -> str:
    """Signs with a new key that it is to be enrolled for `publisher`: its id, or its name."""
    header = {"alg": ALGORITHM, "typ": HEADER_TYPE, "kid": thumbprint(key)}
    said = {"publisher": publisher, "iat": int(time.time())}
    payload = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return jws.serialize_compact(header, payload, key, algorithms=[ALGORITHM])


def verify_possession(proof: str, key: ECKey, publisher: tuple[str, ...], now: float | None = None) -> None:
    """Checks a proof against the new key's public half. Raises BadProof.

    1. It is signed by that very key, as a proof. 2. It is for one of the names in `publisher`. 3. It is
    recent.
    """
    try:
        compact = parse_compact(proof, MAXIMUM_PROOF_BYTES)
        said = parse_object(compact.payload)
    except BadEncoding as error:
        raise BadProof(f"the proof of possession cannot be read: {error}") from None
    if compact.header.get("typ") != HEADER_TYPE or not is_signed_by(compact, key):
        raise BadProof("the proof of possession is not signed by the new key")
    if said.get("publisher") not in publisher:
        raise BadProof("the proof of possession is for another publisher")
    at, now = said.get("iat"), time.time() if now is None else now
    if type(at) is not int or not now - GOOD_FOR_S <= at <= now + CLOCK_LEEWAY_S:
        raise BadProof("the proof of possession is older than 30 days, or from the future")
