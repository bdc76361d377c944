"""Measures the network on pictures that it has not seen: a small Image Similarity Challenge of our own.

Three in five of the held-out pictures are registered, and edited copies of all of them are queries. The
truth is known because we made the copies. Copies of the rest have no true reference, as most uploads have
none.
"""

import random
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from indexer.fingerprints.copy_network import CopyNetwork
from indexer.fingerprints.embedding import square
from indexer.fingerprints.kinds import Vectors
from indexer.training.edits import edited_copy
from indexer.training.evaluation import Guess, Quality, measure
from indexer.training.pictures import PictureBank
from indexer.training.procedural import procedural_picture

REGISTERED_SHARE = 0.6
COPIES = 3
GUESSES = 10
SEED = 99
Frames = npt.NDArray[np.uint8]  # (n, 3, side, side)


class HeldOut:
    """Originals and queries, made once, and the same for every run over the same pictures."""

    def __init__(
        self,
        bank: PictureBank,
        numbers: Sequence[int],
        others: Sequence[int],
        duplicates: Mapping[int, Collection[int]],
        side: int,
    ) -> None:
        # A picture whose near-duplicate was learned is not unseen.
        numbers = [number for number in numbers if not {*duplicates.get(number, ())} & {*others}]
        self._duplicates = {
            str(number): {str(duplicate) for duplicate in duplicates.get(number, ())} for number in numbers
        }
        rng = random.Random(SEED)
        shuffled = rng.sample(list(numbers), len(numbers))
        registered = shuffled[: max(1, int(len(shuffled) * REGISTERED_SHARE))]
        self._names = [str(number) for number in registered]
        self._originals = np.stack([square(bank[number], side) for number in registered])
        self._truth: dict[str, str | None] = {}
        queries = []
        for number in shuffled:
            for copy in range(COPIES):
                second = bank[rng.choice(others)] if others else procedural_picture(rng)
                edited = edited_copy(Image.fromarray(bank[number]), Image.fromarray(second), rng)
                queries.append(square(np.asarray(edited), side))
                self._truth[f"{number}-{copy}"] = str(number) if str(number) in self._names else None
        self._queries = np.stack(queries)

    def measure(self, network: CopyNetwork, device: str) -> Quality:
        """Ranks the nearest originals of all queries together and measures the result."""
        originals = describe(network, self._originals, device)
        similarity = describe(network, self._queries, device) @ originals.T
        best = np.argsort(-similarity, axis=1)[:, :GUESSES]
        guesses = [
            Guess(query, self._names[place], float(similarity[row, place]))
            for row, query in enumerate(self._truth)
            for place in best[row]
            # One crop of a photograph is no wrong answer for another crop of it.
            if self._names[place] not in self._duplicates[query.partition("-")[0]]
        ]
        return measure(guesses, self._truth)


def describe(network: CopyNetwork, frames: Frames, device: str) -> Vectors:
    """Describes (n, 3, side, side) frames by (n, 256) unit rows."""
    batch = 1 if device == "cpu" else 128
    rows = []
    with torch.inference_mode():
        for start in range(0, len(frames), batch):
            part = torch.from_numpy(frames[start : start + batch]).to(
                device, memory_format=torch.channels_last
            )
            rows.append(network(part).float().cpu().numpy())
    return np.concatenate(rows)
