"""Makes what one training step sees, in other processes: originals and edited copies of them.

Everything is drawn from the step's own seed, so a step looks the same on every machine and after a resume.
The frozen part of the trunk runs here too: on a CPU that is half of the work, and it can be spread evenly.
"""

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors.torch import load_file

from indexer.fingerprints.copy_network import CopyNetwork, folded_network
from indexer.fingerprints.embedding import square
from indexer.training.edits import edited_copy
from indexer.training.edits.tone import recompress
from indexer.training.pictures import PictureBank, open_bank
from indexer.training.procedural import procedural_picture

START_FILE = "start.safetensors"
PROCEDURAL_SHARE = 0.2  # of the pictures that a copy is pasted together with are drawn by us
RECOMPRESSED_SHARE = 0.3  # of the originals are seen as a recompressed file


@dataclass(frozen=True)
class Views:
    """How views are made."""

    folder: Path  # of the picture bank and the start weights
    side: int
    copies: int  # of each original
    frozen_blocks: int  # of the trunk, which run here; none where a GPU trains
    candidates: tuple[int, ...]  # pictures that may be pasted together with a copy
    runs_trunk: bool = True


@dataclass(frozen=True)
class Step:
    """Which pictures a step shows, in which order."""

    seed: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class StepViews:
    """Originals first, then the copies of each in turn."""

    step: Step
    maps: npt.NDArray[np.float16] | npt.NDArray[np.uint8]  # (b * (1 + copies), c, h, w)
    others: npt.NDArray[np.int64]  # (b * copies,) the picture that a copy shows too, or -1


def make_views(views: Views, step: Step) -> StepViews:
    """Draws and edits the pictures of a step, and runs the frozen part of the trunk on them."""
    bank, rng = _bank(views.folder), random.Random(step.seed)
    originals, copies, others = [], [], []
    for number in step.numbers:
        original = Image.fromarray(bank[number])
        registered = recompress(original, rng) if rng.random() < RECOMPRESSED_SHARE else original
        originals.append(square(np.asarray(registered), views.side))
        for _ in range(views.copies):
            other = -1 if rng.random() < PROCEDURAL_SHARE else rng.choice(views.candidates)
            second = procedural_picture(rng) if other < 0 else bank[other]
            copy = edited_copy(original, Image.fromarray(second), rng)
            copies.append(square(np.asarray(copy), views.side))
            others.append(other)
    frames = np.stack(originals + copies)
    return StepViews(
        step, _lower(views, frames) if views.runs_trunk else frames, np.array(others, np.int64)
    )


def _lower(views: Views, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
    # Training changes only what comes after the frozen blocks, so the start weights serve to the end.
    network = network_in(views.folder / START_FILE)
    maps = []
    with torch.inference_mode():
        for frame in frames:  # one at a time, because a larger batch does not fit the cache of a core
            batch = torch.from_numpy(frame[None]).to(memory_format=torch.channels_last)
            maps.append(network.lower(batch, views.frozen_blocks).half().numpy())
    return np.concatenate(maps)


@cache
def _bank(folder: Path) -> PictureBank:
    return open_bank(folder)


@cache
def network_in(file: Path) -> CopyNetwork:
    """Returns the network with the weights of a file, which each process reads once."""
    network = folded_network()
    network.load_state_dict(load_file(file))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def one_thread() -> None:
    """Restricts a process that makes views to one thread, because there is one such process per core."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
