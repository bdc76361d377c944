"""Prints what commands have to say: words and tables for people, one JSON object a line for programs."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

Item = TypeVar("Item")
T = TypeVar("T")
OnProgress = Callable[[float], None]  # share done, 0..1
NOTHING_MATCHED, FAILED_FILE, CHECK_FAILED, REFUSED, MATCHED = 0, 1, 3, 4, 10
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".gif", ".bmp"}
)
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".3gp", ".apng", ".mpg", ".mpeg", ".vob"}
    | {".ts", ".mts", ".m2ts", ".flv", ".wmv", ".asf", ".ogv"}
)
MEDIA_SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES

# Labels and names come from strangers: nothing that is printed is read as markup.
console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
notes = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def styled(style: str, words: str, rest: object = "") -> Text:
    """Puts some words in a style and leaves the rest plain, for a console."""
    return Text.assemble((words, style), str(rest))


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with one line on standard error and an exit code."""
    notes.print(styled("bold red", "trueprint:", f" {message}"))
    raise SystemExit(code)


def print_json(value: Any) -> None:
    """Prints one object in one line on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def pictures_in(paths: Sequence[Path]) -> list[Path]:
    """Lists files as given, and pictures and videos in folders by suffix, in the order of names."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            media = (file for file in path.rglob("*") if file.suffix.lower() in MEDIA_SUFFIXES)
            found += sorted(file for file in media if file.is_file())
        elif path.exists():
            found.append(path)
        else:
            raise typer.BadParameter(f"{path} does not exist")
    if not found:
        raise typer.BadParameter("no pictures or videos found")
    return found


def each_with_progress(
    title: str,
    items: Sequence[Item],
    work: Callable[[Item, OnProgress], T],
    jobs: int,
    *,
    quiet: bool,
) -> Iterator[tuple[Item, T]]:
    """Works on items in parallel and yields in their order, with a progress bar on standard error.

    `work` may report how far it is with its item, so that a long video moves the bar by itself.
    """
    bar = Progress(
        TextColumn(title),
        BarColumn(),
        TextColumn("{task.completed:.3g}/{task.total:g}"),
        TimeRemainingColumn(),
        console=notes,
        disable=quiet or not notes.is_terminal,
        transient=True,
    )
    shares, done, lock = [0.0] * len(items), 0.0, Lock()
    pool = ThreadPoolExecutor(jobs)
    try:
        with bar:
            task = bar.add_task(title, total=len(items))

            def report(number: int, share: float) -> None:
                nonlocal done
                with lock:
                    done, shares[number] = done + share - shares[number], share
                    bar.update(task, completed=round(done, 2))

            futures = [
                pool.submit(work, item, partial(report, number)) for number, item in enumerate(items)
            ]
            for number, (item, future) in enumerate(zip(items, futures, strict=True)):
                value = future.result()
                report(number, 1.0)
                yield item, value
    finally:
        # After Ctrl-C or an error that is raised for every file, what has not begun never begins.
        pool.shutdown(cancel_futures=True)
