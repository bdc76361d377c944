"""Verifies a receipt offline, in numbered steps: two public keys are enough, no network is needed.

1. The record is signed by the publisher's key (ES256, RFC 7515), and the key is the one it names.
2. The log entry commits to this record under this salt.
3. The checkpoint is signed by the log's key (Ed25519, c2sp.org/signed-note).
4. The entry is in the tree that the checkpoint commits to (RFC 9162, section 2.1.3.2).
5. If the file itself is given, it has the digest that the record states.
6. If witnesses are given, enough of them cosigned the checkpoint (c2sp.org/tlog-cosignature).
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sdk.checkpoint import Checkpoint, parse_verifier_key
from sdk.cosignature import Cosignature, parse_witness_key, require_witnesses
from sdk.encodings import BadEncoding, decode_base64
from sdk.errors import VerificationError
from sdk.keys import BadKey, import_public_key, is_canonical, thumbprint
from sdk.log_keys import key_periods, verify_by_periods
from sdk.merkle import leaf_hash, verify_inclusion
from sdk.models import Receipt
from sdk.records import BadSignature, Statement, commitment, log_entry, signing_kid, verify_record
from sdk.tlog_proof import parse_tlog_proof

SALT_BYTES = 32


class BadReceipt(VerificationError):
    """The parts of a receipt do not belong together."""


@dataclass(frozen=True)
class VerifiedReceipt:
    """What a receipt proves."""

    statement: Statement
    kid: str
    log_index: int
    checkpoint: Checkpoint
    steps: tuple[str, ...]
    cosignatures: tuple[Cosignature, ...] = ()  # of the witnesses that were asked for


def verify_receipt(
    receipt: Receipt,
    *,
    log_key: str | None = None,
    log_key_notes: Sequence[str] = (),
    publisher_kid: str | None = None,
    media: bytes | None = None,
    witnesses: Sequence[str] = (),
    quorum: int | None = None,
    max_age_s: float | None = None,
) -> VerifiedReceipt:
    """Check every step in order and return what is proved. Raises a VerificationError.

    Without `log_key` and `publisher_kid` the keys inside the receipt are believed. That proves that the
    receipt is whole, but not whose it is: pin both wherever it matters. With `log_key_notes`, what the log
    says of its keys (`sdk.log_keys`), the pinned key vouches for the next. With `witnesses` (vkeys) at
    least `quorum` of them, all if nothing is said, must have cosigned the checkpoint, none longer ago than
    `max_age_s`: then the log shows everybody the same tree, unless that many of them lie.
    """
    steps: list[str] = []
    try:
        return _verified(
            receipt, steps, log_key, log_key_notes, publisher_kid, media, witnesses, quorum, max_age_s
        )
    except VerificationError as error:
        error.held = tuple(steps)
        raise


def _verified(
    receipt: Receipt,
    steps: list[str],
    log_key: str | None,
    log_key_notes: Sequence[str],
    publisher_kid: str | None,
    media: bytes | None,
    witnesses: Sequence[str],
    quorum: int | None,
    max_age_s: float | None,
) -> VerifiedReceipt:
    """Goes through the steps, and adds to `steps` what held."""
    statement, kid = _step_1_signature(receipt, publisher_kid)
    pinned_signer = "pinned" if publisher_kid else "from the receipt, not pinned"
    steps.append(f"1. signed by {statement.issuer} with key {kid[:12]}... ({pinned_signer})")
    entry = _step_2_commitment(receipt)
    steps.append("2. the log entry commits to this record")
    index, hashes, note = parse_tlog_proof(receipt.proof)
    pinned = parse_verifier_key(log_key or receipt.log_key)
    checkpoint, signer = verify_by_periods(note, key_periods(pinned, log_key_notes))
    if statement.audience and checkpoint.origin not in statement.audience:
        raise BadReceipt("the statement was meant for another registry")
    known = "from the receipt, not pinned" if log_key is None else "pinned"
    known = known if signer == pinned else f"{signer.key_id.hex()}, bound to the {known} one by notes"
    steps.append(
        f"3. checkpoint of {checkpoint.origin} over {checkpoint.size} entries is signed (key {known})"
    )
    verify_inclusion(leaf_hash(entry), index, checkpoint.size, hashes, checkpoint.root)
    steps.append(f"4. entry {index} is in that tree")
    steps.append(_step_5_media(statement, media))
    cosignatures = _step_6_witnesses(note, witnesses, quorum, max_age_s)
    if witnesses:
        who = ", ".join(cosignature.in_words() for cosignature in cosignatures)
        steps.append(f"6. cosigned by {len(cosignatures)} of {len(witnesses)} witnesses: {who}")
    return VerifiedReceipt(statement, kid, index, checkpoint, tuple(steps), cosignatures)


def _step_1_signature(receipt: Receipt, publisher_kid: str | None) -> tuple[Statement, str]:
    try:
        key = import_public_key(receipt.publisher_key)
    except BadKey as error:
        raise BadReceipt(f"the publisher's key: {error}") from error
    if not is_canonical(receipt.publisher_key):
        raise BadReceipt("the publisher's key is written in another way than its own")
    kid = signing_kid(receipt.record)
    if thumbprint(key) != kid:
        raise BadSignature("the record names another key than the one in the receipt")
    if publisher_kid is not None and publisher_kid != kid:
        raise BadSignature("the record is signed by another key than the pinned one")
    return verify_record(receipt.record, key), kid


def _step_2_commitment(receipt: Receipt) -> bytes:
    try:
        salt, entry = decode_base64(receipt.salt), decode_base64(receipt.entry)
    except BadEncoding as error:
        raise BadReceipt(f"salt or entry is {error}") from None
    if len(salt) != SALT_BYTES:
        raise BadReceipt(f"a salt has {SALT_BYTES} bytes")
    expected = log_entry("record", commitment(salt, receipt.record.encode()))
    if not hmac.compare_digest(entry, expected):
        raise BadReceipt("the log entry does not commit to this record")
    return entry


def _step_5_media(statement: Statement, media: bytes | None) -> str:
    if media is not None and statement.digest_sha256 is None:
        raise BadReceipt("the record names no file: it is about fingerprints alone")
    if media is not None and hashlib.sha256(media).hexdigest() != statement.digest_sha256:
        raise BadReceipt("the file is not the one the record was made for")
    if statement.digest_sha256 is None:
        return "5. the record names no file: it is about fingerprints alone"
    return "5. no file given: digest not compared" if media is None else "5. the file has the stated digest"


def _step_6_witnesses(
    note: str, witnesses: Sequence[str], quorum: int | None, max_age_s: float | None
) -> tuple[Cosignature, ...]:
    if not witnesses and quorum is None and max_age_s is None:
        return ()
    keys = [parse_witness_key(witness) for witness in witnesses]
    return require_witnesses(note, keys, len(keys) if quorum is None else quorum, max_age_s=max_age_s)
