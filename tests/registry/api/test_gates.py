import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from registry.api.gates import Gate, GateSize, TokenBuckets, Turn
from registry.errors import LookupsExceeded, Overloaded, TooManyRequests


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def begun(entering: Coroutine[Any, Any, Turn]) -> asyncio.Task[Turn]:
    return asyncio.create_task(entering)


def test_who_finds_no_room_waits_in_order_and_nobody_leaves_twice() -> None:
    async def story() -> None:
        gate = Gate(GateSize(1, 1, 9, 9, wait_s=60))
        inside = await gate.enter("a")
        first, second = begun(gate.enter("b")), begun(gate.enter("c"))
        await settled()
        assert not first.done()
        inside.leave()
        inside.leave()
        await settled()
        assert first.done()
        assert not second.done()
        first.result().leave()
        (await second).leave()

    asyncio.run(story())


def test_one_caller_keeps_out_nobody_else() -> None:
    async def story() -> None:
        gate = Gate(GateSize(3, 2, 3, 2, wait_s=60))
        turns = [await gate.enter("greedy"), await gate.enter("greedy")]
        waiting = [begun(gate.enter("greedy")), begun(gate.enter("greedy"))]
        await settled()
        with pytest.raises(TooManyRequests):
            await gate.enter("greedy")
        turns.append(await gate.enter("modest"))  # past those who wait
        also = begun(gate.enter("modest"))
        await settled()
        with pytest.raises(Overloaded):
            await gate.enter("another")
        turns[2].leave()
        assert (await also) is not None
        for task in waiting:
            task.cancel()

    asyncio.run(story())


def test_who_waits_in_vain_is_refused_and_who_hangs_up_is_forgotten() -> None:
    async def story() -> None:
        gate = Gate(GateSize(1, 1, 1, 1, wait_s=0.02))
        inside = await gate.enter("a")
        with pytest.raises(TooManyRequests):
            await gate.enter("a")
        with pytest.raises(Overloaded):
            await gate.enter("b")
        gone = begun(gate.enter("c"))
        await settled()
        gone.cancel()
        await settled()
        late = begun(gate.enter("d"))
        await settled()
        inside.leave()
        late.cancel()  # at the very moment that it is let in
        await settled()
        (await gate.enter("e")).leave()

    asyncio.run(story())


def test_tokens_come_back_steadily_and_are_everybodys_too() -> None:
    now = [0.0]
    buckets = TokenBuckets(2, 3, clock=lambda: now[0])
    buckets.take("a")
    buckets.take("a")
    with pytest.raises(LookupsExceeded):
        buckets.take("a")
    buckets.take("b")
    with pytest.raises(Overloaded):
        buckets.take("c")
    now[0] = 30.0
    buckets.take("a")
    with pytest.raises(LookupsExceeded):
        buckets.take("a")
    assert LookupsExceeded.status == 429
