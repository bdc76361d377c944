"""Pictures of requests that wait are described in one pass: a device takes hardly longer for ten than for
one."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from indexer.fingerprints.kinds import Vectors
from indexer.media.images import Pixels

Describe = Callable[[list[Pixels]], Vectors]


@dataclass
class _Waiting:
    frames: list[Pixels]
    vectors: Vectors | None = None
    error: Exception | None = None

    @property
    def answered(self) -> bool:
        return self.vectors is not None or self.error is not None


class DynamicBatcher:
    """Calls of many threads, joined: who comes first runs for all who have come until then.

    Nobody waits for others to come; while one pass runs, the next gathers.
    """

    def __init__(self, describe: Describe, most: int) -> None:
        self._describe, self._most = describe, most
        self._arriving = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Waiting] = []

    def __call__(self, frames: list[Pixels]) -> Vectors:
        """(h, w, 3) uint8 frames to (n, dimensions); whatever the pass raises."""
        mine = _Waiting(frames)
        with self._arriving:
            self._waiting.append(mine)
        with self._turn:
            while not mine.answered:
                self._pass()
        if mine.error is not None:
            raise mine.error
        assert mine.vectors is not None
        return mine.vectors

    def _pass(self) -> None:
        taken = self._take()
        try:
            vectors = self._describe([frame for one in taken for frame in one.frames])
        except Exception as error:
            if len(taken) > 1:  # whose fault it was is found out one by one
                for one in taken:
                    self._alone(one)
                return
            taken[0].error = error
            return
        ends = np.cumsum([len(one.frames) for one in taken])
        for one, part in zip(taken, np.split(vectors, ends[:-1]), strict=True):
            one.vectors = part

    def _alone(self, one: _Waiting) -> None:
        try:
            one.vectors = self._describe(one.frames)
        except Exception as error:
            one.error = error

    def _take(self) -> list[_Waiting]:
        """In the order of arrival, as many as fit one pass; the first whatever its size."""
        with self._arriving:
            count, frames = 0, 0
            for one in self._waiting:
                frames += len(one.frames)
                if count and frames > self._most:
                    break
                count += 1
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
            return taken
