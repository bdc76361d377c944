"""Which stage of a whole match takes which share of its CPU time; part of `python -m bench.speed`."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import numpy as np

from indexer.fingerprints import compute
from indexer.fingerprints.embedders import TorchEmbedder
from registry import candidates, matching, nomination, uploads
from registry.db import transaction
from registry.previews import PreviewCache
from registry.services import Services

ROUNDS = 9
# (where it is looked up, its name there, stage). What a stage calls counts for itself.
STAGES: tuple[tuple[Any, str, str], ...] = (
    (uploads, "video_info", "hand the file to the limited process, twice, and take the pixels"),
    (uploads, "decode", "hand the file to the limited process, twice, and take the pixels"),
    (compute, "compute_hashes", "PDQ in eight orientations, pHash"),
    (TorchEmbedder, "embed", "descriptor, of the whole and of its parts"),
    (uploads, "extract_features", "local features"),
    (candidates, "extract_features_in", "local features"),
    (nomination, "_by_pdq", "index"),
    (nomination, "_by_descriptor", "index"),
    (nomination, "_choose", "rows of the candidates"),
    (candidates, "align", "alignment of candidates"),
    (candidates, "_compare_densely", "laid on one another: a copy or another shot?"),
    (matching, "_describe", "what was changed"),
    (matching, "_facts", "words, receipts, signature"),
    (matching, "_match_of", "words, receipts, signature"),
)
REST = "the rest, pictures inside the picture among it"


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


def match_shares(services: Services, content: bytes) -> dict[str, float]:
    """Median CPU milliseconds by stage of matching `content`, largest first."""
    cache, rounds = PreviewCache(), []
    for _ in range(ROUNDS + 2):
        clock = _Clock()
        with ExitStack() as stack:
            for owner, name, stage in STAGES:
                stack.enter_context(patch.object(owner, name, _timed(clock, stage, getattr(owner, name))))
            with clock.stage(REST), transaction(services.engine) as session:
                matching.match_media(services, cache, session, content, with_evidence=True)
        rounds.append(clock.spent)
    stages = dict.fromkeys([*(stage for _, _, stage in STAGES), REST])
    medians = {one: float(np.median([spent.get(one, 0.0) for spent in rounds[2:]])) for one in stages}
    return dict(sorted(medians.items(), key=lambda item: -item[1]))


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
