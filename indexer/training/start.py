"""Where training begins: published ImageNet weights, a projection that whitens, and who is kin to whom.

The projection is learned as for the first descriptor (`indexer.training.whitening`); it already beats the
bare trunk, so training starts from the best that costs a minute.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from indexer.fingerprints.copy_network import DIMENSIONS, CopyNetwork
from indexer.fingerprints.kinds import Vectors
from indexer.fingerprints.lite0 import load_imagenet_weights
from indexer.training.kin import find_kin, nearest_pairs
from indexer.training.pictures import open_bank
from indexer.training.views import START_FILE, Step, Views, frozen_network, make_views
from indexer.training.whitening import Pooled, learn_projection

MEMORY_FILE, KIN_FILE = "start-memory.npy", "kin.json"
PICTURES_PER_JOB = 32
WHITENED_PICTURES = 4000
Progress = Callable[[int, int], None]  # done, of


@dataclass(frozen=True)
class Start:
    """What training begins with, beside the weights in the run's folder."""

    memory: Vectors  # (n, 256) unit rows of all pictures
    kin: tuple[tuple[int, int], ...]


def prepare_start(
    views: Views,
    numbers: Sequence[int],
    pool: Executor,
    workers: int,
    progress: Callable[[str, int, int], None],
) -> Start:
    """Write the start weights and find kin; `numbers` are the pictures to learn from, all are described."""
    network = CopyNetwork()
    network.trunk.load_state_dict(load_imagenet_weights())
    network.eval().trunk.fuse()
    _save(network, views.folder)
    learned = numbers[:WHITENED_PICTURES]
    clean, edited = [], []
    pairs = Views(views.folder, views.side, 1, 0, views.candidates)
    for pooled in _pooled(pairs, learned, pool, partial(progress, "learning the projection")):
        clean.append(pooled[: len(pooled) // 2])
        edited.append(pooled[len(pooled) // 2 :])
    mean, projection = learn_projection(np.concatenate(clean), np.concatenate(edited), shrinkage=0.1)
    # Fewer pictures than dimensions span fewer directions; the rest starts from nothing.
    projection = np.pad(projection, ((0, 0), (0, DIMENSIONS - projection.shape[1])))
    network.projection.weight.data = torch.from_numpy(projection.T).float().contiguous()
    network.projection.bias.data = torch.from_numpy(-mean @ projection).float()
    _save(network, views.folder)
    everyone = range(len(open_bank(views.folder)))
    alone = Views(views.folder, views.side, 0, 0, views.candidates)
    memory = []
    for pooled in _pooled(alone, everyone, pool, partial(progress, "describing the originals")):
        memory.append((pooled - mean) @ projection)
    vectors = np.concatenate(memory)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    near = nearest_pairs(vectors)
    kin = find_kin(open_bank(views.folder), near, workers, partial(progress, "comparing neighbours"))
    np.save(views.folder / MEMORY_FILE, vectors)
    (views.folder / KIN_FILE).write_text(json.dumps(kin))
    return Start(vectors, tuple(kin))


def load_start(folder: Path) -> Start:
    """What `prepare_start` wrote."""
    kin = json.loads((folder / KIN_FILE).read_text())
    return Start(np.load(folder / MEMORY_FILE), tuple((int(a), int(b)) for a, b in kin))


def _pooled(views: Views, numbers: Sequence[int], pool: Executor, progress: Progress) -> Iterator[Pooled]:
    """Pooled features of originals and copies, in chunks of pictures."""
    steps = [
        Step(start, tuple(numbers[start : start + PICTURES_PER_JOB]))
        for start in range(0, len(numbers), PICTURES_PER_JOB)
    ]
    done = 0
    for step, rows in zip(steps, pool.map(partial(_pool_views, views), steps), strict=True):
        done += len(step.numbers)
        progress(done, len(numbers))
        yield rows


def _pool_views(views: Views, step: Step) -> Pooled:
    network = frozen_network(views.folder)
    frames = make_views(replace(views, runs_trunk=False), step).maps
    rows = []
    with torch.inference_mode():
        for frame in frames:
            one = torch.from_numpy(frame[None]).to(memory_format=torch.channels_last)
            rows.append(network.pool(network.lower(one, 0), 0).double().numpy())
    return np.concatenate(rows)


def _save(network: CopyNetwork, folder: Path) -> None:
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()}, folder / START_FILE
    )
