"""What logs publish: checkpoints in signed notes, keys, proofs, tiles, entries, evidence of forks."""

import base64
import json

from samples.parsers.contract import Parser, require, require_same, text_of
from samples.parsers.signed import LOG_KEY, ORIGIN
from sdk.add_checkpoint import AddCheckpoint, BadRequestBody, parse_add_checkpoint, parse_size
from sdk.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    parse_checkpoint_unverified,
    parse_verifier_key,
    sign_checkpoint,
    verifier_key,
    verify_checkpoint,
)
from sdk.cosignature import cosign, verify_cosignatures, witness_key
from sdk.encodings import BadEncoding, parse_json
from sdk.forks import BadEvidence, fork_evidence, verify_fork
from sdk.merkle import EMPTY_ROOT, HASH_SIZE, BadProof, verify_consistency, verify_inclusion
from sdk.tiles import join_bundle, parse_tile_path, split_bundle, tile_path
from sdk.tlog_proof import format_tlog_proof, parse_tlog_proof
from sdk.witness.logs import BadLogList, parse_logs
from sdk.witness_policy import BadPolicy, parse_policy

SIZES = (0, 1, 2, 300)
NOTES = tuple(
    sign_checkpoint(Checkpoint(ORIGIN, size, bytes([size % 256]) * 32), LOG_KEY) for size in SIZES
)
OTHER_NOTE = sign_checkpoint(Checkpoint(ORIGIN, SIZES[1], bytes(32)), LOG_KEY)
KEY = verifier_key(LOG_KEY, ORIGIN)
WITNESS = witness_key(LOG_KEY, "witness.example")
COSIGNED = f"{NOTES[2]}{cosign(NOTES[2], LOG_KEY, WITNESS.name, 1_800_000_000)}\n"
COSIGNATURE = f"\u2014 witness.example {base64.b64encode(bytes(4 + 72)).decode()}\n"
PROOF_NUMBERS = 2  # bytes before the hashes of a Merkle proof: two of its numbers


def _checkpoint(content: bytes) -> None:
    note = text_of(content)
    said = parse_checkpoint_unverified(note)
    require(note.startswith(said.body()[:-1]), "a checkpoint is written in another way than its own")
    verified = verify_checkpoint(note, KEY)
    require_same(verified, said)
    require(
        any(said.body() == known.partition("\n\n")[0] + "\n" for known in NOTES), "a checkpoint was forged"
    )


def _vkey(content: bytes) -> None:
    text = text_of(content)
    require_same(parse_verifier_key(text).text(), text)


def _tlog_proof(content: bytes) -> None:
    text = text_of(content)
    index, hashes, note = parse_tlog_proof(text)
    written = format_tlog_proof(index, hashes, note)
    require_same(parse_tlog_proof(written), (index, hashes, note))
    lines = text.split("\n")
    if not lines[1].startswith("extra "):
        require_same(written, text)


def _tile_path(content: bytes) -> None:
    text = text_of(content)
    found = parse_tile_path(text)
    if found is not None:
        require_same(tile_path(*found), text)


def _bundle(content: bytes) -> None:
    require_same(join_bundle(split_bundle(content)), content)


def _cosignatures(content: bytes) -> None:
    for cosignature in verify_cosignatures(text_of(content), [WITNESS]):
        require(cosignature.line == COSIGNED.splitlines()[-1], "a cosignature was forged")


def _fork(content: bytes) -> None:
    older, newer = verify_fork(parse_json(content), KEY)
    require(older.size == newer.size and older.root != newer.root, "a fork was forged")


def _merkle_proof(content: bytes) -> None:
    first, second, *_ = content[:PROOF_NUMBERS].ljust(PROOF_NUMBERS, b"\0")
    rest = content[PROOF_NUMBERS:]
    hashes = [rest[at : at + HASH_SIZE] for at in range(0, len(rest), HASH_SIZE)]
    if len(hashes) < 2:
        return
    one, other, *proof = hashes
    try:
        verify_inclusion(one, first, second, proof, other)
    except BadProof:
        verify_consistency(first, second, proof, one, other)


def _add_checkpoint(content: bytes) -> None:
    require_same(parse_add_checkpoint(content).body(), content)


def _size(content: bytes) -> None:
    require_same(f"{parse_size(content)}\n".encode(), content)


def _witness_policy(content: bytes) -> None:
    policy = parse_policy(content)
    keys = [witness.key for witness in policy.witnesses]
    require(policy.is_met(keys) or not keys, "no witnesses of a policy are enough for it")


def _log_list(content: bytes) -> None:
    for origin, log in parse_logs(text_of(content)).items():
        require_same((log.origin, log.key.text()), (origin, KEY.text()))


def _witness(content: bytes) -> None:
    """A whole request to a witness, up to the checkpoint that would be cosigned."""
    request = parse_add_checkpoint(content)
    checkpoint = verify_checkpoint(request.note, KEY)
    verify_consistency(request.old_size, checkpoint.size, request.proof, EMPTY_ROOT, checkpoint.root)


REQUEST = AddCheckpoint(1, (bytes(32), bytes([1]) * 32), NOTES[2])
FIRST_REQUEST = AddCheckpoint(0, (), NOTES[1])
POLICY = f"""log {KEY.text()} https://log.example/
witness w1 {WITNESS.text()} https://w1.example/
group g 1 w1
quorum g
"""
PARSERS = (
    Parser(
        "add-checkpoint",
        _add_checkpoint,
        (BadRequestBody,),
        (REQUEST.body(), FIRST_REQUEST.body()),
        (b"old ", b"\n\n"),
    ),
    Parser("size of a witness", _size, (BadRequestBody,), (b"0\n", b"9223372036854775807\n")),
    Parser(
        "request to a witness",
        _witness,
        (BadRequestBody, BadCheckpoint, BadProof),
        (FIRST_REQUEST.body(),),
        (b"old ", "\u2014 ".encode()),
    ),
    Parser(
        "policy of witnesses",
        _witness_policy,
        (BadPolicy,),
        (POLICY.encode(), b"quorum none"),
        (b"log ", b"witness ", b"group ", b"quorum ", b"any ", b"all ", b"none"),
    ),
    Parser(
        "list of logs",
        _log_list,
        (BadLogList,),
        (f"logs/v0\nvkey {KEY.text()}\norigin other\nqpd 24\ncontact desk\n".encode(),),
        (b"logs/v0", b"vkey ", b"origin ", b"qpd ", b"contact ", b"#"),
    ),
    Parser(
        "checkpoint",
        _checkpoint,
        (BadCheckpoint,),
        (*(note.encode() for note in NOTES), (NOTES[1] + COSIGNATURE).encode()),
        ("\u2014 ".encode(), ORIGIN.encode(), b"\n\n"),
    ),
    Parser("verifier key", _vkey, (BadCheckpoint,), (KEY.text().encode(),)),
    Parser(
        "tlog-proof",
        _tlog_proof,
        (BadCheckpoint,),
        (
            format_tlog_proof(1, [bytes(32), bytes([1]) * 32], NOTES[2]).encode(),
            format_tlog_proof(0, [], NOTES[1]).replace("\nindex", "\nextra AAAA\nindex").encode(),
        ),
        (b"index ", b"extra ", b"c2sp.org/tlog-proof@v1"),
    ),
    Parser(
        "tile path",
        _tile_path,
        (),
        (b"0/000", b"entries/x123/456.p/7", b"63/x001/x234/067", b"1/000.p/255"),
        (b".p/", b"/x", b"entries/", b"000"),
    ),
    Parser("entry bundle", _bundle, (ValueError,), (b"", b"\0\3abc\0\0", join_bundle([b"a" * 300, b"b"]))),
    Parser("cosignatures", _cosignatures, (BadCheckpoint,), (COSIGNED.encode(),), ("\u2014 ".encode(),)),
    Parser(
        "evidence of a fork",
        _fork,
        (BadEncoding, BadEvidence),
        (json.dumps(fork_evidence(KEY, NOTES[1], OTHER_NOTE, []), ensure_ascii=False).encode(),),
    ),
    Parser(
        "Merkle proof", _merkle_proof, (BadProof,), (bytes((0, 1)) + bytes(64), bytes((5, 5)) + bytes(64))
    ),
)
