"""The benchmarks are no part of the tests, but they must not rot: their own check runs as a program."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_every_benchmark_can_be_imported_and_every_timed_function_is_still_called() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "bench.check"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert checked.returncode == 0, checked.stderr
