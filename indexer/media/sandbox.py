"""A pool of limited child processes that turn untrusted bytes into pixels and audio samples.

The children are spawned and never forked, since a forked child inherits locks of threads that it does not
have. Their environment holds no secrets. A child that dies or stalls costs its own upload only.
"""

import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

import numpy as np

from indexer.media import allocator, privileges
from indexer.media.answers import (
    MOST_BODY_BYTES,
    end_in,
    frame_in,
    image_in,
    info_in,
    layers_in,
    notes_in,
    samples_in,
)
from indexer.media.audio import SAMPLE_RATE, Samples
from indexer.media.errors import BY_NAME, DecoderStopped, TooLarge, UnsupportedFormat
from indexer.media.frames import Frame, VideoInfo
from indexer.media.images import DecodedImage, Pixels
from indexer.media.limits import MEBIBYTE, ImageLimits, Limits, VideoLimits, WorkerLimits
from indexer.media.lockdown import Layer
from indexer.media.messages import BadMessage, Message, read_message, write_message

BROKE_DOWN = "the decoder broke down on this file"
WORKER = "indexer.media.worker"
# Of sound and pictures beyond the limit: the last one that is decoded may go beyond it.
SPARE_SECONDS = 60
_SOURCE_ROOT = Path(__file__).resolve().parents[2]


class _Worker:
    """One child process. Used by one thread at a time; the pool's queue sees to that."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._video_limits = limits.worker, limits.video
        self._ends_at = math.inf  # by the monotonic clock: what is read now must have been read
        self.files_left = limits.worker.files_before_recycling
        self.has_unread_messages = False  # of an answer that was not read to its end
        self._process = subprocess.Popen(
            # -P: nothing is imported from the folder that the program happens to be started in.
            [sys.executable, "-P", "-m", WORKER, *limits.arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                "PYTHONPATH": os.pathsep.join([str(_SOURCE_ROOT)]),
                "OPENBLAS_NUM_THREADS": "1",
                **allocator.environment(),
            },
            close_fds=True,
            process_group=0,  # Ctrl-C is meant for the program that asks, which then ends this one
        )
        header, _ = self._in_time(lambda: None)
        self.layers = layers_in(header)

    @property
    def _in(self) -> BinaryIO:
        return cast(BinaryIO, self._process.stdin)

    @property
    def _out(self) -> BinaryIO:
        return cast(BinaryIO, self._process.stdout)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: dict[str, object], payload: bytes) -> Message:
        """Sends a request and returns the first message of the answer. Raises a MediaError."""
        self.files_left -= 1
        self._ends_at = time.monotonic() + self._video_limits.wall_time_s
        return self._in_time(lambda: write_message(self._in, request, payload))

    def next_message(self) -> Message:
        """Returns a further message of the answer. Raises a MediaError."""
        return self._in_time(lambda: None)

    def _in_time(self, send: Any) -> Message:
        too_long = threading.Event()

        def stop() -> None:
            too_long.set()
            self._process.kill()

        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:  # also where it is whoever reads that takes so long
            self.close()
            raise DecoderStopped(self._took_longer_than(self._video_limits.wall_time_s))
        timer = threading.Timer(min(self._limits.wall_time_s, left_s), stop)
        timer.start()
        try:
            send()
            header, body = read_message(self._out, MOST_BODY_BYTES)
        except (EOFError, BrokenPipeError):
            with suppress(subprocess.TimeoutExpired):  # its end of the pipe is closed: it is about to go
                self._process.wait(1.0)
            reason = self._why_stopped(too_long.is_set(), left_s)
            self.close()
            raise DecoderStopped(reason) from None
        finally:
            timer.cancel()
        self.has_unread_messages = header.get("is") == "video" or "time_ms" in header
        if "error" in header:
            raise BY_NAME.get(str(header["error"]), DecoderStopped)(str(header.get("reason")))
        return header, body

    def _took_longer_than(self, seconds: float) -> str:
        return f"reading this file takes longer than {seconds:g} seconds"

    def _why_stopped(self, too_long: bool, left_s: float) -> str:
        """Names the limit that the process met, as far as its exit status tells."""
        limits = self._limits
        if too_long:
            whole = left_s < limits.wall_time_s
            return self._took_longer_than(self._video_limits.wall_time_s if whole else limits.wall_time_s)
        if self._process.poll() == -signal.SIGXCPU:
            return (
                f"reading this file takes more computing time than a picture ({limits.cpu_time_s} seconds) "
                f"or a video ({self._video_limits.cpu_time_s} seconds) may take"
            )
        memory = limits.address_space_bytes // MEBIBYTE
        return f"{BROKE_DOWN}, or needed more than {memory} MiB of memory for it"

    def kill(self) -> None:
        """Ends the process; whoever reads from it, in another thread, closes the rest."""
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        with suppress(BrokenPipeError):  # what was not flushed is lost with the process
            self._in.close()


class VideoReading:
    """A video that is being decoded; its frames can be read once, in the order of time."""

    def __init__(self, worker: _Worker, info: VideoInfo, most_frames: int) -> None:
        self._worker = worker
        self._most_frames = most_frames  # of an honest decoder
        self.info = info
        # Both are known after the last frame.
        self.notes: tuple[str, ...] = ()  # what could not be decoded
        self.end_ms = 0  # when the last frame ceases to be shown

    def frames(self) -> Iterator[Frame]:
        """Yields the frames of the track. Raises a MediaError."""
        for _ in range(self._most_frames + 1):
            header, body = self._worker.next_message()
            if header.get("end"):
                self.notes, self.end_ms = notes_in(header), end_in(header)
                return
            yield frame_in(header, body)
        raise BadMessage("more frames than were asked for")


class DecoderPool:
    """Decodes images and videos in limited processes; safe to call from many threads."""

    def __init__(
        self,
        workers: int,
        image_limits: ImageLimits | None = None,
        worker_limits: WorkerLimits | None = None,
        video_limits: VideoLimits | None = None,
    ) -> None:
        self.limits = Limits(
            image_limits or ImageLimits(), video_limits or VideoLimits(), worker_limits or WorkerLimits()
        )
        self._layers: tuple[Layer, ...] | None = None  # once they are known
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)  # started when first needed
        self._busy: set[_Worker] = set()
        self._busy_lock = threading.Lock()
        self._closed = False  # set once, by `close`

    def decode(self, payload: bytes) -> DecodedImage:
        """Decodes one still image. Raises a MediaError; blocks while all workers are busy."""
        if len(payload) > self.limits.image.max_bytes:
            raise TooLarge(f"{len(payload)} bytes; at most {self.limits.image.max_bytes} are read")
        with self._worker() as worker:
            return image_in(*worker.ask({"want": "image"}, payload))

    @contextmanager
    def open(self, payload: bytes) -> Iterator[DecodedImage | VideoReading]:
        """Opens a still image, or a video to be read frame by frame. Raises a MediaError."""
        self._check_size(payload)
        with self._worker() as worker:
            header, body = worker.ask({"want": "media"}, payload)
            if header.get("is") == "image":
                yield image_in(header, body)
            else:
                yield VideoReading(worker, info_in(header), self._most_sampled)

    def identify(self, payload: bytes) -> DecodedImage | VideoInfo:
        """Returns a still image decoded, or what a video states about itself, without its frames.

        The upload travels to the limited process once. Raises a MediaError.
        """
        self._check_size(payload)
        with self._worker() as worker:
            header, body = worker.ask({"want": "identify"}, payload)
            worker.has_unread_messages = False
            return image_in(header, body) if header.get("is") == "image" else info_in(header)

    def frames_at(self, payload: bytes, times_ms: Sequence[int]) -> Iterator[Pixels]:
        """Yields the (h, w, 3) frames shown at these rising times; fewer where the file breaks off.

        A process is held until the last was taken, so take them at once.
        """
        with self._worker() as worker:
            header, _ = worker.ask({"want": "frames", "times": list(times_ms)}, payload)
            if header.get("is") == "image":
                raise UnsupportedFormat("a still image has one frame")
            before: Pixels | None = None  # one behind, so that the answer is read to its end with the last
            for frame in VideoReading(worker, info_in(header), len(times_ms)).frames():
                if before is not None:
                    yield before
                before = frame.pixels
            if before is not None:
                yield before

    def audio(self, payload: bytes) -> Samples:
        """Returns mono samples at SAMPLE_RATE of a video's first audio track; empty where it has none."""
        with self._worker() as worker:
            header, body = worker.ask({"want": "audio"}, payload)
            chunks = []
            samples_left = SAMPLE_RATE * (self.limits.video.max_seconds + SPARE_SECONDS)
            while not header.get("end"):
                chunks.append(samples_in(body))
                samples_left -= len(chunks[-1])
                if samples_left < 0:
                    raise BadMessage("more sound than a video may have")
                header, body = worker.next_message()
            return np.concatenate(chunks) if chunks else np.zeros(0, np.int16)

    @property
    def _most_sampled(self) -> int:
        """Frames that a track can have: one in each of its intervals."""
        limits = self.limits.video
        return 1000 * (limits.max_seconds + SPARE_SECONDS) // limits.track_interval_ms

    def _check_size(self, payload: bytes) -> None:
        if len(payload) > self.limits.video.max_bytes:
            raise TooLarge(f"{len(payload)} bytes; at most {self.limits.video.max_bytes} are read")

    def isolation(self) -> tuple[Layer, ...]:
        """What keeps a decoder that was taken over from harm on this machine, a layer a row."""
        if self._layers is None:  # it is the same for all, and a busy decoder need not be waited for
            with self._worker() as worker:
                self._layers = worker.layers
        hidden = None if privileges.is_memory_hidden() else "only `trueprint serve` hides it, on Linux"
        return *self._layers, Layer("hidden_server", "the memory of the program that asks", hidden)

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        idle = self._idle.get()
        worker: _Worker | None = None
        try:
            if self._closed:
                raise DecoderStopped("the decoders are stopped")
            if idle and not (idle.alive and idle.files_left > 0):
                idle.close()
                idle = None
            worker = idle or _Worker(self.limits)
            with self._busy_lock:
                self._busy.add(worker)
            yield worker
        except BadMessage:  # whatever the upload made of it, it is no decoder any more
            if worker:
                worker.close()
            raise DecoderStopped(BROKE_DOWN) from None
        finally:
            if worker is not None:
                with self._busy_lock:
                    self._busy.discard(worker)
                    if self._closed or worker.has_unread_messages:  # nobody wants the rest of its answer
                        worker.close()
            self._idle.put(worker)

    def close(self) -> None:
        """Stops every child process, also those at work: whoever waits for one gets DecoderStopped."""
        with self._busy_lock:
            self._closed = True
            for busy in self._busy:
                busy.kill()
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
