"""A dozen cases of every way in which `bench.faults` breaks a registry; nothing answered is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("subjects", [("kills", "storage", "boundary"), ("clock",)], ids="-".join)
def test_nothing_that_was_answered_is_lost_whatever_breaks(subjects: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.faults", "--small", *subjects],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if "is not installed" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
