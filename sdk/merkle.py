"""Hashes RFC 9162 Merkle trees and verifies proofs. Knows no storage and no signatures."""

import hashlib
from collections.abc import Sequence

from sdk.errors import VerificationError

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


class BadProof(VerificationError):
    """A Merkle proof does not lead where it should."""


def leaf_hash(entry: bytes) -> bytes:
    """Computes the hash of one entry (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Computes the hash of an inner node (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def largest_power_of_two_below(size: int) -> int:
    """Returns k of RFC 9162, section 2.1.1: where a tree of `size` > 1 leaves is split."""
    return 1 << ((size - 1).bit_length() - 1)


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Computes the root of the tree over these leaf hashes."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    split = largest_power_of_two_below(len(hashes))
    return node_hash(root_of(hashes[:split]), root_of(hashes[split:]))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises BadProof unless `leaf` is entry `index` of the tree (RFC 9162, section 2.1.3.2)."""
    _require_hashes(leaf, root, *proof)
    if not 0 <= index < size:
        raise BadProof(f"index {index} is outside a tree of {size}")
    place, last, running = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("the inclusion proof is too long")
        if place & 1 or place == last:
            running = node_hash(sibling, running)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            running = node_hash(running, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise BadProof("the inclusion proof is too short")
    if running != root:
        raise BadProof("the inclusion proof leads to another root hash")


def verify_consistency(
    old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Raises BadProof unless the new tree extends the old one (RFC 9162, section 2.1.4.2)."""
    if not 0 <= old_size <= new_size:
        raise BadProof(f"a tree of {new_size} cannot extend one of {old_size}")
    if old_size == new_size:
        if proof:
            raise BadProof("trees of one size need no consistency proof")
        if old_root != new_root:
            raise BadProof("two root hashes for one tree size")
        if old_size == 0 and old_root != EMPTY_ROOT:
            raise BadProof("not the root hash of the empty tree")
        return
    _require_hashes(old_root, new_root, *proof)
    if old_size == 0:
        if proof:
            raise BadProof("the empty tree needs no consistency proof")
        if old_root != EMPTY_ROOT:
            raise BadProof("not the root hash of the empty tree")
        return
    if not proof:
        raise BadProof("the consistency proof is empty")
    whole = old_size & (old_size - 1) == 0
    old_found, new_found = roots_of_consistency_proof(
        old_size, new_size, [old_root, *proof] if whole else proof
    )
    if old_found != old_root:
        raise BadProof("the consistency proof leads to another old root hash")
    if new_found != new_root:
        raise BadProof("the consistency proof leads to another new root hash")


def roots_of_consistency_proof(
    old_size: int, new_size: int, hashes: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Computes both root hashes that a consistency proof leads to, for 0 < `old_size` < `new_size`.

    `hashes` begin with the subtree from which both are built. The proof of RFC 9162 leaves it out where it
    is the whole old tree, whose size is then a power of two. Raises BadProof: too many, too few, not of 32
    bytes.
    """
    _require_hashes(*hashes)
    if not hashes or not 0 < old_size < new_size:
        raise BadProof("the consistency proof is empty")
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_running = new_running = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise BadProof("the consistency proof is too long")
        if place & 1 or place == last:
            old_running = node_hash(sibling, old_running)
            new_running = node_hash(sibling, new_running)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new_running = node_hash(new_running, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise BadProof("the consistency proof is too short")
    return old_running, new_running


def _require_hashes(*hashes: bytes) -> None:
    # Before anything else: three published verifiers accept short hashes in corner cases.
    if any(len(digest) != HASH_SIZE for digest in hashes):
        raise BadProof(f"every hash has {HASH_SIZE} bytes")
