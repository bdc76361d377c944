"""What a registry says of its own keys, and the manifests of its backups."""

import base64
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.errors import BadBackup
from registry.log.signers import Algorithm, signer_from
from registry.operate.backup_format import BackupFile, LogState, Manifest, parse_manifest
from samples.parsers.contract import Parser, require, require_same, text_of
from samples.parsers.log import KEY as OLD
from samples.parsers.log import NOTES
from samples.parsers.signed import KEY, LOG_KEY, ORIGIN
from sdk.answer_keys import AnswerKeySuccession, BadSuccession, verify_succession
from sdk.checkpoint import verifier_key
from sdk.keys import public_jwk
from sdk.log_keys import RETIREMENT, SUCCESSION, BadKeyHistory, KeyChange, parse_key_change

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
NEXT_LOG_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
NEW = verifier_key(NEXT_LOG_KEY, ORIGIN)
SIGNERS = ((OLD, LOG_KEY.sign), (NEW, NEXT_LOG_KEY.sign))
CHANGES = tuple(
    KeyChange(kind, ORIGIN, OLD, NEW, size, AT).signed(SIGNERS)
    for kind, size in ((SUCCESSION, 10), (RETIREMENT, 300))
)
SUCCESSOR = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",  # RFC 7515, appendix A.3
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
STATEMENT = AnswerKeySuccession(ORIGIN, KEY.thumbprint(), SUCCESSOR, AT, AT).signed(
    signer_from(KEY.as_pem(private=True), Algorithm.ES256).sign
)
MANIFEST = Manifest(
    made_at=AT,
    version="0.1.0",
    migration="0010",
    registry_id="5f1e2d3c",
    home="/somewhere",
    descriptor="tp-desc.v2",
    sequences={"fingerprint_id_seq": 90},
    log=LogState(
        origin=ORIGIN,
        size=300,
        root=base64.b64encode(bytes([300 % 256]) * 32).decode(),
        checkpoint=NOTES[3],
        keys=(OLD.text(),),
    ),
    with_keys=False,
    missing_previews=("previews/ab/lost.webp",),
    files=(BackupFile(name="rows/record.copy.gz", bytes=3, sha256="ab" * 32),),
)


def _key_change(content: bytes) -> None:
    note = text_of(content)
    change = parse_key_change(note)
    require(note.startswith(change.body()), "a note is written in another way than its own")
    require(change.body() in {known.partition("\n\n")[0] + "\n" for known in CHANGES}, "a note was forged")


def _succession(content: bytes) -> None:
    said = verify_succession(text_of(content), public_jwk(KEY))
    require((said.successor["x"], said.signs_from) == (SUCCESSOR["x"], AT), "a statement was forged")


def _manifest(content: bytes) -> None:
    manifest = parse_manifest(content)
    require_same(parse_manifest(manifest.model_dump_json().encode()), manifest)
    for file in manifest.files:
        require(
            not file.name.startswith("/") and ".." not in file.name.split("/"), "a file leads elsewhere"
        )
    require(manifest.checkpoint.size == manifest.log.size, "a manifest contradicts its checkpoint")


PARSERS = (
    Parser(
        "note about a log's keys",
        _key_change,
        (BadKeyHistory,),
        tuple(note.encode() for note in CHANGES),
        (SUCCESSION.encode(), RETIREMENT.encode(), "\u2014 ".encode(), b"\n\n"),
    ),
    Parser("statement about an answer key", _succession, (BadSuccession,), (STATEMENT.encode(),)),
    Parser(
        "manifest of a backup",
        _manifest,
        (BadBackup,),
        (MANIFEST.model_dump_json().encode(),),
        (b'"files"', b"../", b'"format":"trueprint-backup/1"'),
    ),
)
