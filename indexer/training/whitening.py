"""Learn a projection from a folder of images.

    python -m indexer.training.whitening IMAGES... --out indexer/weights/tp-desc.v1-whitening.safetensors

Discriminative whitening after Radenović et al. (2018), section 3.3, and Mikolajczyk and Matas (2007):
directions in which a picture differs from its own edited copies are shrunk, then the directions in
which pictures differ from each other are kept. The edits are `indexer.training.edits`.
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors.torch import save_file

from indexer.fingerprints.embedders import square
from indexer.fingerprints.imagenet_descriptor import ImagenetDescriptor
from indexer.fingerprints.kinds import DESCRIPTOR_V1
from indexer.fingerprints.lite0 import load_imagenet_weights
from indexer.fingerprints.models import IMAGENET_FEATURES
from indexer.training.edits import edited_copy
from indexer.training.pictures import images_in

Pooled = npt.NDArray[np.float64]  # (n, 1280), unit rows

BATCH = 32
# Directions that hardly ever vary within pairs would be blown up by their inverse.
SHRINKAGE = 1.0


def pooled_features(network: ImagenetDescriptor, images: list[Image.Image], note: str) -> Pooled:
    """GeM features before whitening, each of length one."""
    rows = []
    for start in range(0, len(images), BATCH):
        frames = [
            square(np.asarray(image), IMAGENET_FEATURES.side) for image in images[start : start + BATCH]
        ]
        with torch.inference_mode():
            pooled = network.pool(torch.from_numpy(np.stack(frames)))
        rows.append(torch.nn.functional.normalize(pooled, dim=1).double().numpy())
        print(f"\r{note}: {start + len(frames)} of {len(images)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return np.concatenate(rows)


def learn_projection(clean: Pooled, edited: Pooled, shrinkage: float = SHRINKAGE) -> tuple[Pooled, Pooled]:
    """(n, 1280) features of pictures and of their edited copies -> mean (1280,), projection (1280, 256)."""
    mean = clean.mean(axis=0)
    within = (clean - edited).T @ (clean - edited) / len(clean)
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)
    _, _, directions = np.linalg.svd((clean - mean) @ whiten, full_matrices=False)
    return mean, whiten @ directions[: DESCRIPTOR_V1.size].T


def main() -> None:
    """Read images, make edited copies, learn, write the weights."""
    parser = argparse.ArgumentParser(description="Learn the descriptor's whitening.")
    parser.add_argument("images", type=Path, nargs="+", help="folders or tar files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=1, help="edited copies of each picture")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--features", type=Path, help="keep the pooled features in this .npz file")
    options = parser.parse_args()
    network = ImagenetDescriptor()
    network.trunk.load_state_dict(load_imagenet_weights())
    network.eval()
    pictures = [image for source in options.images for image in images_in(source)]
    rng = random.Random(options.seed)
    clean = pooled_features(network, pictures, "pictures")
    edited = np.concatenate(
        [
            pooled_features(
                network,
                [edited_copy(one, pictures[rng.randrange(len(pictures))], rng) for one in pictures],
                f"edited copies {number + 1}",
            )
            for number in range(options.copies)
        ]
    )
    clean_repeated = np.concatenate([clean] * options.copies)
    if options.features:
        np.savez(options.features, clean=clean_repeated, edited=edited)
    mean, projection = learn_projection(clean_repeated, edited)
    weights = {
        "mean": torch.from_numpy(mean).to(torch.float16),
        "projection": torch.from_numpy(projection).to(torch.float16),
    }
    save_file(weights, options.out, {"kind": DESCRIPTOR_V1.name, "pictures": str(len(pictures))})


if __name__ == "__main__":
    main()
