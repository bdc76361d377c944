"""Checks that the benchmarks still fit the code that they measure.

    python -m bench.check

Imports every benchmark, runs the work behind each stage table once, and fails where a function of a table
is not called any more: its time would silently count for another stage.
"""

import importlib
import importlib.util
import pkgutil
import sys

import bench
from bench import match_stages, pair_stages
from bench.shares import uncalled
from bench.speed import demonstration, distractor, edited, megapixel_photograph

NEED_TRITON = ("gpu", "gpu_tilings")  # which comes with torch for CUDA


def main() -> int:
    """Returns 0 where everything fits, and else names on standard error what does not."""
    has_triton = importlib.util.find_spec("triton") is not None
    for module in pkgutil.iter_modules(bench.__path__):
        if has_triton or module.name not in NEED_TRITON:
            importlib.import_module(f"bench.{module.name}")
    missed = uncalled(pair_stages.STAGES, list(pair_stages.comparisons().values()))
    with demonstration() as (services, _):
        uploads = (edited(megapixel_photograph()), distractor())
        matches = [match_stages.one_match(services, upload) for upload in uploads]
        missed += uncalled(match_stages.STAGES, matches)
    for name in missed:
        print(f"{name} stands in a stage table and is never called", file=sys.stderr)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
