"""Measures what a similarity means, on pictures of which no two are copies.

    python -m indexer.training.calibrate IMAGES... --kind tp-desc.v2 --out indexer/weights

The descriptor should not have been trained on IMAGES. Every picture counts as registered, and edited copies
of all of them are queries. A copy belongs to no original but its own. Near-duplicates are found by our own
geometry and left out.
"""

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from indexer.fingerprints.calibration import MATCH_RATE, POSSIBLE_RATE, Calibration, fit
from indexer.fingerprints.embedders import open_embedder
from indexer.fingerprints.embedding import Embedder
from indexer.fingerprints.kinds import Vectors
from indexer.fingerprints.model_store import find_model
from indexer.training.edits import edited_copy
from indexer.training.near_duplicates import find_near_duplicates, nearest_pairs
from indexer.training.pictures import PictureBank, is_held_out, pack

NEIGHBOURS = 12
WORKERS = 2


def calibrate(bank: PictureBank, embedder: Embedder, copies: int, seed: int) -> Calibration:
    """Describes originals and edited copies; fits similarities of pairs that do not belong together."""
    rng = random.Random(seed)
    originals = np.concatenate(
        [embedder.embed([bank[number]]) for number in track(range(len(bank)), "originals")]
    )
    queries, owners = [], []
    for number in track(range(len(bank)), "edited copies"):
        for _ in range(copies):
            other = Image.fromarray(bank[rng.randrange(len(bank))])
            # With another picture of the set in it, a copy would belong to that one too.
            copy = edited_copy(Image.fromarray(bank[number]), other.resize((8, 8)).resize(other.size), rng)
            queries.append(embedder.embed([np.asarray(copy)])[0])
            owners.append(number)
    similarities = _distractor_similarities(bank, originals, np.stack(queries), owners)
    return fit(embedder.kind, similarities, len(bank))


def _distractor_similarities(
    bank: PictureBank, originals: Vectors, queries: Vectors, owners: list[int]
) -> Vectors:
    """Returns the similarities of all pairs that do not belong together."""
    counted = np.ones((len(queries), len(bank)), bool)
    nearest = nearest_pairs(originals, NEIGHBOURS)
    duplicates = find_near_duplicates(bank, nearest, WORKERS, lambda done, of: None)
    related = {(number, number) for number in range(len(bank))}
    related |= {pair for left, right in duplicates for pair in ((left, right), (right, left))}
    for row, owner in enumerate(owners):
        counted[row, [right for left, right in related if left == owner]] = False
    return np.asarray((queries @ originals.T)[counted])


def main() -> None:
    """Measures, prints and writes the calibration."""
    parser = argparse.ArgumentParser(description="Calibrate a descriptor on pictures that are no copies.")
    parser.add_argument("images", type=Path, nargs="+", help="folders or tar files")
    parser.add_argument("--kind", required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for KIND.calibration.json")
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="folder of weights that do not ship"
    )
    parser.add_argument(
        "--held-out", type=float, help="only the pictures that training with this share left out"
    )
    parser.add_argument("--copies", type=int, default=4, help="edited copies of each picture")
    parser.add_argument("--seed", type=int, default=2)
    given = parser.parse_args()
    embedder = open_embedder(find_model(given.models, given.kind), given.models)
    with tempfile.TemporaryDirectory() as scratch:
        wanted = None if given.held_out is None else lambda name: is_held_out(name, given.held_out)
        bank = pack(given.images, Path(scratch), wanted)
        found = calibrate(bank, embedder, given.copies, given.seed)
    found.save(given.out / f"{given.kind}.calibration.json")
    Console().print(
        f"{found.pairs:,} pairs of {found.pictures} pictures that do not belong together\n"
        f"possibly related from {found.possible:.3f} ({POSSIBLE_RATE:g} of the pairs, measured)\n"
        f"a match from {found.match:.3f} ({MATCH_RATE:g} of the pairs, extrapolated)"
    )


if __name__ == "__main__":
    main()
