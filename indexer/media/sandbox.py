"""A pool of limited child processes that turn untrusted bytes into pixels and audio samples.

The children are spawned and never forked, since a forked child inherits locks of threads that it does not
have. Their environment holds no secrets. A child that dies or stalls costs its own upload only.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

import numpy as np

from indexer.media import allocator
from indexer.media.audio import Samples
from indexer.media.errors import BY_NAME, DecoderStopped, TooLarge, UnsupportedFormat
from indexer.media.frames import Frame, VideoInfo
from indexer.media.images import DecodedImage, Pixels
from indexer.media.limits import MEBIBYTE, ImageLimits, Limits, VideoLimits, WorkerLimits
from indexer.media.worker import Message, read_message, write_message

_SOURCE_ROOT = Path(__file__).resolve().parents[2]


class _Worker:
    """One child process. Used by one thread at a time; the pool's queue sees to that."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._video_limits = limits.worker, limits.video
        self.files_left = limits.worker.files_before_recycling
        self.has_unread_messages = False  # of an answer that was not read to its end
        self._process = subprocess.Popen(
            [sys.executable, "-m", "indexer.media.worker", *limits.arguments()],
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

    def ask(self, request: dict[str, object], payload: bytes) -> Message:
        """Sends a request and returns the first message of the answer. Raises a MediaError."""
        self.files_left -= 1
        return self._in_time(lambda: write_message(self._in, request, payload))

    def next_message(self) -> Message:
        """Returns a further message of the answer. Raises a MediaError."""
        return self._in_time(lambda: None)

    def _in_time(self, send: Any) -> Message:
        too_long = threading.Event()

        def stop() -> None:
            too_long.set()
            self._process.kill()

        timer = threading.Timer(self._limits.wall_time_s, stop)
        timer.start()
        try:
            send()
            header, body = read_message(self._out)
        except (EOFError, BrokenPipeError):
            with suppress(subprocess.TimeoutExpired):  # its end of the pipe is closed: it is about to go
                self._process.wait(1.0)
            reason = self._why_stopped(too_long.is_set())
            self.close()
            raise DecoderStopped(reason) from None
        finally:
            timer.cancel()
        self.has_unread_messages = header.get("is") == "video" or "time_ms" in header
        if "error" in header:
            raise BY_NAME[str(header["error"])](str(header["reason"]))
        return header, body

    def _why_stopped(self, too_long: bool) -> str:
        """Names the limit that the process met, as far as its exit status tells."""
        limits = self._limits
        if too_long:
            return f"reading this file takes longer than {limits.wall_time_s:g} seconds"
        if self._process.poll() == -signal.SIGXCPU:
            return (
                f"reading this file takes more computing time than a picture ({limits.cpu_time_s} seconds) "
                f"or a video ({self._video_limits.cpu_time_s} seconds) may take"
            )
        memory = limits.address_space_bytes // MEBIBYTE
        return f"the decoder broke down on this file, or needed more than {memory} MiB of memory for it"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        with suppress(BrokenPipeError):  # what was not flushed is lost with the process
            self._in.close()


class VideoReading:
    """A video that is being decoded; its frames can be read once, in the order of time."""

    def __init__(self, worker: _Worker, info: VideoInfo) -> None:
        self._worker = worker
        self.info = info
        # Both are known after the last frame.
        self.notes: tuple[str, ...] = ()  # what could not be decoded
        self.end_ms = 0  # when the last frame ceases to be shown

    def frames(self) -> Iterator[Frame]:
        """Yields the frames of the track. Raises a MediaError."""
        while True:
            header, body = self._worker.next_message()
            if header.get("end"):
                self.notes = tuple(cast(list[str], header["notes"]))
                self.end_ms = cast(int, header["end_ms"])
                return
            yield _frame_of(header, body)


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
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)  # started when first needed

    def decode(self, payload: bytes) -> DecodedImage:
        """Decodes one still image. Raises a MediaError; blocks while all workers are busy."""
        if len(payload) > self.limits.image.max_bytes:
            raise TooLarge(f"{len(payload)} bytes; at most {self.limits.image.max_bytes} are read")
        with self._worker() as worker:
            return _image_of(*worker.ask({"want": "image"}, payload))

    @contextmanager
    def open(self, payload: bytes) -> Iterator[DecodedImage | VideoReading]:
        """Opens a still image, or a video to be read frame by frame. Raises a MediaError."""
        self._check_size(payload)
        with self._worker() as worker:
            header, body = worker.ask({"want": "media"}, payload)
            if header["is"] == "image":
                yield _image_of(header, body)
            else:
                yield VideoReading(worker, _info_of(header))

    def identify(self, payload: bytes) -> DecodedImage | VideoInfo:
        """Returns a still image decoded, or what a video states about itself, without its frames.

        The upload travels to the limited process once. Raises a MediaError.
        """
        self._check_size(payload)
        with self._worker() as worker:
            header, body = worker.ask({"want": "identify"}, payload)
            worker.has_unread_messages = False
            return _image_of(header, body) if header["is"] == "image" else _info_of(header)

    def frames_at(self, payload: bytes, times_ms: Sequence[int]) -> list[Pixels]:
        """Returns the (h, w, 3) frames shown at these rising times; fewer where the file breaks off."""
        with self._worker() as worker:
            header, _ = worker.ask({"want": "frames", "times": list(times_ms)}, payload)
            if header["is"] == "image":
                raise UnsupportedFormat("a still image has one frame")
            frames = VideoReading(worker, _info_of(header)).frames()
            return [frame.pixels for frame in frames if frame.pixels is not None]

    def audio(self, payload: bytes) -> Samples:
        """Returns mono samples at SAMPLE_RATE of a video's first audio track; empty where it has none."""
        with self._worker() as worker:
            header, body = worker.ask({"want": "audio"}, payload)
            chunks = []
            while not header.get("end"):
                chunks.append(np.frombuffer(body, np.int16))
                header, body = worker.next_message()
            return np.concatenate(chunks) if chunks else np.zeros(0, np.int16)

    def _check_size(self, payload: bytes) -> None:
        if len(payload) > self.limits.video.max_bytes:
            raise TooLarge(f"{len(payload)} bytes; at most {self.limits.video.max_bytes} are read")

    def isolation(self) -> str:
        """Describes how strictly the decoder is isolated on this machine, for the server status."""
        with self._worker() as worker:
            if worker.system_calls_filtered:
                return "limited process: memory, time, no network, no new programs"
        return "limited process: memory and time only (no system-call filter on this platform)"

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        worker = self._idle.get()
        try:
            if worker and not (worker.alive and worker.files_left > 0 and not worker.has_unread_messages):
                worker.close()
                worker = None
            worker = worker or _Worker(self.limits)
            yield worker
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """Stops every child process."""
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


def _image_of(header: dict[str, object], body: bytes) -> DecodedImage:
    pages, offset = [], 0
    for page in (header, *cast(list[dict[str, object]], header["further"])):
        shape = cast(list[int], page["shape"])
        pixels = np.frombuffer(body, np.uint8, int(np.prod(shape)), offset).reshape(shape)
        offset += pixels.size
        pages.append(
            DecodedImage(
                pixels=pixels,
                media_type=str(page["media_type"]),
                width=cast(int, page["width"]),
                height=cast(int, page["height"]),
                jpeg_quality=cast("int | None", page["jpeg_quality"]),
                notes=tuple(cast(list[str], page["notes"])),
            )
        )
    return replace(pages[0], further_pages=tuple(pages[1:]))


def _info_of(header: dict[str, object]) -> VideoInfo:
    names = ("media_type", "width", "height", "duration_ms", "frame_rate", "has_audio")
    return VideoInfo(**{name: cast(Any, header[name]) for name in names})


def _frame_of(header: dict[str, object], body: bytes) -> Frame:
    parts: list[Pixels | None] = []
    offset = 0
    for name in ("luma", "pixels"):
        shape = cast("list[int] | None", header[name])
        if shape is None:
            parts.append(None)
            continue
        size = int(np.prod(shape))
        parts.append(np.frombuffer(body, np.uint8, size, offset).reshape(shape))
        offset += size
    luma, pixels = parts
    return Frame(cast(int, header["time_ms"]), luma, pixels, bool(header["starts_shot"]))
