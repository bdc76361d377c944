"""Takes items in a thread of its own, so that making them and using them happen at the same time."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
ENDS_WITHIN_S = 0.05  # how often it is looked whether the thread has ended, once nobody takes anything


@dataclass(frozen=True)
class _End:
    """What comes after the last item: what went wrong, if anything did."""

    error: BaseException | None


def read_ahead(items: Iterable[T], most: int, abandon: Callable[[], None]) -> Generator[T]:
    """Yields the items in order while a thread takes up to `most` further ones; raises what they raise.

    `abandon`: ends what the items come from, so that the thread does not wait for the next one. It is
    called where the caller stops before their end. The thread has ended when this has.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(most)
    stopped = threading.Event()

    def take() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                waiting.put(item)
                if stopped.is_set():
                    return
        except BaseException as raised:  # it belongs to whoever takes the items
            error = raised
        waiting.put(_End(error))

    thread = threading.Thread(target=take, name="read ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
    except BaseException:
        stopped.set()
        abandon()
        _drain(waiting, thread)
        raise
    thread.join()
    if item.error is not None:
        raise item.error


def _drain(waiting: "queue.Queue[T]", thread: threading.Thread) -> None:
    """Takes what the thread still brings until it has ended."""
    while thread.is_alive():
        try:
            waiting.get(timeout=ENDS_WITHIN_S)
        except queue.Empty:
            continue
