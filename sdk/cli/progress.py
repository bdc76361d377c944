"""Works on many items at a time, with one progress bar that keeps clear of the lines printed meanwhile."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event, Lock
from typing import Any, TypeVar

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sdk.cli.output import console, notes
from sdk.cli.stopping import Interrupted, end_soon, in_one_piece
from sdk.errors import NON_RETRYABLE

Item = TypeVar("Item")
T = TypeVar("T")
OnProgress = Callable[[float], None]  # share done, 0..1


class Stopped(Exception):
    """Raised in a thread that reports progress after the command was told to stop."""


def each_with_progress(
    title: str,
    items: Sequence[Item],
    work: Callable[[Item, OnProgress], T],
    show: Callable[[Item, T], None],
    jobs: int,
    *,
    quiet: bool,
    under_way: str = "",
) -> None:
    """Works on items in parallel and shows what came out in their order, with a progress bar.

    `work` may report how far it is with its item, so that a long video moves the bar by itself. After
    Ctrl-C what came out already is shown too, although an item before it is still worked on, and one line
    says what was done and what to run; `under_way`: what becomes of items that were begun.
    """
    bar, shares, stopping = _bar(quiet), _Shares(len(items)), Event()
    pool = ThreadPoolExecutor(jobs)
    futures: list[Future[T]] = []
    shown = 0
    try:
        with bar:
            task = bar.add_task(title, total=len(items))

            def report(number: int, share: float) -> None:
                if stopping.is_set():
                    raise Stopped
                bar.update(task, completed=round(shares.with_new(number, share), 2))

            def whole(number: int, item: Item) -> T:
                result = work(item, partial(report, number))
                report(number, 1.0)
                return result

            futures.extend(pool.submit(whole, number, item) for number, item in enumerate(items))
            for item, future in zip(items, futures, strict=True):
                result = future.result()
                with in_one_piece():
                    show(item, result)
                    shown += 1
    except Interrupted as interrupted:
        interrupted.said = True
        end_soon(interrupted.number)
        done = [future.done() for future in futures]  # as of now: others go on
        _show_finished(items, futures, done, shown, show)
        _say_what_was_done(futures, sum(done), len(items), under_way)
        raise
    except NON_RETRYABLE:
        _show_finished(items, futures, [future.done() for future in futures], shown, show)
        raise
    finally:
        # Whatever ended it, nothing more begins, and nobody waits for a request that may take minutes.
        stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)


class _Shares:
    """How much of every item is done; threads report it."""

    def __init__(self, count: int) -> None:
        self._shares, self._done, self._lock = [0.0] * count, 0.0, Lock()

    def with_new(self, number: int, share: float) -> float:
        """Notes how much of an item is done, and returns how much of all is."""
        with self._lock:
            self._done += share - self._shares[number]
            self._shares[number] = share
            return self._done


def _bar(quiet: bool) -> Progress:
    # Lines and bar share a console where they share a terminal: it moves the bar out of each line's way.
    return Progress(
        TextColumn("{task.description} {task.total:g}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
        console=console if sys.stdout.isatty() else notes,
        disable=quiet or not sys.stderr.isatty() or notes.is_dumb_terminal,
        transient=True,
        redirect_stdout=False,  # rich would send what is meant for a pipe to the console of the bar
    )


def _show_finished(
    items: Sequence[Item],
    futures: Sequence[Future[T]],
    done: Sequence[bool],
    start: int,
    show: Callable[[Item, T], None],
) -> None:
    """Shows those from `start` on that came out behind one that did not."""
    of_all = list(zip(items, futures, done, strict=False))  # fewer futures: stopped while they were made
    for item, future, is_done in of_all[start:]:
        if is_done and not future.cancelled() and future.exception() is None:
            show(item, future.result())


def _say_what_was_done(futures: Sequence[Future[Any]], done: int, total: int, under_way: str) -> None:
    begun = sum(future.running() for future in futures)
    words = f"stopped: {done} of {total} done; run the same command again to go on."
    notes.print(f"{words} {under_way}" if begun and under_way else words)
