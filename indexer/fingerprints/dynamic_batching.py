"""Dynamic batching: pictures of requests that wait are described in one pass.

A device takes hardly longer for ten pictures than for one.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from indexer.fingerprints.kinds import Vectors
from indexer.media.images import Pixels

Describe = Callable[[list[Pixels]], Vectors]


@dataclass
class _WaitingCall:
    frames: list[Pixels]
    vectors: Vectors | None = None
    error: Exception | None = None

    @property
    def answered(self) -> bool:
        return self.vectors is not None or self.error is not None


class DynamicBatcher:
    """Merges the calls of many threads: the first that gets its turn runs for all that wait by then.

    No call waits for others to come. While one pass runs, calls gather for the next.
    """

    def __init__(self, describe: Describe, max_frames: int) -> None:
        self._describe, self._max_frames = describe, max_frames
        self._arriving = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_WaitingCall] = []

    def __call__(self, frames: list[Pixels]) -> Vectors:
        """Describes (h, w, 3) uint8 frames as (n, dimensions); raises whatever the pass raises."""
        mine = _WaitingCall(frames)
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
            vectors = self._describe([frame for call in taken for frame in call.frames])
        except Exception as error:
            if len(taken) > 1:  # each call runs by itself, so that only the one at fault fails
                for call in taken:
                    self._alone(call)
                return
            taken[0].error = error
            return
        ends = np.cumsum([len(call.frames) for call in taken])
        for call, part in zip(taken, np.split(vectors, ends[:-1]), strict=True):
            call.vectors = part

    def _alone(self, call: _WaitingCall) -> None:
        try:
            call.vectors = self._describe(call.frames)
        except Exception as error:
            call.error = error

    def _take(self) -> list[_WaitingCall]:
        """Takes as many calls as fit one pass, in the order of arrival; the first whatever its size."""
        with self._arriving:
            count, frames = 0, 0
            for call in self._waiting:
                frames += len(call.frames)
                if count and frames > self._max_frames:
                    break
                count += 1
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
            return taken
