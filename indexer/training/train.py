"""Trains the copy-detection descriptor from pictures.

    python -m indexer.training.train IMAGES... --run RUNS/first --steps 3000

IMAGES are folders or tar files. The run's folder holds everything: packed pictures, start, checkpoint, log.
The same command goes on where it was stopped. The same pictures, options and machine give the same weights.
"""

import argparse
import json
import os
from dataclasses import fields
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from indexer.training.evaluation import Quality
from indexer.training.pictures import open_bank, pack
from indexer.training.run import Options, TrainingRun
from indexer.training.start import DUPLICATES_FILE

OPTION_NAMES = {field.name for field in fields(Options)}


def main() -> None:
    """Trains, evaluates and writes the weights."""
    parser = argparse.ArgumentParser(description="Train the copy-detection descriptor.")
    parser.add_argument("images", type=Path, nargs="+", help="folders or tar files of pictures")
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of this run; going on is the default"
    )
    parser.add_argument("--steps", type=int, default=Options.steps)
    parser.add_argument("--until", type=int, help="stop after this step; the same command goes on")
    parser.add_argument("--pictures-per-step", type=int, default=Options.pictures_per_step)
    parser.add_argument("--side", type=int, default=Options.side, help="pixels of a training view")
    parser.add_argument(
        "--frozen-blocks", type=int, default=Options.frozen_blocks, help="of the trunk's 16"
    )
    parser.add_argument("--seed", type=int, default=Options.seed)
    parser.add_argument("--evaluate-every", type=int, default=Options.evaluate_every, help="steps")
    cores = os.cpu_count() or 1
    parser.add_argument("--threads", type=int, default=max(1, cores // 2), help="for the network, on a CPU")
    parser.add_argument("--workers", type=int, default=max(1, cores - cores // 2), help="that make views")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    console = Console()
    torch.set_num_threads(given.threads)
    given.run.mkdir(parents=True, exist_ok=True)
    options = Options(**{name: value for name, value in vars(given).items() if name in OPTION_NAMES})
    keep_options(given.run, options)
    bank = open_bank(given.run) if (given.run / DUPLICATES_FILE).exists() else pack(given.images, given.run)
    console.print(f"{len(bank):,} pictures, digest {bank.digest[:12]}, {given.device}")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars = {}

        def show(what: str, done: int, of: int, figures: str = "") -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=of, figures="")
            progress.update(bars[what], completed=done, total=of, figures=figures)

        run = TrainingRun(given.run, bank, options, given.workers, given.device, show)
        try:
            run.train(lambda step, quality: progress.console.print(_line(step, quality)), given.until)
            weights = run.export() if run.is_finished else None
        finally:
            run.close()
    console.print(f"weights: {weights}" if weights else "stopped; the same command goes on")


def keep_options(folder: Path, options: Options) -> None:
    """Keeps the options of a run, which only goes on with the same ones; the number of steps may change."""
    path = folder / "options.json"
    given = vars(options)
    if path.exists():
        begun = json.loads(path.read_text())
        other = [name for name, value in begun.items() if name != "steps" and given[name] != value]
        if other:
            raise SystemExit(f"{folder} was begun with another {', '.join(other)}: {begun}")
    path.write_text(json.dumps(given, indent=1))


def _line(step: int, quality: Quality) -> str:
    return (
        f"step {step}: held out µAP {quality.micro_average_precision:.3f}, recall at P 0.9 "
        f"{quality.recall_at_precision_90:.3f}, at P 1.0 {quality.recall_at_precision_100:.3f}, "
        f"recall@1 {quality.recall_at_1:.3f} ({quality.positives} of {quality.queries} have a reference)"
    )


if __name__ == "__main__":
    main()
