"""Exact search in Hamming space by the pigeonhole principle: few buckets are looked into, no row is missed.

A code is cut into parts. Where two codes differ in at most `radius` bits, some part differs in at most
`radius // parts` of them; so every row near a query lies in a bucket that is so few flips from the query's
own, in the table of that part. Multi-index hashing: Norouzi, Punjani and Fleet, arXiv 1307.2982.

Each table is a row list sorted by bucket, the starts of the buckets, and a bitmap of finer keys that says
without a look into the list that a bucket is empty: 100 to 140 bytes a row for eleven tables.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.index.plain_files import Arrays
from indexer.index.port import Values

PART_BITS = 23
MOST_FLIPS = 2  # three would look into 2,048 buckets of each table: more than a scan costs
FINER_BITS = 5  # by which the bitmap's keys are finer than the buckets
PROBES_AT_ONCE = 1 << 18  # bounds the memory of one search

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MultiIndex:
    """Tables over the codes of one sealed segment; derived from them, never changed."""

    starts: npt.NDArray[np.uint32]  # (parts, buckets + 1)
    rows: npt.NDArray[np.uint32]  # (parts, n): places, sorted by bucket
    occupied: npt.NDArray[np.uint8]  # (parts, finer keys / 8): bit set where a row has that key
    key_bits: int
    bucket_bits: int

    @property
    def parts(self) -> int:
        """Tables."""
        return len(self.starts)

    def reaches(self, radius: int) -> bool:
        """Whether this radius is looked up faster than scanned."""
        return radius // self.parts <= MOST_FLIPS

    def candidates(self, queries: Values, radius: int) -> tuple[Places, Places]:
        """(query rows, places), each pair once or more: all rows within `radius`, and others."""
        flips = _flips(self.key_bits, radius // self.parts)
        at_once = max(1, PROBES_AT_ONCE // (self.parts * len(flips)))
        found = [
            self._candidates(queries[start : start + at_once], flips, start)
            for start in range(0, len(queries), at_once)
        ]
        asked, places = zip(*found, strict=True)
        return np.concatenate(asked), np.concatenate(places)

    def _candidates(
        self, queries: Values, flips: npt.NDArray[np.uint32], first: int
    ) -> tuple[Places, Places]:
        keys = part_keys(queries, self.parts, self.key_bits)  # (q, parts)
        tables = np.arange(self.parts, dtype=np.uint32) << np.uint32(self.key_bits)
        probes = ((keys | tables)[:, :, None] ^ flips).ravel()
        bits = self.occupied.reshape(-1)[probes >> np.uint32(3)] >> (probes & 7).astype(np.uint8)
        hit = np.nonzero(bits & 1)[0]
        probes = probes[hit]
        table = probes >> np.uint32(self.key_bits)
        coarse = np.uint32(self.key_bits - self.bucket_bits)
        bucket = (probes >> coarse) & np.uint32((1 << self.bucket_bits) - 1)
        starts = self.starts.reshape(-1)
        at = table.astype(np.int64) * self.starts.shape[1] + bucket
        low = starts[at].astype(np.int64)
        length = starts[at + 1].astype(np.int64) - low
        ends = np.cumsum(length)
        shift = low + table.astype(np.int64) * self.rows.shape[1] - (ends - length)
        places = self.rows.reshape(-1)[np.repeat(shift, length) + np.arange(int(length.sum()))]
        asked = np.repeat(hit // (self.parts * len(flips)) + first, length)
        return asked, places.astype(np.int64)

    def arrays(self) -> Arrays:
        """As they are kept beside their segment."""
        sizes = np.array([self.key_bits, self.bucket_bits], np.uint32)
        return {"starts": self.starts, "rows": self.rows, "occupied": self.occupied, "sizes": sizes}


def build_multi_index(codes: Values) -> MultiIndex:
    """Over (n, bytes) codes. Takes about a second for a million."""
    parts = codes.shape[1] * 8 // PART_BITS
    bucket_bits = min(PART_BITS, max(8, int(np.ceil(np.log2(max(2, len(codes)))))))
    key_bits = min(PART_BITS, bucket_bits + FINER_BITS)
    keys = part_keys(codes, parts, key_bits)
    starts = np.zeros((parts, (1 << bucket_bits) + 1), np.uint32)
    rows = np.zeros((parts, len(codes)), np.uint32)
    occupied = np.zeros((parts, (1 << key_bits) // 8), np.uint8)
    for part in range(parts):
        own = np.ascontiguousarray(keys[:, part])
        buckets = own >> np.uint32(key_bits - bucket_bits)
        rows[part] = np.argsort(buckets, kind="stable")
        counts = np.bincount(buckets, minlength=1 << bucket_bits)
        starts[part, 1:] = np.cumsum(counts)
        flags = np.zeros(1 << key_bits, np.bool_)
        flags[own] = True
        occupied[part] = np.packbits(flags, bitorder="little")
    return MultiIndex(starts, rows, occupied, key_bits, bucket_bits)


def multi_index_from(arrays: dict[str, Any]) -> MultiIndex:
    """What `MultiIndex.arrays` gave."""
    key_bits, bucket_bits = (int(one) for one in arrays["sizes"])
    return MultiIndex(arrays["starts"], arrays["rows"], arrays["occupied"], key_bits, bucket_bits)


def part_keys(codes: Values, parts: int, key_bits: int) -> npt.NDArray[np.uint32]:
    """(n, bytes) codes, a multiple of 8 bytes -> (n, parts): the first `key_bits` bits of each part."""
    words = np.ascontiguousarray(codes).view("<u8")
    keys = np.empty((len(codes), parts), np.uint32)
    mask = np.uint64((1 << key_bits) - 1)
    for part in range(parts):
        word, shift = divmod(part * PART_BITS, 64)
        taken = words[:, word] >> np.uint64(shift)
        if shift + key_bits > 64:
            taken = taken | (words[:, word + 1] << np.uint64(64 - shift))
        keys[:, part] = taken & mask
    return keys


@cache
def _flips(bits: int, most: int) -> npt.NDArray[np.uint32]:
    """Every mask of `bits` bits with at most `most` of them set."""
    masks = [0]
    for count in range(1, most + 1):
        masks += [sum(1 << bit for bit in chosen) for chosen in combinations(range(bits), count)]
    return np.array(masks, np.uint32)
