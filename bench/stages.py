"""What comparing one pair at 512 px costs on one core, stage by stage."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
from PIL import Image

from indexer.compare import pair
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.training.classical_swap import swap_face
from indexer.training.face_variants import ON_THE_WAY
from registry.demo import ORIGINALS, package_file

ROUNDS = 9
STAGES = {
    "lay_on": "warp",
    "_aligned_by_what_stayed": "refine the alignment",
    "disagreeing": "places that may not vote",
    "estimate_processing": "estimate the processing",
    "find_changes": "change map and regions",
    "find_all_faces": "find faces",
    "find_faces": "find faces",
    "compare_faces": "compare faces",
}


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
    columns = {name: _measure(np.asarray(upload), reference, features) for name, upload in uploads.items()}
    lines = [f"| stage, ms on one core | {' | '.join(columns)} |", "| --- | --- | --- |"]
    for stage in (*dict.fromkeys(STAGES.values()), "all of it"):
        cells = [
            f"{one[stage]:.0f} ({100 * one[stage] / one['all of it']:.0f} %)" for one in columns.values()
        ]
        lines.append(f"| {stage} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _picture(name: str) -> Image.Image:
    with Image.open(package_file(*ORIGINALS[name])) as image:
        return image.convert("RGB")


def _measure(query: Any, reference: Any, features: Any) -> dict[str, float]:
    alignment = align(extract_features(query), features)
    assert alignment is not None, "made from it a moment ago"
    rounds: list[dict[str, float]] = []
    spent: dict[str, float] = {}

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def measured(*given: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*given, **named)
            finally:
                spent[name] = spent.get(name, 0.0) + 1000 * (time.perf_counter() - started)

        return measured

    patches = {name: timed(stage, getattr(pair, name)) for name, stage in STAGES.items()}
    with patch.multiple(pair, **patches):
        for _ in range(ROUNDS + 1):
            spent.clear()
            started = time.perf_counter()
            pair.compare_pair(query, reference, alignment, with_faces=True)
            rounds.append({**spent, "all of it": 1000 * (time.perf_counter() - started)})
    kept = rounds[1:]  # the first loads the networks
    return {
        name: float(np.median([one.get(name, 0.0) for one in kept]))
        for name in (*dict.fromkeys(STAGES.values()), "all of it")
    }
