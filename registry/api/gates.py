"""How many may come in at a time, and how often: gates and token buckets.

Knows callers as names only. Used by the one event loop that serves requests; nothing here is locked.
"""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from registry.errors import Busy, LookupsExceeded, Overloaded, TooManyRequests


@dataclass(frozen=True)
class GateSize:
    """How many a gate lets in and lets wait, of one caller and in all."""

    at_once: int
    at_once_per_caller: int
    waiting: int
    waiting_per_caller: int
    wait_s: float  # then who waits is refused


class Turn:
    """One caller's place inside a gate; left once, however often `leave` is called."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave: Callable[[], None] | None = leave

    def leave(self) -> None:
        """Makes room for the next."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


class Gate:
    """Lets a bounded number in; others wait in order, past those whose caller has enough inside."""

    def __init__(self, size: GateSize) -> None:
        self._size = size
        self.refused = 0  # how many were sent away
        self._inside: Counter[str] = Counter()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    async def enter(self, caller: str) -> Turn:
        """Waits for a place. Raises TooManyRequests or Overloaded."""
        try:
            if self._has_room_for(caller):
                self._inside[caller] += 1
            else:
                await self._wait(caller)
        except Busy:
            self.refused += 1
            raise
        return Turn(lambda: self._leave(caller))

    @property
    def inside(self) -> int:
        """How many have their turn."""
        return self._inside.total()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def is_waited_at(self) -> bool:
        """Whether somebody would come in if somebody left."""
        return bool(self._waiting)

    async def _wait(self, caller: str) -> None:
        size = self._size
        if sum(1 for waiting, _ in self._waiting if waiting == caller) >= size.waiting_per_caller:
            raise TooManyRequests(f"{size.at_once_per_caller} at a time, {size.waiting_per_caller} waiting")
        if len(self._waiting) >= size.waiting:
            raise Overloaded("too many requests wait for their turn")
        place = caller, asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(size.wait_s):
                await place[1]
        except BaseException as error:
            if place in self._waiting:
                self._waiting.remove(place)
            elif place[1].done() and not place[1].cancelled():
                self._leave(caller)  # let in at the very moment
            if isinstance(error, TimeoutError):
                if self._inside[caller] >= size.at_once_per_caller:
                    raise TooManyRequests(f"no turn within {size.wait_s:g} seconds") from None
                raise Overloaded(f"no turn within {size.wait_s:g} seconds") from None
            raise

    def _has_room_for(self, caller: str) -> bool:
        size = self._size
        return self._inside.total() < size.at_once and self._inside[caller] < size.at_once_per_caller

    def _leave(self, caller: str) -> None:
        self._inside -= Counter({caller: 1})
        for place in list(self._waiting):
            waiting, let_in = place
            if self._has_room_for(waiting):
                self._waiting.remove(place)
                if not let_in.done():
                    self._inside[waiting] += 1
                    let_in.set_result(None)


class TokenBuckets:
    """How often each caller, and all together, may ask: a minute's worth at once, refilled steadily."""

    MOST_CALLERS = 10_000  # whoever has not asked for longest is forgotten

    def __init__(
        self, per_minute: int, per_minute_in_all: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_minute, self._in_all = per_minute, per_minute_in_all
        self._clock = clock
        self._all = float(per_minute_in_all), clock()  # tokens, and when they were counted
        self._by_caller: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Takes one token of the caller's and one of everybody's. Raises LookupsExceeded or Overloaded."""
        now = self._clock()
        mine = self._filled(
            self._by_caller.pop(caller, (float(self._per_minute), now)), self._per_minute, now
        )
        everybody = self._filled(self._all, self._in_all, now)
        self._by_caller[caller] = mine, now
        self._all = everybody, now
        if len(self._by_caller) > self.MOST_CALLERS:
            self._by_caller.popitem(last=False)
        if mine < 1:
            raise LookupsExceeded(f"{self._per_minute} a minute without an API key")
        if everybody < 1:
            raise Overloaded("too many look-ups without an API key")
        self._by_caller[caller] = mine - 1, now
        self._all = everybody - 1, now

    @staticmethod
    def _filled(counted: tuple[float, float], per_minute: int, now: float) -> float:
        tokens, at = counted
        return min(float(per_minute), tokens + (now - at) * per_minute / 60)
