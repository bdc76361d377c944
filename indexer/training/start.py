"""Prepares where training begins: published ImageNet weights, a whitening projection, and near-duplicates.

The projection is learned as for the first descriptor (`indexer.training.whitening`). It already beats the
bare trunk, so training starts from the best that a minute can buy.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from indexer.fingerprints.copy_network import CopyNetwork
from indexer.fingerprints.kinds import Vectors
from indexer.fingerprints.lite0 import load_imagenet_weights
from indexer.training.near_duplicates import find_near_duplicates, nearest_pairs
from indexer.training.pictures import open_bank
from indexer.training.projection import describe_originals, save_network, whiten
from indexer.training.views import START_FILE, Views

MEMORY_FILE, DUPLICATES_FILE = "start-memory.npy", "near-duplicates.json"
WHITENED_PICTURES, SHRINKAGE = 4000, 0.1


@dataclass(frozen=True)
class Start:
    """What training begins with, beside the weights in the run's folder."""

    memory: Vectors  # (n, 256) unit rows of all pictures
    duplicates: tuple[tuple[int, int], ...]  # pairs of pictures


def prepare_start(
    views: Views,
    numbers: Sequence[int],
    pool: Executor,
    workers: int,
    progress: Callable[[str, int, int], None],
) -> Start:
    """Writes the start weights and finds near-duplicates.

    `numbers` are the pictures to learn from; all pictures of the bank are described.
    """
    network = CopyNetwork()
    network.trunk.load_state_dict(load_imagenet_weights())
    network.eval().trunk.fuse()
    file, bank = views.folder / START_FILE, open_bank(views.folder)
    save_network(network, file)
    learned = numbers[:WHITENED_PICTURES]
    whiten(file, views, learned, SHRINKAGE, pool, partial(progress, "learning the projection"))
    vectors = describe_originals(
        file, views, range(len(bank)), pool, partial(progress, "describing the originals")
    )
    near = nearest_pairs(vectors)
    duplicates = find_near_duplicates(bank, near, workers, partial(progress, "comparing neighbours"))
    np.save(views.folder / MEMORY_FILE, vectors)
    (views.folder / DUPLICATES_FILE).write_text(json.dumps(duplicates))
    return Start(vectors, tuple(duplicates))


def load_start(folder: Path) -> Start:
    """Loads what `prepare_start` wrote."""
    pairs = json.loads((folder / DUPLICATES_FILE).read_text())
    duplicates = tuple((int(left), int(right)) for left, right in pairs)
    return Start(np.load(folder / MEMORY_FILE), duplicates)
