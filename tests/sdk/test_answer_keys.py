"""What a registry's answer keys say of one another."""

import json

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from sdk.answer_keys import HEADER_TYPE, BadSuccession, trusted_keys
from sdk.keys import generate_key, public_jwk, thumbprint

AT = "2026-11-30T12:00:00+00:00"


def stated(old: ECKey, new: ECKey) -> str:
    payload = {
        "origin": "registry.example/log",
        "successor": public_jwk(new),
        "signsFrom": AT,
        "statedAt": AT,
    }
    header = {"alg": "ES256", "typ": HEADER_TYPE, "kid": thumbprint(old)}
    return jws.serialize_compact(header, json.dumps(payload), old, algorithms=["ES256"])


def test_trust_is_handed_down_from_key_to_key() -> None:
    first, second, third = (generate_key() for _ in range(3))
    keys = trusted_keys(public_jwk(first), [stated(second, third), stated(first, second)])
    assert [key["kid"] for key in keys["keys"]] == [thumbprint(key) for key in (first, second, third)]


def test_a_key_with_two_successors_is_trusted_no_further() -> None:
    first, second, third = (generate_key() for _ in range(3))
    with pytest.raises(BadSuccession, match="two successors"):
        trusted_keys(public_jwk(first), [stated(first, second), stated(first, third)])
