"""Measures what comparing one pair at 512 px costs on one core, stage by stage."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from PIL import Image

from bench.shares import Stages, share_table, shares_of
from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.alignment_refinement import agreeing_share, disagreeing_places, refine_alignment
from indexer.compare.changes import find_changes
from indexer.compare.faces.detection import find_all_faces, find_faces
from indexer.compare.faces.pairs import compare_faces
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.pair import compare_pair
from indexer.compare.processing import estimate_processing
from indexer.compare.warping import warp_pair
from indexer.training.classical_swap import swap_face
from indexer.training.face_variants import ON_THE_WAY
from registry.cli.demo import ORIGINALS, package_file

STAGES: Stages = {
    warp_pair: "warp",
    refine_alignment: "refine the alignment",
    agreeing_share: "refine the alignment",
    disagreeing_places: "places that may not vote",
    estimate_processing: "estimate the processing",
    find_changes: "change map and regions",
    find_all_faces: "find faces",
    find_faces: "find faces",
    compare_faces: "compare faces",
}


def stage_table() -> str:
    """Returns medians for a swap and for a plain copy of one portrait, each with its share."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return share_table({name: shares_of(STAGES, compare) for name, compare in comparisons().items()})


def comparisons() -> dict[str, Callable[[], object]]:
    """Returns comparisons of a swap and of a plain copy with the portrait that both were made from."""
    portrait, other = (_picture(name) for name in ("astronaut.png", "grace-hopper.jpg"))
    return {
        "face swap": _comparison(ON_THE_WAY["crop 20 %"](swap_face(portrait, other)), portrait),
        "plain copy": _comparison(ON_THE_WAY["half size"](portrait), portrait),
    }


def _picture(name: str) -> Image.Image:
    with Image.open(package_file(*ORIGINALS[name])) as image:
        return image.convert("RGB")


def _comparison(upload: Image.Image, original: Image.Image) -> Callable[[], object]:
    query, reference = np.asarray(upload), np.asarray(original)
    alignment = align(extract_features(query), extract_features(reference))
    assert alignment is not None, "made from it a moment ago"
    return lambda: compare_pair(AlignedPair(query, reference, alignment), with_faces=True)
