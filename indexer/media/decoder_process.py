"""One limited child process that decodes, as the program that asks sees it.

It is spawned and never forked, since a forked child inherits locks of threads that it does not have. Its
environment holds no secrets.
"""

import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from indexer.media import allocator
from indexer.media.answers import MOST_BODY_BYTES, layers_in
from indexer.media.errors import BY_NAME, DecoderLost, DecoderStopped, MediaError
from indexer.media.limits import MEBIBYTE, Limits
from indexer.media.messages import Message, read_message, write_message

BROKE_DOWN = "the decoder broke down on this file"
WORKER = "indexer.media.worker"
_SOURCE_ROOT = Path(__file__).resolve().parents[2]


class DecoderProcess:
    """Used by one thread at a time; the pool's queue sees to that."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._video_limits = limits.worker, limits.video
        self._ends_at = math.inf  # by the monotonic clock: what is read now must have been read
        self.files_left = limits.worker.files_before_recycling
        self.has_unread_messages = False  # of an answer that was not read to its end
        self._killed = False  # by `kill`
        self._process = subprocess.Popen(
            # -P: nothing is imported from the folder that the program happens to be started in.
            [sys.executable, "-P", "-m", WORKER, *limits.arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                "PYTHONPATH": str(_SOURCE_ROOT),
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
        """Whether it runs."""
        return self._process.poll() is None

    def ask(self, request: dict[str, object], payload: bytes) -> Message:
        """Sends a request and returns the first message of the answer. Raises a MediaError."""
        self.files_left -= 1
        self._ends_at = time.monotonic() + self._video_limits.wall_time_s
        return self._in_time(lambda: write_message(self._in, request, payload))

    def next_message(self) -> Message:
        """Returns a further message of the answer. Raises a MediaError."""
        return self._in_time(lambda: None)

    def _in_time(self, send: Callable[[], None]) -> Message:
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
            raise reason from None
        finally:
            timer.cancel()
        self.has_unread_messages = header.get("is") == "video" or "time_ms" in header
        if "error" in header:
            raise BY_NAME.get(str(header["error"]), DecoderStopped)(str(header.get("reason")))
        return header, body

    def _took_longer_than(self, seconds: float) -> str:
        return f"reading this file takes longer than {seconds:g} seconds"

    def _why_stopped(self, too_long: bool, left_s: float) -> MediaError:
        """Names the limit that the process met, as far as its exit status tells."""
        limits = self._limits
        if too_long:
            whole = left_s < limits.wall_time_s
            seconds = self._video_limits.wall_time_s if whole else limits.wall_time_s
            return DecoderStopped(self._took_longer_than(seconds))
        if self._process.poll() == -signal.SIGXCPU:
            return DecoderStopped(
                f"reading this file takes more computing time than a picture ({limits.cpu_time_s} seconds) "
                f"or a video ({self._video_limits.cpu_time_s} seconds) may take"
            )
        if self._process.poll() == -signal.SIGKILL and not self._killed:
            # No limit of ours ends it so: they end in an error of its own, or in SIGXCPU.
            return DecoderLost("the process that was reading this file was ended from outside")
        memory = limits.address_space_bytes // MEBIBYTE
        return DecoderStopped(f"{BROKE_DOWN}, or needed more than {memory} MiB of memory for it")

    @property
    def was_killed(self) -> bool:
        """Whether it was ended here, by `kill`."""
        return self._killed

    def kill(self) -> None:
        """Ends the process; whoever reads from it, in another thread, closes the rest."""
        self._killed = True
        self._process.kill()

    def close(self) -> None:
        """Ends the process and gives back what it held here."""
        self._process.kill()
        self._process.wait()
        self._out.close()
        with suppress(BrokenPipeError):  # what was not flushed is lost with the process
            self._in.close()
