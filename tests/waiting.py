"""Waits for what comes to hold by itself."""

import time
from collections.abc import Callable

SOON_S = 60.0


def soon(is_true: Callable[[], bool]) -> bool:
    """Whether it comes to hold within a minute."""
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        if is_true():
            return True
        time.sleep(0.02)
    return False
