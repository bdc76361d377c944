"""One training run: its steps, its checkpoints, its log.

Other processes make the views of a step a few steps ahead (`views`); the network learns from them here.
Batches bring neighbours together: each picture comes with one of its nearest distractors, which are the
negatives that teach most. Everything that decides what is drawn is in the checkpoint.
"""

import json
import math
import os
import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from indexer.fingerprints.copy_network import folded_network
from indexer.fingerprints.models import COPY_DESCRIPTOR
from indexer.training.evaluation import Quality
from indexer.training.heldout import HeldOut
from indexer.training.loss import Batch, copy_loss, total
from indexer.training.pictures import PictureBank, is_held_out
from indexer.training.projection import whiten
from indexer.training.start import DUPLICATES_FILE, load_start, prepare_start
from indexer.training.views import START_FILE, Step, StepViews, Views, make_views, one_thread
from indexer.training.whitening import SHRINKAGE

STEPS_AHEAD = 4  # whose views are in the making
NEAREST = 5  # a neighbour is drawn from so many nearest distractors
WARM_UP = 0.05  # share of the steps in which the rate rises
CHECKPOINT, LOG, WEIGHTS = "checkpoint.pt", "log.jsonl", "weights.safetensors"
Show = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Options:
    """Everything that decides the result, beside the pictures."""

    steps: int = 3000
    pictures_per_step: int = 32
    copies: int = 3  # of each picture in a step
    side: int = 160
    frozen_blocks: int = 5
    trunk_rate: float = 3e-4
    head_rate: float = 1e-3
    weight_decay: float = 1e-4
    averaging: float = 0.998  # decay of the average of weights that is evaluated and shipped
    held_out: float = 0.05
    evaluate_every: int = 500
    seed: int = 1


class TrainingRun:
    """Training from the last checkpoint in `folder`, or from the start."""

    def __init__(
        self, folder: Path, bank: PictureBank, options: Options, workers: int, device: str, show: Show
    ) -> None:
        self._folder, self._options, self._device, self._show = folder, options, device, show
        self._learned = [
            number for number, name in enumerate(bank.names) if not is_held_out(name, options.held_out)
        ]
        held_out = sorted({*range(len(bank))} - {*self._learned})
        on_cpu = device == "cpu"
        self._views = Views(
            folder, options.side, options.copies, options.frozen_blocks, tuple(self._learned), on_cpu
        )
        # Forking a process that has run torch hangs; a new one starts clean.
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), one_thread)
        if not (folder / DUPLICATES_FILE).exists():
            prepare_start(
                self._views,
                self._learned,
                self._pool,
                workers,
                lambda what, done, of: show(what, done, of, ""),
            )
        start = load_start(folder)
        self._duplicates = _table_of(start.duplicates)
        self._held_out = HeldOut(bank, held_out, self._learned, self._duplicates, options.side)
        self._network = folded_network()
        self._network.load_state_dict(load_file(folder / START_FILE))
        self._network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._average = {name: value.clone() for name, value in self._network.state_dict().items()}
        self._memory = torch.from_numpy(start.memory).to(device)
        blocked = torch.ones(len(bank), dtype=torch.bool)
        blocked[self._learned] = False
        self._never = blocked.to(device)  # held-out pictures are no negatives
        self._optimizer = torch.optim.AdamW(self._groups(), weight_decay=options.weight_decay)
        self._step = 0
        self._order: list[int] = []
        self._ahead: list[Step] = []
        self._rng = random.Random(options.seed)
        if (folder / CHECKPOINT).exists():
            self._resume()

    def train(self, evaluated: Callable[[int, Quality], None], until: int | None = None) -> None:
        """Trains up to the last step, or `until`; evaluates and writes checkpoints on the way."""
        options = self._options
        last = options.steps if until is None else min(until, options.steps)
        making: deque[Future[StepViews]] = deque(
            self._pool.submit(make_views, self._views, step) for step in self._ahead
        )
        if self._step == 0:
            evaluated(0, self._evaluate())
        began, first = monotonic(), self._step
        while self._step < last:
            while len(making) < STEPS_AHEAD:
                self._ahead.append(self._draw())
                making.append(self._pool.submit(make_views, self._views, self._ahead[-1]))
            contrast, entropy = self._learn(making.popleft().result())
            self._ahead.pop(0)
            self._step += 1
            rate = (self._step - first) / (monotonic() - began)
            figures = f"contrast {contrast:.3f} entropy {entropy:.3f} {rate:.2f} steps/s"
            self._show("training", self._step, options.steps, figures)
            if self._step % 20 == 0:
                self._log(step=self._step, contrast=contrast, entropy=entropy, steps_per_s=round(rate, 3))
            if self._step % options.evaluate_every == 0 or self._step == last:
                evaluated(self._step, self._evaluate())
                self._checkpoint()

    @property
    def is_finished(self) -> bool:
        """Whether the last step was made."""
        return self._step >= self._options.steps

    def close(self) -> None:
        """Ends the processes that make views."""
        self._pool.shutdown(cancel_futures=True)

    def export(self) -> Path:
        """Writes the averaged weights with a newly whitened projection, in float16; returns the file."""
        path = self._folder / WEIGHTS
        save_file({name: value.contiguous().cpu() for name, value in self._average.items()}, path)
        whiten(
            path,
            replace(self._views, side=COPY_DESCRIPTOR.side),
            self._learned,
            SHRINKAGE,
            self._pool,
            lambda done, of: self._show("whitening the projection", done, of, ""),
        )
        options = {name: str(value) for name, value in vars(self._options).items()}
        half = {name: value.half().contiguous() for name, value in load_file(path).items()}
        save_file(half, path, {"steps": str(self._step), **options})
        return path

    def _groups(self) -> list[dict[str, object]]:
        trunk = self._network.trunk
        trunk._conv_stem.requires_grad_(False)
        trunk._blocks[: self._options.frozen_blocks].requires_grad_(False)
        learned = [parameter for parameter in trunk.parameters() if parameter.requires_grad]
        return [
            {"params": learned, "peak": self._options.trunk_rate},
            {"params": list(self._network.projection.parameters()), "peak": self._options.head_rate},
        ]

    def _draw(self) -> Step:
        """Draws pictures in shuffled order, each followed by one of its nearest distractors."""
        numbers: list[int] = []
        while len(numbers) < self._options.pictures_per_step:
            if not self._order:
                self._order = self._rng.sample(self._learned, len(self._learned))
            number = self._order.pop()
            if number in numbers:
                continue
            numbers.append(number)
            similarity = self._memory @ self._memory[number]
            similarity[[number, *self._duplicates.get(number, ())]] = -1
            similarity[self._never] = -1
            nearest = similarity.topk(min(NEAREST, len(self._learned))).indices.tolist()
            neighbour = self._rng.choice(nearest)
            if neighbour not in numbers:
                numbers.append(neighbour)
        return Step(self._rng.getrandbits(48), tuple(numbers[: self._options.pictures_per_step]))

    def _learn(self, views: StepViews) -> tuple[float, float]:
        options, count = self._options, len(views.step.numbers)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * _schedule(self._step / options.steps)
        maps = torch.from_numpy(views.maps).to(self._device, memory_format=torch.channels_last)
        with torch.autocast(self._device, torch.bfloat16, enabled=self._device != "cpu"):
            if not self._views.runs_trunk:
                with torch.no_grad():
                    maps = self._network.lower(maps, options.frozen_blocks)
            vectors = self._network.describe(maps.float(), options.frozen_blocks).float()
        numbers = torch.tensor(views.step.numbers, device=self._device)
        owner = torch.arange(count, device=self._device).repeat_interleave(options.copies)
        batch = Batch(vectors[:count], numbers, vectors[count:], owner, self._spared(views))
        contrast, entropy = copy_loss(batch, self._memory)
        self._optimizer.zero_grad(set_to_none=True)
        total(contrast, entropy).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimizer.step()
        with torch.no_grad():
            self._memory[numbers] = vectors[:count]
            keep = min(options.averaging, (1 + self._step) / (10 + self._step))
            for name, value in self._network.state_dict().items():
                self._average[name].lerp_(value, 1 - keep)
        return float(contrast.detach()), float(entropy.detach())

    def _spared(self, views: StepViews) -> Tensor:
        spared = self._never.repeat(len(views.others), 1)
        for row, other in enumerate(views.others):
            number = views.step.numbers[row // self._options.copies]
            same = [*self._duplicates.get(number, ())]
            if other >= 0 and other != number:
                same += [int(other), *self._duplicates.get(int(other), ())]
            spared[row, [duplicate for duplicate in same if duplicate != number]] = True
        return spared

    def _evaluate(self) -> Quality:
        network = folded_network()
        network.load_state_dict(self._average)
        network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        quality = self._held_out.measure(network, self._device)
        self._log(step=self._step, held_out=asdict(quality))
        return quality

    def _log(self, **entry: object) -> None:
        with (self._folder / LOG).open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def _checkpoint(self) -> None:
        """Writes a checkpoint whole or not at all: a run that is killed goes on from the last one."""
        state = {
            "network": self._network.state_dict(),
            "average": self._average,
            "optimizer": self._optimizer.state_dict(),
            "memory": self._memory,
            "step": self._step,
            "order": self._order,
            "ahead": [(step.seed, step.numbers) for step in self._ahead],
            "rng": self._rng.getstate(),
        }
        torch.save(state, self._folder / "checkpoint.new")
        os.replace(self._folder / "checkpoint.new", self._folder / CHECKPOINT)

    def _resume(self) -> None:
        state = torch.load(self._folder / CHECKPOINT, map_location=self._device, weights_only=True)
        self._network.load_state_dict(state["network"])
        self._average = state["average"]
        self._optimizer.load_state_dict(state["optimizer"])
        self._memory, self._step = state["memory"], state["step"]
        self._order = state["order"]
        self._ahead = [Step(seed, tuple(numbers)) for seed, numbers in state["ahead"]]
        self._rng.setstate(state["rng"])


def _schedule(progress: float) -> float:
    """Returns the share of the peak rate: a short rise, then half a cosine to nearly nothing."""
    if progress < WARM_UP:
        return (progress + 1e-3) / (WARM_UP + 1e-3)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def _table_of(pairs: tuple[tuple[int, int], ...]) -> dict[int, set[int]]:
    """Returns the near-duplicates of every picture that has any."""
    table: dict[int, set[int]] = {}
    for left, right in pairs:
        table.setdefault(left, set()).add(right)
        table.setdefault(right, set()).add(left)
    return table
