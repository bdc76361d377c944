"""What comparing one pair at 512 px costs on one core, stage by stage."""

from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from bench.shares import Stage, share_table, shares_of
from indexer.compare import aligned_pair, pair
from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.training.classical_swap import swap_face
from indexer.training.face_variants import ON_THE_WAY
from registry.cli.demo import ORIGINALS, package_file

STAGES: tuple[Stage, ...] = (
    (aligned_pair, "warp_pair", "warp"),
    (pair, "_align_by_unchanged_places", "refine the alignment"),
    (pair, "disagreeing_places", "places that may not vote"),
    (pair, "estimate_processing", "estimate the processing"),
    (pair, "find_changes", "change map and regions"),
    (pair, "find_all_faces", "find faces"),
    (pair, "find_faces", "find faces"),
    (pair, "compare_faces", "compare faces"),
)


def stage_table() -> str:
    """Medians over a swap and a plain copy of one portrait, each with its share."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    portrait, other = (_picture(name) for name in ("astronaut.png", "grace-hopper.jpg"))
    uploads = {
        "face swap": ON_THE_WAY["crop 20 %"](swap_face(portrait, other)),
        "plain copy": ON_THE_WAY["half size"](portrait),
    }
    reference = np.asarray(portrait)
    features = extract_features(reference)
    return share_table(
        {name: _measure(np.asarray(upload), reference, features) for name, upload in uploads.items()}
    )


def _picture(name: str) -> Image.Image:
    with Image.open(package_file(*ORIGINALS[name])) as image:
        return image.convert("RGB")


def _measure(query: Any, reference: Any, features: Any) -> dict[str, float]:
    alignment = align(extract_features(query), features)
    assert alignment is not None, "made from it a moment ago"
    return shares_of(
        STAGES,
        lambda: pair.compare_pair(AlignedPair(query, reference, alignment), with_faces=True),
    )
