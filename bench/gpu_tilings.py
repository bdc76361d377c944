"""Times other tilings of the GPU's kernels on ten million rows, for whoever brings another card.

python -m bench.gpu_tilings
"""

from collections.abc import Callable

import torch

from bench.gpu import BATCHES, NEAREST, ORIENTATIONS, RADIUS, SLACK, code_rows, median_ms, vector_rows
from indexer.index.gpu import by_kernels
from indexer.index.gpu.by_kernels import Tiling


def tune_codes() -> None:
    """Times the kernels for codes."""
    rows, queries, _ = code_rows(10_000_000)
    tilings = {
        by_kernels.codes_within_by_bits: [
            Tiling(block, 8, warps) for block, warps in ((256, 4), (512, 4), (512, 8))
        ],
        by_kernels.codes_within_by_products: [
            Tiling(*tiling)
            for tiling in (
                (128, 64, 4),
                (128, 128, 4),
                (128, 128, 8),
                (64, 128, 4),
                (64, 256, 4),
                (128, 256, 8),
                (128, 256, 4),
                (256, 128, 8),
            )
        ],
    }
    for scan, tried in tilings.items():
        for tiling in tried:
            said = []
            for batch in BATCHES:
                asked = queries[: batch * ORIENTATIONS]
                radii = torch.full((len(asked),), RADIUS, dtype=torch.int32, device="cuda")
                said.append(_tried(lambda: scan(rows, asked, radii, tiling)))  # noqa: B023
            print(scan.__name__, tiling, said, flush=True)


def tune_vectors() -> None:
    """Times the kernels for inner products."""
    rows, queries, _ = vector_rows(10_000_000)
    for batch, tried in {
        1: [Tiling(*tiling) for tiling in ((64, 16, 4), (128, 16, 4), (128, 16, 8), (256, 16, 8))],
        32: [
            Tiling(*tiling) for tiling in ((128, 32, 4), (256, 32, 8), (256, 32, 4), (128, 32, 4, 128, 3))
        ],
        1024: [
            Tiling(128, 128, 4),
            Tiling(256, 128, 8),
            Tiling(128, 256, 8),
            Tiling(128, 256, 8, 64, 4),
            Tiling(256, 128, 8, 64, 4),
            Tiling(128, 256, 8, 64, 3, queries=1024),
            Tiling(256, 128, 8, 64, 3, queries=1024),
        ],
    }.items():
        for tiling in tried:
            asked = queries[:batch].contiguous()
            ms = _tried(lambda: by_kernels.nearest_vectors(rows, asked, NEAREST, SLACK, tiling))  # noqa: B023
            print("nearest_vectors", batch, tiling, ms, flush=True)


def _tried(work: Callable[[], object]) -> float | str:
    try:
        return round(median_ms(work, 0.3), 3)
    except Exception as error:  # a tiling that this card has no room for
        return f"{type(error).__name__}: {str(error)[:80]}"


def main() -> None:
    """Prints a line for every tiling."""
    tune_codes()
    torch.cuda.empty_cache()
    tune_vectors()


if __name__ == "__main__":
    main()
