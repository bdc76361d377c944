"""The rows of one segment on a device, and the hits of a scan as arrays on the host."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

# Places, query rows, and distances or products; in no particular order.
Hits = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]
LEAST_PRODUCT = -3.0  # any live row has a larger product, and a dead row has DEAD_PRODUCT
DEAD_PRODUCT = -4.0


@dataclass(frozen=True)
class CodeRows:
    """Codes on a device."""

    words: torch.Tensor  # int32 (words, capacity): word-major
    alive: torch.Tensor  # int8 (capacity,)
    count: int


@dataclass(frozen=True)
class VectorRows:
    """Vectors on a device."""

    vectors: torch.Tensor  # float16 (capacity, dimensions)
    alive: torch.Tensor  # int8 (capacity,)
    count: int


def signs_of(codes: torch.Tensor) -> torch.Tensor:
    """(n, words) int32 -> (n, 32 * words) int8 of -1 and 1, the lowest bit of the first word first."""
    shifts = torch.arange(32, device=codes.device, dtype=torch.int32)
    bits = (codes[:, :, None] >> shifts) & 1
    return (bits * 2 - 1).to(torch.int8).reshape(len(codes), -1).contiguous()


def on_host(rows: torch.Tensor, queries: torch.Tensor, values: torch.Tensor) -> Hits:
    """Hits from tensors on any device."""
    return (
        rows.cpu().numpy().astype(np.int64),
        queries.cpu().numpy().astype(np.int64),
        values.float().cpu().numpy(),
    )


def no_hits() -> Hits:
    """No hit at all."""
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)


def merge_hits(found: list[Hits]) -> Hits:
    """All hits of several scans."""
    if not found:
        return no_hits()
    rows, queries, values = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(queries), np.concatenate(values)
