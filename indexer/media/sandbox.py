"""A pool of limited child processes that turn untrusted bytes into pixels and audio samples.

A child that dies or stalls costs its own upload only.
"""

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

import numpy as np

from indexer.media import privileges
from indexer.media.answers import end_in, frame_in, image_in, info_in, notes_in, samples_in
from indexer.media.audio import SAMPLE_RATE, Samples
from indexer.media.decoder_process import BROKE_DOWN, DecoderProcess
from indexer.media.errors import DecoderStopped, TooLarge, UnsupportedFormat
from indexer.media.frames import Frame, VideoInfo
from indexer.media.images import DecodedImage, Pixels
from indexer.media.limits import ImageLimits, Limits, VideoLimits, WorkerLimits
from indexer.media.lockdown import Layer
from indexer.media.messages import BadMessage
from indexer.media.read_ahead import read_ahead

# Of sound and pictures beyond the limit: the last one that is decoded may go beyond it.
SPARE_SECONDS = 60
BYTES_AHEAD = 32_000_000  # of frames that wait to be described: some 20 of 960 x 540 with what is between


class VideoReading:
    """A video that is being decoded; its frames can be read once, in the order of time."""

    def __init__(
        self, worker: DecoderProcess, info: VideoInfo, most_frames: int, *, is_track: bool
    ) -> None:
        self._worker = worker
        self._most_frames = most_frames  # of an honest decoder
        self._is_track = is_track  # all of the video, not frames that were asked for
        self.info = info
        # Both are known after the last frame.
        self.notes: tuple[str, ...] = ()  # what could not be decoded
        self.end_ms = 0  # when the last frame ceases to be shown

    def frames(self) -> Iterator[Frame]:
        """Yields the frames; those of a track have luma of one size, and the first has pixels.

        Raises a MediaError.
        """
        first: Frame | None = None
        for _ in range(self._most_frames + 1):
            header, body = self._worker.next_message()
            if header.get("end"):
                if self._is_track and first is None:
                    raise BadMessage("a video without a frame")
                self.notes, self.end_ms = notes_in(header), end_in(header)
                return
            frame = frame_in(header, body)
            first = first or frame
            if self._is_track:
                _require_in_track(frame, first)
            yield frame
        raise BadMessage("more frames than were asked for")

    def frames_ahead(self) -> Generator[Frame]:
        """Yields the same while further frames are decoded. Where not all are taken, decoding ends.

        Close it, or take all, before anything else is asked of the decoder. Raises a MediaError.
        """
        return read_ahead(self.frames(), BYTES_AHEAD, _bytes_of, self._worker.kill)


def _bytes_of(frame: Frame) -> int:
    return sum(values.nbytes for values in (frame.luma, frame.pixels) if values is not None)


def _require_in_track(frame: Frame, first: Frame) -> None:
    if first.pixels is None or first.luma is None or frame.luma is None:
        raise BadMessage("a frame without what a track keeps of it")
    if frame.luma.shape != first.luma.shape:
        raise BadMessage("frames of two sizes in one track")


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
        self._idle: queue.LifoQueue[DecoderProcess | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)  # started when first needed
        self._busy: set[DecoderProcess] = set()
        self._busy_lock = threading.Lock()
        self.started = self.lost = (
            0  # processes: in all, and those that did not outlive an upload; by _busy_lock
        )
        self._closed = False  # set once, by `close`

    def decode(self, payload: bytes, long_side: int | None = None) -> DecodedImage:
        """Decodes one still image. Raises a MediaError; blocks while all workers are busy.

        `long_side`: pixels to which it may be reduced, in place of the working size.
        """
        if len(payload) > self.limits.image.max_bytes:
            raise TooLarge(f"{len(payload)} bytes; at most {self.limits.image.max_bytes} are read")
        with self._worker() as worker:
            wanted = {} if long_side is None else {"long_side": long_side}
            return image_in(*worker.ask({"want": "image", **wanted}, payload))

    @contextmanager
    def open(self, payload: bytes) -> Iterator[DecodedImage | VideoReading]:
        """Opens a still image, or a video to be read frame by frame. Raises a MediaError."""
        self._check_size(payload)
        with self._worker() as worker:
            header, body = worker.ask({"want": "media"}, payload)
            if header.get("is") == "image":
                yield image_in(header, body)
            else:
                yield VideoReading(worker, info_in(header), self._most_sampled, is_track=True)

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
            reading = VideoReading(worker, info_in(header), len(times_ms), is_track=False)
            for frame in reading.frames():
                if before is not None:
                    yield before
                before = frame.pixels
            if before is not None:
                yield before

    def audio(self, payload: bytes) -> Samples:
        """Returns mono samples at SAMPLE_RATE from a video's first frame on; empty where there are none."""
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
    def _worker(self) -> Iterator[DecoderProcess]:
        idle = self._idle.get()
        worker: DecoderProcess | None = None
        try:
            if self._closed:
                raise DecoderStopped("the decoders are stopped")
            if idle and not (idle.alive and idle.files_left > 0):
                idle.close()
                idle = None
            worker = idle or DecoderProcess(self.limits)
            with self._busy_lock:
                self.started += worker is not idle
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
                    self.lost += not worker.alive and not worker.was_killed
                    # Nobody wants the rest of its answer; or it was killed, and looks alive for a moment.
                    if self._closed or worker.has_unread_messages or worker.was_killed:
                        worker.close()
            self._idle.put(worker)

    @property
    def busy(self) -> int:
        """How many processes are at work."""
        return len(self._busy)

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
