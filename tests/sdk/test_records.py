import json
import uuid
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.util import urlsafe_b64decode

from sdk.errors import VerificationError
from sdk.keys import BadKey, generate_key, import_public_key, load_private_key, public_jwk, save_private_key
from sdk.records import (
    AssetClass,
    BadSignature,
    BadStatement,
    new_statement,
    sign_statement,
    signing_kid,
    verify_record,
)

KEY = generate_key()
SOURCE = f"urn:uuid:{uuid.UUID(int=7)}"
STATEMENT = new_statement(
    "did:web:example.org", AssetClass.KNOWN_FAKE, "ab" * 32, "évidence 1", derived_from=(SOURCE,)
)


@pytest.mark.parametrize("label", ["", "a\x00b", "two\nlines", "\x1b[31mred", "gpj.\u202efoto", "x" * 301])
def test_a_label_that_cannot_be_shown_to_strangers_is_no_label(label: str) -> None:
    with pytest.raises(BadStatement, match="label"):
        new_statement("did:web:example.org", AssetClass.AUTHENTIC, "ab" * 32, label)


@pytest.mark.parametrize("target", ["", "x", "javascript:alert(1)", "urn:uuid:x", "https://a b", "a" * 400])
def test_an_edge_leads_to_a_record_a_digest_or_a_page(target: str) -> None:
    with pytest.raises(BadStatement, match="derived_from"):
        new_statement(
            "did:web:example.org", AssetClass.DERIVATIVE, "ab" * 32, "copy", derived_from=(target,)
        )


def test_what_is_signed_comes_back_equal() -> None:
    record = sign_statement(STATEMENT, KEY)
    assert verify_record(record, KEY) == STATEMENT
    assert signing_kid(record) == KEY.thumbprint()


def test_a_stranger_verifies_a_record_with_bare_cryptography() -> None:
    record, jwk = sign_statement(STATEMENT, KEY), public_jwk(KEY)
    head, payload, signature = record.split(".")
    x, y = (int.from_bytes(urlsafe_b64decode(jwk[name].encode()), "big") for name in "xy")
    raw = urlsafe_b64decode(signature.encode())
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    key.verify(der, f"{head}.{payload}".encode(), ECDSA(SHA256()))
    credential = json.loads(urlsafe_b64decode(payload.encode()))
    assert credential["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert credential["credentialSubject"]["class"] == "known_fake"


def test_a_record_carries_no_value_of_a_fingerprint() -> None:
    assert {"pdq", "phash", "fingerprints"} & set(STATEMENT.payload()["credentialSubject"]) == set()


def test_the_wrong_key_and_unsigned_records_are_refused() -> None:
    with pytest.raises(BadSignature):
        verify_record(sign_statement(STATEMENT, KEY), generate_key())
    with pytest.raises(VerificationError):
        verify_record("eyJhbGciOiJub25lIn0.e30.", KEY)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("type", ["VerifiableCredential"]),
        ("issuer", ""),
        ("validFrom", "yesterday"),
        ("id", "urn:uuid:../../etc"),
        ("credentialSubject", None),
        ("credentialSubject", {"id": "urn:sha256:" + "cd" * 32, "digestSHA256": "ab" * 32}),
    ],
)
def test_a_signed_payload_that_is_no_statement_is_refused(place: str, value: object) -> None:
    payload = json.dumps(STATEMENT.payload() | {place: value})
    header = {"alg": "ES256", "typ": "vc+jwt", "kid": "k"}
    with pytest.raises(BadStatement):
        verify_record(jws.serialize_compact(header, payload, KEY, algorithms=["ES256"]), KEY)


@pytest.mark.parametrize("record", ["", "a.b", "a.b.c", "!.!.!", "W10.e30.AA", "e30.e30.AA", "x" * 40_000])
def test_text_that_is_no_record_is_refused(record: str) -> None:
    with pytest.raises(BadStatement):
        signing_kid(record)


def test_a_private_key_file_is_closed_to_others_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    save_private_key(KEY, path)
    assert path.stat().st_mode & 0o077 == 0
    assert load_private_key(path).thumbprint() == KEY.thumbprint()
    with pytest.raises(FileExistsError):
        save_private_key(KEY, path)
    path.write_text("no key")
    with pytest.raises(BadKey):
        load_private_key(path)
    with pytest.raises(BadKey):
        import_public_key({"kty": "EC", "crv": "P-256"})
