"""A request uses one core, whatever libraries it passes through."""

import subprocess
import sys

PROGRAM = """
import cv2, numpy, torch
from threadpoolctl import threadpool_info
from indexer.thread_limits import use_one_core_per_request
numpy.ones((8, 8)) @ numpy.ones((8, 8))
use_one_core_per_request()
print(cv2.getNumThreads(), torch.get_num_threads())
print({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})
"""


def test_every_library_uses_one_thread() -> None:
    # In a process of its own: threads of a library are set for good.
    printed = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert printed.stdout.split("\n")[:2] == ["1 1", "{1}"]
