"""Evidence that a log forked: two checkpoints that it signed and that no one log can have had.

A checkpoint commits to every earlier state: a consistency proof (RFC 9162, section 2.1.4) leads from the
newer one to the one root hash that the tree had at the older one's size. Where the older one names another,
the log showed two histories. Both are signed, so that anybody can tell from the evidence and the log's key
alone. The proof begins with the subtree from which both roots are built, also where RFC 9162 leaves it out
because it is the whole old tree: that one is in question here.
"""

import base64
from collections.abc import Sequence
from typing import Any

from sdk.checkpoint import BadCheckpoint, Checkpoint, VerifierKey, parse_verifier_key, verify_checkpoint
from sdk.encodings import BadEncoding, decode_base64
from sdk.errors import VerificationError
from sdk.merkle import BadProof, roots_of_consistency_proof

KIND = "trueprint-log-fork-v1"
MEMBERS = frozenset({"kind", "logKey", "older", "newer", "proof"})


class BadEvidence(VerificationError):
    """The evidence does not show that a log forked."""


def fork_evidence(key: VerifierKey, older: str, newer: str, proof: Sequence[bytes]) -> dict[str, Any]:
    """Puts two notes and the consistency proof between their sizes into one JSON object.

    Raises BadEvidence unless it shows a fork.
    """
    evidence = {
        "kind": KIND,
        "logKey": key.text(),
        "older": older,
        "newer": newer,
        "proof": [base64.b64encode(digest).decode() for digest in proof],
    }
    verify_fork(evidence, key)
    return evidence


def verify_fork(evidence: Any, key: VerifierKey | None = None) -> tuple[Checkpoint, Checkpoint]:
    """Returns the two checkpoints that contradict one another. Raises BadEvidence.

    Without `key` the key inside is believed: that shows that whoever holds it forked a log, but not whose
    it is.
    """
    if not isinstance(evidence, dict) or evidence.get("kind") != KIND or set(evidence) != MEMBERS:
        raise BadEvidence(f"not evidence of the kind {KIND}")
    older, newer, proof = evidence["older"], evidence["newer"], evidence["proof"]
    texts = (older, newer, evidence["logKey"])
    if not all(isinstance(text, str) for text in texts) or not isinstance(proof, list):
        raise BadEvidence("two notes, a key and a list of hashes are missing")
    try:
        signer = key or parse_verifier_key(evidence["logKey"])
        first, second = verify_checkpoint(older, signer), verify_checkpoint(newer, signer)
        hashes = [decode_base64(digest) for digest in proof]
        _require_fork(first, second, hashes)
    except (BadCheckpoint, BadEncoding, BadProof, TypeError) as error:
        raise BadEvidence(f"the evidence does not hold: {error}") from None
    return first, second


def _require_fork(older: Checkpoint, newer: Checkpoint, proof: list[bytes]) -> None:
    if older.size > newer.size:
        raise BadEvidence("the older checkpoint is over more entries than the newer one")
    if older.size == newer.size:
        if proof:
            raise BadEvidence("two checkpoints over as many entries need no proof")
        if older.root == newer.root:
            raise BadEvidence("both checkpoints name the same root hash")
        return
    if older.size == 0:
        raise BadEvidence("every log continues the empty one")
    old_root, new_root = roots_of_consistency_proof(older.size, newer.size, proof)
    if new_root != newer.root:
        raise BadEvidence("the proof does not lead to the newer checkpoint")
    if old_root == older.root:
        raise BadEvidence("the newer checkpoint continues the older one")
