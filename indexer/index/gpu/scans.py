"""Exact scans of the rows of one segment: by Triton kernels where they run, otherwise by torch alone.

All of them return hits as arrays on the host, in no particular order. No hit is left out for lack of room.
"""

import importlib.util
import os
from functools import cache

import torch

from indexer.index.gpu import by_torch
from indexer.index.gpu.rows import CodeRows, Hits, VectorRows, no_hits

# From so many queries on, matrix products of signs are faster than counting bits (docs/performance.md).
PRODUCTS_FROM = 192


@cache
def has_kernels(device: torch.device) -> bool:
    """Whether the Triton kernels run on this device."""
    runs = device.type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1"
    return runs and importlib.util.find_spec("triton") is not None


def codes_within(rows: CodeRows, queries: torch.Tensor, radii: torch.Tensor) -> Hits:
    """Rows at most `radii` (int32, one per query) bits from `queries` (int32, (n, words))."""
    if not rows.count or not len(queries):
        return no_hits()
    if not has_kernels(rows.words.device):
        return by_torch.codes_within(rows, queries, radii)
    from indexer.index.gpu import by_kernels  # needs Triton

    if len(queries) >= PRODUCTS_FROM:
        return by_kernels.codes_within_by_products(rows, queries, radii)
    return by_kernels.codes_within_by_bits(rows, queries, radii)


def vectors_above(rows: VectorRows, queries: torch.Tensor, floors: torch.Tensor) -> Hits:
    """Rows whose inner product with a query (float16, (n, dimensions)) is at least its floor (float32)."""
    if not rows.count or not len(queries):
        return no_hits()
    if not has_kernels(rows.vectors.device):
        return by_torch.vectors_above(rows, queries, floors)
    from indexer.index.gpu import by_kernels  # needs Triton

    return by_kernels.vectors_above(rows, queries, floors)


def nearest_vectors(rows: VectorRows, queries: torch.Tensor, k: int, slack: float) -> Hits:
    """At least the `k` rows of largest product with each query, and all within `slack` of the k-th."""
    k = min(k, rows.count)
    if not k or not len(queries):
        return no_hits()
    if not has_kernels(rows.vectors.device):
        return by_torch.nearest_vectors(rows, queries, k, slack)
    from indexer.index.gpu import by_kernels  # needs Triton

    return by_kernels.nearest_vectors(rows, queries, k, slack)
