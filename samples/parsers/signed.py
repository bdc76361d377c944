"""What publishers and the registry sign: JSON, JWS, statements, keys, proofs of possession, receipts."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import ECKey
from pydantic import ValidationError

from samples.parsers.contract import Parser, require, require_same, text_of
from sdk.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from sdk.encodings import (
    BadEncoding,
    decode_base64,
    decode_base64url,
    encode_base64url,
    parse_compact,
    parse_json,
    parse_object,
)
from sdk.errors import VerificationError
from sdk.keys import BadKey, import_public_key, is_canonical, public_jwk, thumbprint
from sdk.merkle import leaf_hash, root_of
from sdk.models import Receipt
from sdk.possession import BadProof, prove_possession, verify_possession
from sdk.records import (
    MAXIMUM_RECORD_BYTES,
    AssetClass,
    BadSignature,
    BadStatement,
    Statement,
    commitment,
    log_entry,
    new_statement,
    parse_payload,
    sign_statement,
    signing_kid,
    verify_record,
)
from sdk.tlog_proof import format_tlog_proof
from sdk.verify import verify_receipt

# Of no registry: every run of a fuzzer begins with the same inputs.
KEY = ECKey.import_key(
    {
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",  # RFC 7517, appendix A.2
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
    }
)
LOG_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN, PUBLISHER, DIGEST, SALT = "log.example", "5f1e2d3c", "ab" * 32, bytes(32)
STATEMENTS = (
    new_statement("did:web:example.org", AssetClass.AUTHENTIC, DIGEST, "a label", preview_allowed=True),
    new_statement(
        "did:web:example.org",
        AssetClass.KNOWN_FAKE,
        None,
        "etwas Gefälschtes",
        audience=(ORIGIN, "another"),
        fingerprints_sha256=DIGEST,
        intimate=True,
        derived_from=(f"urn:sha256:{DIGEST}", "https://example.org/a"),
    ),
)
RECORDS = tuple(sign_statement(statement, KEY) for statement in STATEMENTS)


def _receipt(record: str) -> Receipt:
    entry = log_entry("record", commitment(SALT, record.encode()))
    leaves = [leaf_hash(b"another"), leaf_hash(entry)]
    note = sign_checkpoint(Checkpoint(ORIGIN, 2, root_of(leaves)), LOG_KEY)
    return Receipt(
        record=record,
        salt=base64.b64encode(SALT).decode(),
        entry=base64.b64encode(entry).decode(),
        proof=format_tlog_proof(1, [leaves[0]], note),
        publisher_key=public_jwk(KEY),
        log_key=verifier_key(LOG_KEY, ORIGIN).text(),
    )


def _json(content: bytes) -> None:
    value = parse_json(content)
    require_same(parse_json(json.dumps(value).encode()), value)


def _base64(content: bytes) -> None:
    require_same(base64.b64encode(decode_base64(text_of(content))), content)


def _base64url(content: bytes) -> None:
    require_same(encode_base64url(decode_base64url(text_of(content))).encode(), content)


def _compact(content: bytes) -> None:
    text = text_of(content)
    compact = parse_compact(text, MAXIMUM_RECORD_BYTES)
    require_same(encode_base64url(compact.payload), text.split(".")[1])


def _statement(content: bytes) -> None:
    statement = parse_payload(content)
    written = json.dumps(statement.payload(), ensure_ascii=False).encode()
    require_same(parse_payload(written), _to_the_second(statement))


def _to_the_second(statement: Statement) -> Statement:
    return statement.model_copy(update={"valid_from": statement.valid_from.replace(microsecond=0)})


def _record(content: bytes) -> None:
    text = text_of(content)
    signing_kid(text)
    verify_record(text, KEY)
    require(text.encode() in {record.encode() for record in RECORDS}, "a record was forged")


def _jwk(content: bytes) -> None:
    key = import_public_key(parse_object(content))
    written = public_jwk(key)
    require(is_canonical(written), "a key is not written in its own form")
    require_same(thumbprint(import_public_key(written)), thumbprint(key))


def _possession(content: bytes) -> None:
    verify_possession(text_of(content), KEY, (PUBLISHER,))


def _receipt_of_json(content: bytes) -> None:
    try:
        receipt = Receipt.model_validate_json(content)
    except ValidationError:
        raise VerificationError("not a receipt") from None  # as commands say it
    verify_receipt(receipt, publisher_kid=thumbprint(KEY), log_key=verifier_key(LOG_KEY, ORIGIN).text())
    require(receipt.record in RECORDS, "a receipt was forged")


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


_WORDS = (
    b'"@context"',
    b'"credentialSubject"',
    b'"validFrom"',
    b'"aud"',
    b'"type"',
    b"did:web:",
    b"urn:uuid:",
)

PARSERS = (
    Parser("JSON", _json, (BadEncoding,), (b'{"a":[1,2.5,null,true,"\\u00e4"]}', b"[]", b'"x"')),
    Parser("base64", _base64, (BadEncoding,), (b"", b"AA==", b"AAA=", b"Zm9v")),
    Parser("base64url", _base64url, (BadEncoding,), (b"AA", b"-_8", b"Zm9v")),
    Parser("compact JWS", _compact, (BadEncoding,), tuple(record.encode() for record in RECORDS)),
    Parser(
        "statement",
        _statement,
        (BadStatement,),
        tuple(_as_json(statement.payload()) for statement in STATEMENTS),
        _WORDS,
    ),
    Parser("record", _record, (BadStatement, BadSignature), tuple(record.encode() for record in RECORDS)),
    Parser("JWK", _jwk, (BadEncoding, BadKey), (_as_json(public_jwk(KEY)),), (b'"kty"', b'"crv"', b'"d"')),
    Parser("proof of possession", _possession, (BadProof,), (prove_possession(KEY, PUBLISHER).encode(),)),
    Parser(
        "receipt",
        _receipt_of_json,
        (VerificationError,),
        tuple(_receipt(record).model_dump_json().encode() for record in RECORDS),
    ),
)
