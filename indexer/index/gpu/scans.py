"""Exact scans of rows that lie on one device: by Triton kernels where there are any, else by torch alone.

All functions take the rows of one segment and give hits as three host arrays (rows, queries, distances or
products), in no particular order. No hit is ever left out for lack of room: a scan that ran out is
repeated.
"""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Hits = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]
FIRST_ROOM = 1 << 16
LEAST_PRODUCT = -3.0  # of living rows: dead ones have less
# From so many queries on, matrix products of signs overtake counting bits (docs/performance.md).
PRODUCTS_FROM = 192
TORCH_CHUNK_ELEMENTS = 1 << 26
HAS_POPC = os.environ.get("TRITON_INTERPRET") != "1"  # Triton's interpreter knows no PTX


@dataclass(frozen=True)
class Tiling:
    """What one program of a kernel holds, chosen by measurement on an H200 (docs/performance.md)."""

    block: int  # rows
    group: int  # queries at once
    warps: int
    step: int = 64  # dimensions at once
    stages: int = 3
    queries: int = 256  # in one pass: bounds what the best product of every block takes


BITS = Tiling(512, 8, 4)
SIGNS = Tiling(64, 128, 4)
FEW, SOME, MANY = Tiling(256, 16, 8), Tiling(256, 32, 8), Tiling(128, 128, 4)


@dataclass(frozen=True)
class CodeRows:
    """Binary rows on a device."""

    words: torch.Tensor  # int32 (words, capacity): word-major
    alive: torch.Tensor  # int8 (capacity,)
    count: int


@dataclass(frozen=True)
class VectorRows:
    """Vectors on a device."""

    vectors: torch.Tensor  # float16 (capacity, dimensions)
    alive: torch.Tensor  # int8 (capacity,)
    count: int


@cache
def has_kernels(device: torch.device) -> bool:
    """Whether the Triton kernels run on this device."""
    return (device.type == "cuda" or not HAS_POPC) and importlib.util.find_spec("triton") is not None


@cache
def first_words(radius: int, words: int) -> int:
    """Words after which a block of unrelated rows is nearly always known to be too far (at least two)."""
    for first in range(2, words):
        bits = first * 32
        chance = sum(comb(bits, near) for near in range(min(radius, bits) + 1)) / 2.0**bits
        if chance * 4096 < 0.05:
            return first
    return words


def codes_within(rows: CodeRows, queries: torch.Tensor, radii: torch.Tensor) -> Hits:
    """Rows at most `radii` (int32, one per query) bits from `queries` (int32, (n, words))."""
    if not rows.count or not len(queries):
        return _no_hits()
    if not has_kernels(rows.words.device):
        return _codes_within_by_torch(rows, queries, radii)
    if len(queries) >= PRODUCTS_FROM:
        return codes_within_by_products(rows, queries, radii)
    return codes_within_by_bits(rows, queries, radii)


def codes_within_by_bits(
    rows: CodeRows, queries: torch.Tensor, radii: torch.Tensor, tiling: Tiling = BITS
) -> Hits:
    """By counting the bits that differ."""
    from indexer.index.gpu import kernels  # needs Triton

    words = rows.words.shape[0]
    queries, radii = _padded(queries, radii, tiling.group, -1)
    first = first_words(int(radii.max()), words)

    def launch(room: int, out: list[torch.Tensor], counter: torch.Tensor) -> None:
        kernels.hamming_within[(-(-rows.count // tiling.block),)](
            rows.words,
            rows.words.stride(0),
            rows.alive,
            rows.count,
            queries,
            radii,
            len(queries),
            *out,
            counter,
            room,
            WORDS=words,
            FIRST=first,
            GROUP=tiling.group,
            BLOCK=tiling.block,
            HAS_POPC=HAS_POPC,
            num_warps=tiling.warps,
        )

    return _gathered(launch, rows.words.device, torch.int32)


def codes_within_by_products(
    rows: CodeRows, queries: torch.Tensor, radii: torch.Tensor, tiling: Tiling = SIGNS
) -> Hits:
    """By matrix products of signs on the tensor cores."""
    from indexer.index.gpu import kernels  # needs Triton

    words = rows.words.shape[0]
    queries, radii = _padded(queries, radii, tiling.group, -1)
    first = first_words(int(radii.max()), words)
    first = next(one for one in (2, 4, 8) if one >= min(first, words))  # a power of two for the product
    signs = signs_of(queries)

    def launch(room: int, out: list[torch.Tensor], counter: torch.Tensor) -> None:
        kernels.hamming_within_by_products[(-(-rows.count // tiling.block),)](
            rows.words,
            rows.words.stride(0),
            rows.alive,
            rows.count,
            signs,
            queries,
            radii,
            len(queries),
            *out,
            counter,
            room,
            WORDS=words,
            FIRST=first,
            GROUP=tiling.group,
            BLOCK=tiling.block,
            HAS_POPC=HAS_POPC,
            num_warps=tiling.warps,
        )

    return _gathered(launch, rows.words.device, torch.int32)


def signs_of(codes: torch.Tensor) -> torch.Tensor:
    """(n, words) int32 -> (n, 32 * words) int8 of -1 and 1, the lowest bit of the first word first."""
    shifts = torch.arange(32, device=codes.device, dtype=torch.int32)
    bits = (codes[:, :, None] >> shifts) & 1
    return (bits * 2 - 1).to(torch.int8).reshape(len(codes), -1).contiguous()


def _codes_within_by_torch(rows: CodeRows, queries: torch.Tensor, radii: torch.Tensor) -> Hits:
    """Matrix products of signs, chunk after chunk; on any device."""
    words = rows.words.shape[0]
    dtype = torch.float16 if rows.words.device.type == "cuda" else torch.float32
    theirs = signs_of(queries).to(dtype)
    least = (words * 32 - 2 * radii).to(dtype)[:, None]
    step = max(1024, TORCH_CHUNK_ELEMENTS // max(words * 32, len(queries)))
    found: list[Hits] = []
    for start in range(0, rows.count, step):
        end = min(rows.count, start + step)
        products = theirs @ signs_of(rows.words[:, start:end].T).to(dtype).T
        is_hit = (products >= least) & (rows.alive[start:end] != 0)
        at = is_hit.nonzero()
        distances = (words * 32 - products[is_hit].float()) / 2
        found.append(_on_host(at[:, 1] + start, at[:, 0], distances))
    return _joined(found)


def vectors_above(
    rows: VectorRows, queries: torch.Tensor, floors: torch.Tensor, tiling: Tiling | None = None
) -> Hits:
    """Rows whose inner product with a query (float16, (n, dimensions)) is at least its floor (float32)."""
    if not rows.count or not len(queries):
        return _no_hits()
    if not has_kernels(rows.vectors.device):
        return _vectors_above_by_torch(rows, queries, floors)
    return _by_blocks(rows, queries, lambda _, start, end: floors[start:end], tiling)


def nearest_vectors(
    rows: VectorRows, queries: torch.Tensor, k: int, slack: float, tiling: Tiling | None = None
) -> Hits:
    """At least the `k` rows of largest product with each query, and all within `slack` of the k-th."""
    k = min(k, rows.count)
    if not k or not len(queries):
        return _no_hits()
    if not has_kernels(rows.vectors.device):
        best = _best_by_torch(rows, queries, k) - slack
        return _vectors_above_by_torch(rows, queries, best.clamp(min=LEAST_PRODUCT))

    def floors(best: torch.Tensor, start: int, end: int) -> torch.Tensor:
        if best.shape[1] < k:
            return best.new_full((end - start,), LEAST_PRODUCT)
        # k blocks reach this product, so at least k rows do.
        return best.topk(k, dim=1).values[:, -1].clamp(min=LEAST_PRODUCT) - slack

    return _by_blocks(rows, queries, floors, tiling)


def _by_blocks(
    rows: VectorRows,
    queries: torch.Tensor,
    floors_of: Callable[[torch.Tensor, int, int], torch.Tensor],
    tiling: Tiling | None,
) -> Hits:
    """Two passes: the best product of every block of rows, then the hits in blocks that reach a floor."""
    from indexer.index.gpu import kernels  # needs Triton

    tiling = tiling or (FEW if len(queries) <= 16 else SOME if len(queries) <= 32 else MANY)
    blocks = -(-rows.count // tiling.block)
    shape = {
        "SIZE": rows.vectors.shape[1],
        "STEP": tiling.step,
        "GROUP": tiling.group,
        "BLOCK": tiling.block,
        "num_warps": tiling.warps,
        "num_stages": tiling.stages,
    }
    found: list[Hits] = []
    for start in range(0, len(queries), tiling.queries):
        part = queries[start : start + tiling.queries].contiguous()
        groups = -(-len(part) // tiling.group)
        best = torch.empty((len(part), blocks), dtype=torch.float32, device=part.device)
        kernels.best_products[(groups * blocks,)](
            rows.vectors, rows.alive, rows.count, part, len(part), best, blocks, **shape
        )
        floors = floors_of(best, start, start + len(part)).contiguous()
        worth = (best >= floors[:, None]).any(dim=0).nonzero()[:, 0].to(torch.int32)
        if not len(worth):
            continue

        def launch(room: int, out: list[torch.Tensor], counter: torch.Tensor) -> None:
            kernels.products_above[(groups * len(worth),)](  # noqa: B023
                rows.vectors,
                rows.alive,
                rows.count,
                worth,  # noqa: B023
                part,  # noqa: B023
                len(part),  # noqa: B023
                floors,  # noqa: B023
                *out,
                counter,
                room,
                **shape,
            )

        places, of_query, products = _gathered(launch, rows.vectors.device, torch.float32)
        found.append((places, of_query + start, products))
    return _joined(found)


def _vectors_above_by_torch(rows: VectorRows, queries: torch.Tensor, floors: torch.Tensor) -> Hits:
    found: list[Hits] = []
    for start, products in _products_by_torch(rows, queries):
        is_hit = products >= floors[:, None]
        at = is_hit.nonzero()
        found.append(_on_host(at[:, 1] + start, at[:, 0], products[is_hit]))
    return _joined(found)


def _best_by_torch(rows: VectorRows, queries: torch.Tensor, k: int) -> torch.Tensor:
    """The k-th largest product of each query."""
    best = torch.full((len(queries), 0), -4.0, device=queries.device)
    for _, products in _products_by_torch(rows, queries):
        best = torch.cat([best, products], dim=1)
        best = best.topk(min(k, best.shape[1]), dim=1).values
    return best[:, -1]


def _products_by_torch(rows: VectorRows, queries: torch.Tensor):  # type: ignore[no-untyped-def]
    step = max(1024, TORCH_CHUNK_ELEMENTS // max(rows.vectors.shape[1], len(queries)))
    dtype = torch.float16 if rows.vectors.device.type == "cuda" else torch.float32
    for start in range(0, rows.count, step):
        end = min(rows.count, start + step)
        products = (queries.to(dtype) @ rows.vectors[start:end].to(dtype).T).float()
        yield start, products.masked_fill(rows.alive[start:end] == 0, -4.0)


def _gathered(
    launch: Callable[[int, list[torch.Tensor], torch.Tensor], None], device: torch.device, dtype: Any
) -> Hits:
    """Run a kernel that writes hits; again with more room where there were more."""
    room = FIRST_ROOM
    while True:
        out = [
            torch.empty(room, dtype=torch.int32, device=device),
            torch.empty(room, dtype=torch.int32, device=device),
            torch.empty(room, dtype=dtype, device=device),
        ]
        counter = torch.zeros(1, dtype=torch.int32, device=device)
        launch(room, out, counter)
        count = int(counter.item())
        if count <= room:
            return _on_host(*(one[:count] for one in out))
        room = 1 << count.bit_length()


def _padded(
    queries: torch.Tensor, radii: torch.Tensor, group: int, never: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Filled up to whole groups with queries that nothing is near to."""
    missing = -len(queries) % group
    if not missing:
        return queries.contiguous(), radii.contiguous()
    filler = queries[:1].expand(missing, -1)
    return torch.cat([queries, filler]), torch.cat([radii, radii.new_full((missing,), never)])


def _on_host(rows: torch.Tensor, queries: torch.Tensor, values: torch.Tensor) -> Hits:
    return (
        rows.cpu().numpy().astype(np.int64),
        queries.cpu().numpy().astype(np.int64),
        values.float().cpu().numpy(),
    )


def _no_hits() -> Hits:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)


def _joined(found: list[Hits]) -> Hits:
    if not found:
        return _no_hits()
    rows, queries, values = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(queries), np.concatenate(values)
