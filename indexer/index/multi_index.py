"""Multi-index hashing: exact search in Hamming space that looks into few buckets and misses no row.

A code is cut into parts. Where two codes differ in at most `radius` bits, some part differs in at most
`radius // parts` bits (the pigeonhole principle). So every row near a query lies, in the table of some
part, in a bucket whose key is at most that many bits from the key of the query. Source: Norouzi, Punjani
and Fleet, arXiv 1307.2982.

A table is a list of rows sorted by bucket, the start of every bucket in that list, and a bitmap of finer
keys, which shows without a look into the list that nothing is there: 100 to 140 bytes a row for all eleven
tables.
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
MOST_FLIPS = 2  # three bits would mean 2,048 buckets in each table, which cost more than a scan
FINER_BITS = 5  # bits by which the keys of the bitmap are longer than those of the buckets
PROBES_AT_ONCE = 1 << 18  # bounds the memory that one search takes

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MultiIndex:
    """Tables over the codes of one sealed segment, derived from them and never changed."""

    starts: npt.NDArray[np.uint32]  # (parts, buckets + 1)
    rows: npt.NDArray[np.uint32]  # (parts, n): places sorted by bucket
    occupied: npt.NDArray[np.uint8]  # (parts, finer keys / 8): the bit of every key that some row has
    key_bits: int
    bucket_bits: int

    @property
    def parts(self) -> int:
        """How many parts a code has; each has a table."""
        return len(self.starts)

    def reaches(self, radius: int) -> bool:
        """Whether the tables answer this radius faster than a scan."""
        return radius // self.parts <= MOST_FLIPS

    def candidates(self, queries: Values, radius: int) -> tuple[Places, Places]:
        """(query rows, places): all pairs within `radius` and others, some of them repeatedly."""
        flips = _flips(self.key_bits, radius // self.parts)
        at_once = max(1, PROBES_AT_ONCE // (self.parts * len(flips)))
        found = [
            self._candidates(queries[start : start + at_once], flips, start)
            for start in range(0, len(queries), at_once)
        ]
        query_rows, places = zip(*found, strict=True)
        return np.concatenate(query_rows), np.concatenate(places)

    def _candidates(
        self, queries: Values, flips: npt.NDArray[np.uint32], first: int
    ) -> tuple[Places, Places]:
        """See `candidates`. `first`: the number of the first of these queries."""
        keys = part_keys(queries, self.parts, self.key_bits)  # (q, parts)
        tables = np.arange(self.parts, dtype=np.uint32) << np.uint32(self.key_bits)
        probes = ((keys | tables)[:, :, None] ^ flips).ravel()
        bits = self.occupied.reshape(-1)[probes >> np.uint32(3)] >> (probes & 7).astype(np.uint8)
        filled = np.nonzero(bits & 1)[0]
        probes = probes[filled]
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
        query_rows = np.repeat(filled // (self.parts * len(flips)) + first, length)
        return query_rows, places.astype(np.int64)

    def arrays(self) -> Arrays:
        """The arrays that are stored beside the segment."""
        sizes = np.array([self.key_bits, self.bucket_bits], np.uint32)
        return {"starts": self.starts, "rows": self.rows, "occupied": self.occupied, "sizes": sizes}


def build_multi_index(codes: Values) -> MultiIndex:
    """Build the tables over (n, bytes) codes: about a second for a million."""
    parts = codes.shape[1] * 8 // PART_BITS
    bucket_bits = min(PART_BITS, max(8, int(np.ceil(np.log2(max(2, len(codes)))))))
    key_bits = min(PART_BITS, bucket_bits + FINER_BITS)
    keys = part_keys(codes, parts, key_bits)
    starts = np.zeros((parts, (1 << bucket_bits) + 1), np.uint32)
    rows = np.zeros((parts, len(codes)), np.uint32)
    occupied = np.zeros((parts, (1 << key_bits) // 8), np.uint8)
    for part in range(parts):
        keys_of_part = np.ascontiguousarray(keys[:, part])
        buckets = keys_of_part >> np.uint32(key_bits - bucket_bits)
        rows[part] = np.argsort(buckets, kind="stable")
        counts = np.bincount(buckets, minlength=1 << bucket_bits)
        starts[part, 1:] = np.cumsum(counts)
        flags = np.zeros(1 << key_bits, np.bool_)
        flags[keys_of_part] = True
        occupied[part] = np.packbits(flags, bitorder="little")
    return MultiIndex(starts, rows, occupied, key_bits, bucket_bits)


def multi_index_from(arrays: dict[str, Any]) -> MultiIndex:
    """The MultiIndex whose arrays these are."""
    key_bits, bucket_bits = (int(size) for size in arrays["sizes"])
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
    """All masks of `bits` bits of which at most `most` are set."""
    masks = [0]
    for count in range(1, most + 1):
        masks += [sum(1 << bit for bit in chosen) for chosen in combinations(range(bits), count)]
    return np.array(masks, np.uint32)
