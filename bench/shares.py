"""Which stage of a piece of work takes which share of its CPU time."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import numpy as np

ROUNDS, WARM_UP = 9, 2
REST = "the rest"
# Where a function is looked up, its name there, the stage. What a stage calls counts for itself.
Stage = tuple[Any, str, str]


class _Clock:
    """CPU milliseconds of this thread by stage, each without the stages that it calls."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._running: list[str] = [REST]
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


def shares_of(stages: Sequence[Stage], work: Callable[[], object]) -> dict[str, float]:
    """Median CPU milliseconds of this thread by stage, in the order of `stages`, what is left over last."""
    rounds = []
    for _ in range(ROUNDS + WARM_UP):
        clock = _Clock()
        with ExitStack() as stack:
            for owner, name, stage in stages:
                stack.enter_context(patch.object(owner, name, _timed(clock, stage, getattr(owner, name))))
            with clock.stage(REST):
                work()
        rounds.append(clock.spent)
    names = dict.fromkeys([*(stage for _, _, stage in stages), REST])
    return {one: float(np.median([spent.get(one, 0.0) for spent in rounds[WARM_UP:]])) for one in names}


def _timed(clock: _Clock, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def measured(*given: Any, **named: Any) -> Any:
        with clock.stage(stage):
            return call(*given, **named)

    return measured


def share_table(columns: dict[str, dict[str, float]]) -> str:
    """Stages by columns, each in milliseconds and percent of its column."""
    lines = [f"| stage, CPU ms | {' | '.join(columns)} |", f"|{' --- |' * (1 + len(columns))}"]
    totals = {name: sum(column.values()) for name, column in columns.items()}
    for stage in next(iter(columns.values())):
        cells = [
            f"{column[stage]:.1f} ({100 * column[stage] / totals[name]:.0f} %)"
            for name, column in columns.items()
        ]
        lines.append(f"| {stage} | {' | '.join(cells)} |")
    lines.append(f"| all of it | {' | '.join(f'{one:.0f}' for one in totals.values())} |")
    return "\n".join(lines)
