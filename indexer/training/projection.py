"""Learns the network's last layer in closed form: before training, and again once the trunk is trained.

Gradients through a batch of a hundred teach a trunk, but leave a projection that fits those batches.
Whitening again over all pictures at once takes minutes and finds more (docs/quality.md).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from indexer.fingerprints.copy_network import DIMENSIONS, CopyNetwork, folded_network
from indexer.fingerprints.kinds import Vectors
from indexer.training.views import Step, Views, make_views, network_in
from indexer.training.whitening import Pooled, learn_projection

PICTURES_PER_JOB = 32
Progress = Callable[[int, int], None]  # how many are done, of how many


def whiten(
    file: Path, views: Views, numbers: Sequence[int], shrinkage: float, pool: Executor, progress: Progress
) -> None:
    """Gives the network in `file` the projection that whitens its features of these pictures."""
    clean, edited = [], []
    for pooled in _pooled(file, replace(views, copies=1), numbers, pool, progress):
        clean.append(pooled[: len(pooled) // 2])
        edited.append(pooled[len(pooled) // 2 :])
    mean, projection = learn_projection(np.concatenate(clean), np.concatenate(edited), shrinkage)
    # Fewer pictures than dimensions span fewer directions; the remaining weights are zero.
    projection = np.pad(projection, ((0, 0), (0, DIMENSIONS - projection.shape[1])))
    weights = load_file(file)
    weights["projection.weight"] = torch.from_numpy(projection.T).float().contiguous()
    weights["projection.bias"] = torch.from_numpy(-mean @ projection).float()
    save_file(weights, file)


def describe_originals(
    file: Path, views: Views, numbers: Sequence[int], pool: Executor, progress: Progress
) -> Vectors:
    """Describes these pictures, unedited, by (n, 256) unit rows."""
    rows = list(_pooled(file, replace(views, copies=0), numbers, pool, progress))
    projection = folded_network().projection
    weights = load_file(file)
    projection.load_state_dict({name: weights[f"projection.{name}"] for name in ("weight", "bias")})
    with torch.inference_mode():
        vectors = projection(torch.from_numpy(np.concatenate(rows)).float())
        return np.asarray(torch.nn.functional.normalize(vectors, dim=1).numpy(), np.float32)


def save_network(network: CopyNetwork, file: Path) -> None:
    """Writes the network's weights in float32."""
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, file)


def _pooled(
    file: Path, views: Views, numbers: Sequence[int], pool: Executor, progress: Progress
) -> Iterator[Pooled]:
    """Yields pooled features of originals and copies, in chunks of pictures."""
    steps = [
        Step(start, tuple(numbers[start : start + PICTURES_PER_JOB]))
        for start in range(0, len(numbers), PICTURES_PER_JOB)
    ]
    done = 0
    for step, rows in zip(steps, pool.map(partial(_pool_views, file, views), steps), strict=True):
        done += len(step.numbers)
        progress(done, len(numbers))
        yield rows


def _pool_views(file: Path, views: Views, step: Step) -> Pooled:
    network = network_in(file)
    frames = make_views(replace(views, runs_trunk=False), step).maps
    rows = []
    with torch.inference_mode():
        for frame in frames:
            batch = torch.from_numpy(frame[None]).to(memory_format=torch.channels_last)
            rows.append(network.pool(network.lower(batch, 0), 0).double().numpy())
    return np.concatenate(rows)
