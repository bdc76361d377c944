"""Exact scans by torch alone, chunk by chunk, on any device. See `scans`."""

from collections.abc import Iterator

import torch

from indexer.index.gpu.rows import (
    DEAD_PRODUCT,
    LEAST_PRODUCT,
    CodeRows,
    Hits,
    VectorRows,
    merge_hits,
    on_host,
    signs_of,
)

CHUNK_ELEMENTS = 1 << 26


def codes_within(rows: CodeRows, queries: torch.Tensor, radii: torch.Tensor) -> Hits:
    """See scans. By matrix products of signs."""
    words = rows.words.shape[0]
    dtype = torch.float16 if rows.words.device.type == "cuda" else torch.float32
    query_signs = signs_of(queries).to(dtype)
    least_products = (words * 32 - 2 * radii).to(dtype)[:, None]
    step = max(1024, CHUNK_ELEMENTS // max(words * 32, len(queries)))
    found: list[Hits] = []
    for start in range(0, rows.count, step):
        end = min(rows.count, start + step)
        products = query_signs @ signs_of(rows.words[:, start:end].T).to(dtype).T
        is_hit = (products >= least_products) & (rows.alive[start:end] != 0)
        at = is_hit.nonzero()
        distances = (words * 32 - products[is_hit].float()) / 2
        found.append(on_host(at[:, 1] + start, at[:, 0], distances))
    return merge_hits(found)


def vectors_above(rows: VectorRows, queries: torch.Tensor, floors: torch.Tensor) -> Hits:
    """See scans."""
    found: list[Hits] = []
    for start, products in _products(rows, queries):
        is_hit = products >= floors[:, None]
        at = is_hit.nonzero()
        found.append(on_host(at[:, 1] + start, at[:, 0], products[is_hit]))
    return merge_hits(found)


def nearest_vectors(rows: VectorRows, queries: torch.Tensor, k: int, slack: float) -> Hits:
    """See scans."""
    floors = _kth_best(rows, queries, k) - slack
    return vectors_above(rows, queries, floors.clamp(min=LEAST_PRODUCT))


def _kth_best(rows: VectorRows, queries: torch.Tensor, k: int) -> torch.Tensor:
    """The k-th largest inner product of each query."""
    best = torch.full((len(queries), 0), DEAD_PRODUCT, device=queries.device)
    for _, products in _products(rows, queries):
        best = torch.cat([best, products], dim=1)
        best = best.topk(min(k, best.shape[1]), dim=1).values
    return best[:, -1]


def _products(rows: VectorRows, queries: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    """For each chunk of rows: its first row and the (queries, rows) float32 inner products."""
    step = max(1024, CHUNK_ELEMENTS // max(rows.vectors.shape[1], len(queries)))
    dtype = torch.float16 if rows.vectors.device.type == "cuda" else torch.float32
    for start in range(0, rows.count, step):
        end = min(rows.count, start + step)
        products = (queries.to(dtype) @ rows.vectors[start:end].to(dtype).T).float()
        yield start, products.masked_fill(rows.alive[start:end] == 0, DEAD_PRODUCT)
