"""One core for one request: requests run beside each other; libraries that split small tasks only wait."""

import cv2
import torch
from threadpoolctl import threadpool_limits

from indexer.media.allocator import keep_freed_memory


def use_one_core_per_request() -> None:
    """For this process, from now on: OpenCV, torch and every BLAS use one thread for what one thread asks.

    Two threads for one matrix of 64 rows cost up to four times one, as soon as the other core has work of
    its own. FAISS is told where it searches, thread by thread.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
    keep_freed_memory()
