"""One round: all witnesses are asked at once to cosign one head of the log, each in its own time.

It runs on an event loop of its own, in a thread, so that what answers slowly holds nothing else. No
transaction is open while a witness is waited for.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2
from sqlalchemy import Engine

from registry.errors import LogDiverged
from registry.log.transparency_log import tile_reader
from registry.log.witness_client import Answer, Contradicted, NotAnswered, OtherSize, ask
from registry.log.witnessed_checkpoints import Head, committed_head
from registry.storage.db import transaction
from sdk.add_checkpoint import AddCheckpoint
from sdk.cosignature import Cosignature
from sdk.merkle import BadProof, verify_consistency
from sdk.tiles import consistency_proof, tree_root
from sdk.witness_policy import NamedWitness, WitnessPolicy

SIZES_TRIED = 3  # of one witness for one head: it may be asked by another process meanwhile
WORKED_WITHIN_S = 30.0  # what the database takes for a round, beside what the witnesses take
STARTED_WITHIN_S = 10.0
T = TypeVar("T")
logger = logging.getLogger(__name__)


class Overtaken:
    """The witness has cosigned a newer head of this log, which another process of it sent."""


@dataclass
class AskedWitness:
    """A witness, and what is known of it in this process. Changed by the loop's thread alone."""

    witness: NamedWitness
    size: int | None = None  # that it cosigned last, as far as is known here
    newest: Cosignature | None = None
    said: str | None = None  # why it did not cosign when it was asked last
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class WitnessRounds:
    """Asks the witnesses of one policy; `contradicted` is called in a thread when one knows another log."""

    def __init__(
        self,
        engine: Engine,
        policy: WitnessPolicy,
        timeout_s: float,
        contradicted: Callable[[NamedWitness, str], None],
    ) -> None:
        self.asked = tuple(AskedWitness(witness) for witness in policy.witnesses)
        self._engine, self._policy, self._timeout_s = engine, policy, timeout_s
        self._contradicted = contradicted
        self._under_way: set[asyncio.Task[Any]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witnesses", daemon=True)

    def start(self) -> None:
        """Starts the loop."""
        self._thread.start()
        self._started.wait(STARTED_WITHIN_S)

    def stop(self) -> None:
        """Stops it; whoever waits for a round is told that it was cancelled."""
        with suppress(RuntimeError):  # it was stopped before
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(STARTED_WITHIN_S)

    def ask_all(self, head: Head, *, everyone: bool) -> list[Answer | Overtaken]:
        """Returns what the witnesses answered until they were enough, or with `everyone` all of it.

        Raises what the database raises; TimeoutError; CancelledError or RuntimeError when it is stopped.
        """
        gathering = self._gather(head, everyone=everyone)
        try:
            asking = asyncio.run_coroutine_threadsafe(gathering, self._loop)
        except RuntimeError:  # the loop is closed
            gathering.close()
            raise
        return asking.result(self._timeout_s + WORKED_WITHIN_S)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        async with httpx2.AsyncClient(timeout=self._timeout_s, follow_redirects=False) as self._client:
            self._started.set()
            await self._ending.wait()
            for task in tuple(self._under_way):
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _gather(self, head: Head, *, everyone: bool) -> list[Answer | Overtaken]:
        tasks = [self._begun(self._ask(asked, head)) for asked in self.asked]
        answers: list[Answer | Overtaken] = []
        for finished in asyncio.as_completed(tasks):
            answers.append(await finished)
            keys = [answer.key for answer in answers if isinstance(answer, Cosignature)]
            if isinstance(answers[-1], Contradicted) or (not everyone and self._policy.is_met(keys)):
                break
        return answers  # the others go on in their time: one of them may contradict

    def _begun(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.warning("a witness could not be asked", exc_info=task.exception())

    async def _ask(self, asked: AskedWitness, head: Head) -> Answer | Overtaken:
        try:
            async with asyncio.timeout(self._timeout_s), asked.turn:
                answer = await self._ask_in_turn(asked, head)
        except TimeoutError:
            answer = NotAnswered(f"it does not answer within {self._timeout_s:g} s")
        asked.said = answer.why if isinstance(answer, NotAnswered | Contradicted) else None
        if isinstance(answer, Cosignature):
            asked.newest = answer
        if isinstance(answer, Contradicted):
            await asyncio.to_thread(self._contradicted, asked.witness, answer.why)
        return answer

    async def _ask_in_turn(self, asked: AskedWitness, head: Head) -> Answer | Overtaken:
        # Where its size is not known, the newest is sent again: one that knows a larger log says so.
        old = head.size if asked.size is None else min(asked.size, head.size)
        for _ in range(SIZES_TRIED):
            request = await asyncio.to_thread(self._request, head, old)
            answer = await ask(self._client, asked.witness, request)
            if isinstance(answer, Cosignature):
                asked.size = head.size
            if not isinstance(answer, OtherSize):
                return answer
            asked.size = old = answer.size
            if answer.size > head.size:
                return await asyncio.to_thread(self._is_ahead, answer.size)
        return NotAnswered("its size changes while it is asked")

    def _is_ahead(self, size: int) -> Contradicted | Overtaken:
        """Whether another process of this log sent more meanwhile, or the log here is an older copy."""
        with transaction(self._engine) as session:
            here = committed_head(session).size  # read after the answer: heads are committed before
        if size <= here:
            return Overtaken()
        return Contradicted(
            f"it cosigned this log with {size} entries, and {here} are here: an old backup was restored, "
            "or another copy of this registry signs"
        )

    def _request(self, head: Head, old: int) -> AddCheckpoint:
        with transaction(self._engine) as session:
            read = tile_reader(session)
            proof = consistency_proof(read, old, head.size)
            old_root = tree_root(read, old)
        try:
            verify_consistency(old, head.size, proof, old_root, head.root)
        except BadProof as error:  # else a witness would say that the log forked, where it is damaged
            raise LogDiverged(f"the tiles of the log do not lead to its head: {error}") from error
        return AddCheckpoint(old, tuple(proof), head.note)
