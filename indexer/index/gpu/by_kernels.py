"""Exact scans by the Triton kernels: how they are launched, and with which tilings. See `scans`."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Any

import torch

from indexer.index.gpu import kernels
from indexer.index.gpu.rows import LEAST_PRODUCT, CodeRows, Hits, VectorRows, merge_hits, on_host, signs_of

FIRST_ROOM = 1 << 16  # hits; a scan that finds more is repeated with enough room
HAS_POPC = os.environ.get("TRITON_INTERPRET") != "1"  # popc is PTX, which Triton's interpreter lacks


@dataclass(frozen=True)
class Tiling:
    """What one program of a kernel holds. Chosen by measurement on an H200 (docs/performance.md)."""

    block: int  # rows
    group: int  # queries at once
    warps: int
    step: int = 64  # dimensions at once
    stages: int = 3
    queries: int = 256  # in one pass: bounds the memory for the best product of every block


BITS = Tiling(512, 8, 4)
SIGNS = Tiling(64, 128, 4)
FEW, SOME, MANY = Tiling(256, 16, 8), Tiling(256, 32, 8), Tiling(128, 128, 4)


@cache
def first_words(radius: int, words: int) -> int:
    """How many words, at least two, nearly always show that a block of unrelated rows is too far away."""
    for first in range(2, words):
        bits = first * 32
        chance = sum(comb(bits, near) for near in range(min(radius, bits) + 1)) / 2.0**bits
        if chance * 4096 < 0.05:
            return first
    return words


def codes_within_by_bits(
    rows: CodeRows, queries: torch.Tensor, radii: torch.Tensor, tiling: Tiling = BITS
) -> Hits:
    """See scans. By counting the bits that differ."""
    queries, radii = _padded(queries, radii, tiling.group, -1)
    first = first_words(int(radii.max()), rows.words.shape[0])
    return _codes_within(kernels.hamming_within, rows, [queries, radii], first, tiling)


def codes_within_by_products(
    rows: CodeRows, queries: torch.Tensor, radii: torch.Tensor, tiling: Tiling = SIGNS
) -> Hits:
    """See scans. By matrix products of signs on the tensor cores."""
    words = rows.words.shape[0]
    queries, radii = _padded(queries, radii, tiling.group, -1)
    first = first_words(int(radii.max()), words)
    # The product needs a power of two.
    first = next(power for power in (2, 4, 8) if power >= min(first, words))
    query_tensors = [signs_of(queries), queries, radii]
    return _codes_within(kernels.hamming_within_by_products, rows, query_tensors, first, tiling)


def _codes_within(
    kernel: Any,  # Triton's kernels have no types
    rows: CodeRows,
    query_tensors: list[torch.Tensor],  # in the kernel's order, radii last
    first: int,
    tiling: Tiling,
) -> Hits:
    def launch(room: int, out: list[torch.Tensor], counter: torch.Tensor) -> None:
        kernel[(-(-rows.count // tiling.block),)](
            rows.words,
            rows.words.stride(0),
            rows.alive,
            rows.count,
            *query_tensors,
            len(query_tensors[-1]),
            *out,
            counter,
            room,
            WORDS=rows.words.shape[0],
            FIRST=first,
            GROUP=tiling.group,
            BLOCK=tiling.block,
            HAS_POPC=HAS_POPC,
            num_warps=tiling.warps,
        )

    return _collect_hits(launch, rows.words.device, torch.int32)


def vectors_above(
    rows: VectorRows, queries: torch.Tensor, floors: torch.Tensor, tiling: Tiling | None = None
) -> Hits:
    """See scans."""
    return _by_blocks(rows, queries, lambda _, start, end: floors[start:end], tiling)


def nearest_vectors(
    rows: VectorRows, queries: torch.Tensor, k: int, slack: float, tiling: Tiling | None = None
) -> Hits:
    """See scans."""

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
    """Two passes find the best product in every block, then the hits in blocks that reach a floor."""
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
        reaching = (best >= floors[:, None]).any(dim=0).nonzero()[:, 0].to(torch.int32)
        if len(reaching):
            places, query_rows, products = _hits_in(rows, reaching, part, floors, groups, shape)
            found.append((places, query_rows + start, products))
    return merge_hits(found)


def _hits_in(
    rows: VectorRows,
    blocks: torch.Tensor,
    queries: torch.Tensor,
    floors: torch.Tensor,
    groups: int,
    shape: dict[str, int],
) -> Hits:
    def launch(room: int, out: list[torch.Tensor], counter: torch.Tensor) -> None:
        kernels.products_above[(groups * len(blocks),)](
            rows.vectors,
            rows.alive,
            rows.count,
            blocks,
            queries,
            len(queries),
            floors,
            *out,
            counter,
            room,
            **shape,
        )

    return _collect_hits(launch, rows.vectors.device, torch.float32)


def _collect_hits(
    launch: Callable[[int, list[torch.Tensor], torch.Tensor], None], device: torch.device, dtype: Any
) -> Hits:
    """Run a kernel that writes hits; run it again with more room if it found more than fit."""
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
            return on_host(*(column[:count] for column in out))
        room = 1 << count.bit_length()


def _padded(
    queries: torch.Tensor, radii: torch.Tensor, group: int, no_radius: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and radii, padded to whole groups with queries whose radius `no_radius` no row is within."""
    missing = -len(queries) % group
    if not missing:
        return queries.contiguous(), radii.contiguous()
    filler = queries[:1].expand(missing, -1)
    return torch.cat([queries, filler]), torch.cat([radii, radii.new_full((missing,), no_radius)])
