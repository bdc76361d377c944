"""Keeps of a tree only what it takes to append to it: the hashes of its complete subtrees.

Known as a compact range (`compact` of transparency-dev/merkle). A tree of a million entries needs at most
twenty hashes.
"""

from collections.abc import Sequence
from functools import reduce

from sdk.merkle import EMPTY_ROOT, BadProof, node_hash


class CompactRange:
    """Grows by one leaf hash after the other."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """`hashes`: of 32 bytes, largest subtree first, one for each bit that is set in `size`.

        Raises BadProof: there are more or fewer.
        """
        if len(hashes) != size.bit_count() or any(len(digest) != 32 for digest in hashes):
            raise BadProof(f"a tree of {size} entries has {size.bit_count()} complete subtrees")
        self.size = size
        self._hashes = list(hashes)

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes that a range is made of again."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Adds the hash of the next entry."""
        running, merged = leaf, self.size
        while merged & 1:
            running = node_hash(self._hashes.pop(), running)
            merged >>= 1
        self._hashes.append(running)
        self.size += 1

    def root(self) -> bytes:
        """Computes the root hash of the tree (RFC 9162, section 2.1.1)."""
        if not self._hashes:
            return EMPTY_ROOT
        return reduce(lambda right, left: node_hash(left, right), reversed(self._hashes))

    def copy(self) -> "CompactRange":
        """Makes another that grows by itself."""
        return CompactRange(self.size, self._hashes)
