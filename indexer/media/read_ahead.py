"""Takes items in a thread of its own, so that making them and using them happen at the same time."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    """What comes after the last item: what went wrong, if anything did."""

    error: BaseException | None


class _Waiting(Generic[T]):
    """Items that wait to be used, of so many bytes together; one waits however large it is."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._items: deque[tuple[T | _End, int]] = deque()
        self._bytes = 0
        self._is_stopped = False
        self._changed = threading.Condition()

    def put(self, item: T | _End, size: int) -> bool:
        """Adds an item once there is room. False: nobody wants any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopped or not self._items or self._bytes + size <= self._most_bytes
            )
            self._items.append((item, size))
            self._bytes += size
            self._changed.notify_all()
            return not self._is_stopped

    def get(self) -> T | _End:
        """Takes the first item once there is one."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items))
            item, size = self._items.popleft()
            self._bytes -= size
            self._changed.notify_all()
            return item

    def stop(self) -> None:
        """Says that nobody wants any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()


def read_ahead(
    items: Iterable[T], most_bytes: int, size_of: Callable[[T], int], abandon: Callable[[], None]
) -> Generator[T]:
    """Yields the items in order while a thread takes `most_bytes` of further ones; raises what they raise.

    `abandon`: ends what the items come from, so that the thread does not wait for the next one. It is
    called where the caller stops before their end. The thread has ended when this has.
    """
    waiting = _Waiting[T](most_bytes)

    def take() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not waiting.put(item, size_of(item)):
                    return
        except BaseException as raised:  # it belongs to whoever takes the items
            error = raised
        waiting.put(_End(error), 0)

    thread = threading.Thread(target=take, name="read ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
    except BaseException:
        waiting.stop()
        abandon()
        thread.join()
        raise
    thread.join()
    if item.error is not None:
        raise item.error
