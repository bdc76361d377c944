"""Ctrl-C and termination: a command says what was done and ends, whatever its threads wait for."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

# For closing a registry that this command started in a folder. What is not closed then is mended by the
# next start, as after a power cut.
CLEAN_UP_S = 8.0


_held: list[int] | None = None  # signals that wait, while something is printed; main thread only


class Interrupted(SystemExit):
    """The process was told to stop. As a SystemExit it passes everything that handles errors."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number
        self.said = False  # whether a line told what was done


def listen_for_signals() -> None:
    """Has Ctrl-C and SIGTERM raise Interrupted in the main thread; the second of them ends the process."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, _: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, lambda again, _: os._exit(128 + again))
    if _held is not None:
        _held.append(number)
        return
    raise Interrupted(number)


@contextmanager
def in_one_piece() -> Iterator[None]:
    """Has a signal wait until what is said inside is said: no half answers, and none that is lost."""
    global _held
    held: list[int] = []
    _held = held
    try:
        yield
    finally:
        _held = None
    if held:
        raise Interrupted(held[0])


def end_soon(number: int) -> None:
    """Bounds and silences what is still closed: a registry in this process, in the middle of its work."""
    logging.disable(logging.CRITICAL)
    threading.excepthook = lambda _: None
    watchdog = threading.Timer(CLEAN_UP_S, os._exit, (128 + number,))
    watchdog.daemon = True
    watchdog.start()


def leave(number: int) -> NoReturn:
    """Ends the process as that signal does, and waits for no thread: its request may take minutes."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(128 + number)
