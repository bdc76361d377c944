"""One bounded look at what a node depends on, shared by all who ask whether it is ready."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from registry.errors import DatabaseFrozen, IndexStale
from registry.index.access import IndexState

ANSWERED_WITHIN_S = 2.0
STALE_AFTER_S = 10.0


def require_current(state: IndexState) -> None:
    """Raises IndexStale where an index has not followed its rows for long."""
    if state.lag and state.age_s > STALE_AFTER_S:
        raise IndexStale(f"the index is {state.lag} changes behind for {state.age_s:.0f} s")


class Readiness:
    """Runs `require_ready` in a thread of its own, once at a time; it raises what is wrong."""

    def __init__(self, require_ready: Callable[[], None]) -> None:
        self._require_ready = require_ready
        self._thread = ThreadPoolExecutor(1, "readiness")
        self._look: asyncio.Future[None] | None = None

    async def require(self) -> None:
        """Raises what is wrong; DatabaseFrozen where the look does not end."""
        loop = asyncio.get_running_loop()
        if self._look is None or self._look.done() or self._look.get_loop() is not loop:
            self._look = loop.run_in_executor(self._thread, self._require_ready)
            self._look.add_done_callback(_retrieved)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                await asyncio.shield(self._look)
        except TimeoutError:
            raise DatabaseFrozen(f"no answer within {ANSWERED_WITHIN_S:g} seconds") from None


def _retrieved(look: "asyncio.Future[None]") -> None:
    """Whoever asked may be gone: an error that nobody waits for is no fault."""
    with suppress(asyncio.CancelledError):
        look.exception()
