import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64decode

from sdk.encodings import encode_base64url
from sdk.errors import VerificationError
from sdk.keys import BadKey, generate_key, import_public_key, load_private_key, public_jwk, save_private_key
from sdk.records import (
    AssetClass,
    BadSignature,
    BadStatement,
    StatementTooDeep,
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
        ("id", "urn:uuid:" + "-" * 36),
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


def signed(payload: bytes, key: ECKey = KEY, **header: Any) -> str:
    """A record of exactly these bytes, with a good signature."""
    head = {"alg": "ES256", "typ": "vc+jwt", "cty": "vc", "kid": key.thumbprint(), **header}
    parts = [encode_base64url(part) for part in (json.dumps(head).encode(), payload)]
    text = ".".join(parts).encode()
    der = key.get_op_key("sign").sign(text, ECDSA(SHA256()))
    raw = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))
    return f"{text.decode()}.{encode_base64url(raw)}"


PAYLOAD = json.dumps(STATEMENT.payload()).encode()
UNDERSTOOD = {**STATEMENT.payload()}
SUBJECT = UNDERSTOOD["credentialSubject"]


def test_the_bytes_that_the_cases_below_change_are_a_record() -> None:
    assert verify_record(signed(PAYLOAD), KEY) == STATEMENT


@pytest.mark.parametrize(
    "payload",
    [
        b"\xef\xbb\xbf" + PAYLOAD,
        PAYLOAD.decode().encode("utf-16"),
        PAYLOAD.replace(b'"issuer":', b'"issuer": "did:web:other.example", "issuer":', 1),
        PAYLOAD.replace(b'"previewAllowed": false', b'"previewAllowed": NaN'),
        PAYLOAD.replace(b'"label": "', b'"label": "\\ud800'),
        json.dumps(UNDERSTOOD, ensure_ascii=False).encode("latin-1"),
    ],
)
def test_a_credential_that_is_read_in_two_ways_is_refused(payload: bytes) -> None:
    assert payload != PAYLOAD
    with pytest.raises(BadStatement, match="cannot be read"):
        verify_record(signed(payload), KEY)


@pytest.mark.parametrize("depth", [17, 200, 900, 990, 1000, 10_000])
def test_a_record_that_is_nested_deeply_is_no_crash(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    for record in (signed(nested), f"{encode_base64url(nested)}.e30.AA"):
        with pytest.raises(StatementTooDeep):
            verify_record(record, KEY)
    with pytest.raises(StatementTooDeep):
        signing_kid(f"{encode_base64url(nested)}.e30.AA")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"@context": [*UNDERSTOOD["@context"], "https://example.org/other"]}, "contexts"),
        ({"@context": UNDERSTOOD["@context"][:1]}, "contexts"),
        ({"@context": [{"@vocab": "urn:other:"}]}, "contexts"),
        ({"type": "MediaProvenanceRecordOrNot"}, "MediaProvenanceRecord"),
        ({"type": [*UNDERSTOOD["type"], "Other"]}, "MediaProvenanceRecord"),
        ({"validUntil": "2020-01-01T00:00:00Z"}, "validUntil"),
        ({"validFrom": 1772323200}, "validFrom"),
        ({"validFrom": "2026-03-01"}, "validFrom"),
        ({"validFrom": "2026-03-01T00:00:00"}, "validFrom"),
        ({"validFrom": "2026-03-01 00:00:00Z"}, "validFrom"),
        ({"validFrom": "2026-13-01T00:00:00Z"}, "valid_from"),
        ({"aud": 5}, "aud"),
        ({"aud": [""]}, "aud"),
        ({"aud": {}}, "aud"),
        ({"aud": []}, "aud"),
        ({"exp": 1}, "'exp' is not understood"),
        ({"credentialStatus": {}}, "credentialStatus"),
        ({"credentialSubject": {**SUBJECT, "previewAllowed": "no"}}, "previewAllowed"),
        ({"credentialSubject": {**SUBJECT, "intimate": 0}}, "intimate"),
        ({"credentialSubject": {**SUBJECT, "derivedFrom": SOURCE}}, "derivedFrom"),
        ({"credentialSubject": {**SUBJECT, "preview_allowed": True}}, "preview_allowed"),
        ({"credentialSubject": []}, "credential"),
    ],
)
def test_what_is_not_understood_is_not_signed_for(change: dict[str, object], says: str) -> None:
    with pytest.raises(BadStatement, match=says):
        verify_record(signed(json.dumps({**UNDERSTOOD, **change}).encode()), KEY)


@pytest.mark.parametrize(
    "header",
    [{"typ": "JWT"}, {"cty": "other"}, {"crit": ["b64"], "b64": False}, {"b64": True}, {"alg": "none"}],
)
def test_a_header_that_asks_for_something_else_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(VerificationError):
        verify_record(signed(PAYLOAD, **header), KEY)


def test_a_record_has_one_spelling() -> None:
    record = signed(PAYLOAD)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = record[:-1] + alphabet[alphabet.index(record[-1]) + 1]  # 64 bytes leave four bits
    for other in (spare, record + "=", record + "\n", record.replace(".", "=.", 1), record + "."):
        with pytest.raises(BadStatement):
            verify_record(other, KEY)


def test_a_statement_names_the_registries_that_it_is_meant_for() -> None:
    meant = STATEMENT.model_copy(update={"audience": ("log.example/a", "log.example/b")})
    assert verify_record(sign_statement(meant, KEY), KEY) == meant
    alone = signed(json.dumps({**UNDERSTOOD, "aud": "log.example/a"}).encode())
    assert verify_record(alone, KEY).audience == ("log.example/a",)
