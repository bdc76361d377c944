"""Measures which stage of a piece of work takes which share of its CPU time."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import numpy as np

ROUNDS, WARM_UP = 9, 2
REST = "the rest"
Function = Callable[..., Any]
# Public functions and methods, each with the stage that it is. A table holds the functions themselves, so
# that a renamed one is found when types are checked. What a stage calls counts for itself alone.
Stages = Mapping[Function, str]


class _Clock:
    """CPU milliseconds of one thread by stage, each without the stages that it calls."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.called: set[Function] = set()
        self.thread = threading.get_ident()
        self._running: list[str] = [REST]
        self._since = time.thread_time()

    def start(self) -> None:
        """Forgets what passed until now: to find and replace the functions takes time as well."""
        self._since = time.thread_time()

    def _book(self) -> None:
        now = time.thread_time()
        stage = self._running[-1]
        self.spent[stage] = self.spent.get(stage, 0.0) + 1000 * (now - self._since)
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._book()
        self._running.append(name)
        try:
            yield
        finally:
            self._book()
            self._running.pop()


def shares_of(stages: Stages, work: Callable[[], object]) -> dict[str, float]:
    """Returns median CPU milliseconds of this thread by stage, in their order; the rest comes last."""
    rounds = [_timed(stages, work).spent for _ in range(ROUNDS + WARM_UP)]
    names = dict.fromkeys([*stages.values(), REST])
    return {name: float(np.median([spent.get(name, 0.0) for spent in rounds[WARM_UP:]])) for name in names}


def uncalled(stages: Stages, works: Sequence[Callable[[], object]]) -> list[str]:
    """Returns the functions of a table that none of these pieces of work calls: it is then out of date."""
    called = {function for work in works for function in _timed(stages, work).called}
    return [
        f"{function.__module__}.{function.__qualname__}" for function in stages if function not in called
    ]


def _timed(stages: Stages, work: Callable[[], object]) -> _Clock:
    clock = _Clock()
    with ExitStack() as stack:
        for function, stage in stages.items():
            timed = _timed_function(clock, stage, function)
            for owner, name in _places_of(function):
                stack.enter_context(patch.object(owner, name, timed))
        clock.start()
        with clock.stage(REST):
            work()
    return clock


def _timed_function(clock: _Clock, stage: str, function: Function) -> Function:
    @wraps(function)
    def timed(*given: Any, **named: Any) -> Any:
        if threading.get_ident() != clock.thread:
            return function(*given, **named)
        clock.called.add(function)
        with clock.stage(stage):
            return function(*given, **named)

    return timed


def _places_of(function: Function) -> list[tuple[Any, str]]:
    """Returns the class of a method, or every module that knows a function, each with its name there."""
    class_name, _, name = function.__qualname__.rpartition(".")
    if class_name:
        return [(getattr(sys.modules[function.__module__], class_name), name)]
    return [
        (module, known_as)
        for module in list(sys.modules.values())
        for known_as, value in list(vars(module).items())
        if value is function
    ]


def share_table(columns: dict[str, dict[str, float]]) -> str:
    """Returns a table of stages by columns, in milliseconds and in percent of the column."""
    lines = [f"| stage, CPU ms | {' | '.join(columns)} |", f"|{' --- |' * (1 + len(columns))}"]
    totals = {name: sum(column.values()) for name, column in columns.items()}
    for stage in next(iter(columns.values())):
        cells = [
            f"{column[stage]:.1f} ({100 * column[stage] / totals[name]:.0f} %)"
            for name, column in columns.items()
        ]
        lines.append(f"| {stage} | {' | '.join(cells)} |")
    lines.append(f"| all of it | {' | '.join(f'{total:.0f}' for total in totals.values())} |")
    return "\n".join(lines)
