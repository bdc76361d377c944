"""Values and names in text: fingerprints, lists of hashes, identifiers of publishers, labels."""

import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from indexer.fingerprints.kinds import KINDS, Family, Fingerprint, InvalidFingerprint, parse_fingerprint
from samples.parsers.contract import Parser, require_same, text_of
from sdk.dids import canonical_did
from sdk.hash_lists import BadHashList, read_hash_list
from sdk.models import FingerprintQuery, FingerprintRegistration
from sdk.shown_text import as_label, as_name, with_marks_for_the_rest

_UNIT_VECTOR = b"\x00\x3c"  # 1.0 as float16, little-endian


def _some_value(name: str) -> bytes:
    kind = KINDS[name]
    if kind.family is Family.BINARY:
        value = bytes(kind.size // 8)
    else:
        value = _UNIT_VECTOR + bytes(2 * kind.size - 2)
    return Fingerprint(name, value).text().encode()


def _fingerprint(content: bytes) -> None:
    found = parse_fingerprint(text_of(content))
    require_same(parse_fingerprint(found.text()), found)


def _fingerprint_query(content: bytes) -> None:
    query = FingerprintQuery.model_validate_json(content)
    require_same(FingerprintQuery.model_validate_json(query.model_dump_json()), query)


def _fingerprint_registration(content: bytes) -> None:
    registration = FingerprintRegistration.model_validate_json(content)
    require_same(FingerprintRegistration.model_validate_json(registration.model_dump_json()), registration)


def _hash_list(content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(suffix=".csv")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        for row in read_hash_list(Path(name)):
            require_same(row.place.name, f"{Path(name).name}:{row.line}")
    finally:
        os.unlink(name)


def _did(content: bytes) -> None:
    written = canonical_did(text_of(content))
    require_same(canonical_did(written), written)


def _label(content: bytes) -> None:
    label = with_marks_for_the_rest(text_of(content))
    if label:
        require_same(as_label(label), label)


def _name(content: bytes) -> None:
    name = as_name(text_of(content))
    require_same(as_name(name), name)


_QUERY = b'{"fingerprints":[{"value":"%s","orientation":0,"quality":100}]}' % _some_value("pdq.v1")
_REGISTRATION = b'{"statement":"a.b.c","nonce":"0123456789abcdef",' + _QUERY[1:]

PARSERS = (
    Parser(
        "fingerprint",
        _fingerprint,
        (InvalidFingerprint,),
        tuple(_some_value(name) for name in sorted(KINDS)),
        tuple(f"{name}:".encode() for name in sorted(KINDS)),
    ),
    Parser("query by fingerprints", _fingerprint_query, (ValidationError,), (_QUERY,), is_told=False),
    Parser(
        "registration by fingerprints",
        _fingerprint_registration,
        (ValidationError,),
        (_REGISTRATION,),
        is_told=False,
    ),
    Parser(
        "hash list",
        _hash_list,
        (BadHashList,),
        (
            b"kind,value\npdq.v1," + b"0f" * 32 + b"\n",
            b'kind,value,label,quality\r\nphash64.v1,0123456789abcdef,"a ""b"", c",9\r\n',
        ),
        (b"kind", b"value", b"quality", b"label", b"class", b"sha256", b'""', b"\r\n"),
    ),
    Parser(
        "DID",
        _did,
        (ValueError,),
        (
            b"did:web:example.org",
            b"did:web:example.org%3A8443:a:b",
            b"did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
        ),
        (b"did:key:z", b"did:web:", b"%3A"),
    ),
    Parser("label", _label, (), ("Prüfung, 1".encode(), "日本\u3000語".encode(), b"a\xff\x00b")),
    Parser("name", _name, (ValueError,), (b"Daily Example", "  Zwei  Wörter ".encode())),
)
