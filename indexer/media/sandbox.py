"""A pool of limited child processes that turn untrusted bytes into pixels.

The children are spawned, never forked (a forked child inherits locks of threads it does not have),
with an empty environment and no secrets. A child that dies or stalls costs its own upload only.
"""

import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

import numpy as np

from indexer.media.errors import BY_NAME, DecoderStopped, TooLarge
from indexer.media.images import DecodedImage
from indexer.media.limits import ImageLimits, WorkerLimits
from indexer.media.worker import arguments, read_message, write_message

_SOURCE_ROOT = Path(__file__).resolve().parents[2]


class _Worker:
    """One child process. Used by one thread at a time; the pool's queue sees to that."""

    def __init__(self, image_limits: ImageLimits, limits: WorkerLimits) -> None:
        self._limits = limits
        self.files_left = limits.files_before_recycling
        self._process = subprocess.Popen(
            [sys.executable, "-m", "indexer.media.worker", *arguments(image_limits, limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join([str(_SOURCE_ROOT)]), "OPENBLAS_NUM_THREADS": "1"},
            close_fds=True,
        )
        header, _ = read_message(self._out)
        self.system_calls_filtered = bool(header["system_calls_filtered"])

    @property
    def _in(self) -> BinaryIO:
        return cast(BinaryIO, self._process.stdin)

    @property
    def _out(self) -> BinaryIO:
        return cast(BinaryIO, self._process.stdout)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def decode(self, payload: bytes) -> DecodedImage:
        timer = threading.Timer(self._limits.wall_time_s, self._process.kill)
        timer.start()
        try:
            write_message(self._in, {}, payload)
            header, pixels = read_message(self._out)
        except (EOFError, BrokenPipeError):
            self.close()
            raise DecoderStopped("the decoder ran out of time or memory on this file") from None
        finally:
            timer.cancel()
        self.files_left -= 1
        if "error" in header:
            raise BY_NAME[str(header["error"])](str(header["reason"]))
        shape = cast(list[int], header["shape"])
        return DecodedImage(
            pixels=np.frombuffer(pixels, dtype=np.uint8).reshape(shape),
            media_type=str(header["media_type"]),
            width=cast(int, header["width"]),
            height=cast(int, header["height"]),
            jpeg_quality=cast("int | None", header["jpeg_quality"]),
        )

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        with suppress(BrokenPipeError):  # what could not be flushed is lost with the process
            self._in.close()


class DecoderPool:
    """Decodes images in limited processes; safe to call from many threads."""

    def __init__(
        self,
        workers: int,
        image_limits: ImageLimits | None = None,
        worker_limits: WorkerLimits | None = None,
    ) -> None:
        self.image_limits = image_limits or ImageLimits()
        self._worker_limits = worker_limits or WorkerLimits()
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)  # started when first needed

    def decode(self, payload: bytes) -> DecodedImage:
        """Decode one image. Raises a MediaError; blocks while all workers are busy."""
        if len(payload) > self.image_limits.max_bytes:
            raise TooLarge(f"{len(payload)} bytes; at most {self.image_limits.max_bytes} are read")
        worker = self._idle.get()
        try:
            worker = self._usable(worker)
            return worker.decode(payload)
        finally:
            self._idle.put(worker)

    def isolation(self) -> str:
        """In words, how tightly the decoder is held here (for `doctor`)."""
        worker = self._usable(self._idle.get())
        self._idle.put(worker)
        if worker.system_calls_filtered:
            return "limited process: memory, time, no network, no new programs"
        return "limited process: memory and time only (no system-call filter on this platform)"

    def _usable(self, worker: _Worker | None) -> _Worker:
        if worker and worker.alive and worker.files_left > 0:
            return worker
        if worker:
            worker.close()
        return _Worker(self.image_limits, self._worker_limits)

    def close(self) -> None:
        """Stop every child process."""
        while not self._idle.empty():
            worker = self._idle.get()
            if worker:
                worker.close()

    def __enter__(self) -> "DecoderPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
