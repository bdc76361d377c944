"""Thread limits: requests run beside each other on one core each, and libraries split no work of theirs."""

import cv2
import torch
from threadpoolctl import threadpool_limits

from indexer.media.allocator import keep_freed_memory


def use_one_core_per_request() -> None:
    """Limits OpenCV, torch and every BLAS to one thread per call, in this process and from now on.

    Two threads for a matrix of 64 rows cost up to four times as much as one, as soon as the other core has
    work of its own. FAISS is limited where it searches, since its limit holds for one thread only.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
    keep_freed_memory()
