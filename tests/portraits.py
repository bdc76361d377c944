"""Portraits that packages bring, and what is done to them in tests."""

import io
from functools import cache

import numpy as np
from PIL import Image

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.derivation import Derivation, derive
from indexer.compare.features import extract_features
from indexer.compare.geometry import align
from indexer.compare.vocabulary import Frame
from indexer.media.images import Pixels
from indexer.operations import OperationType
from indexer.training.classical_swap import swap_face
from tests.pictures import picture


def astronaut() -> Image.Image:
    return picture("astronaut")


def hopper() -> Image.Image:
    return picture("grace hopper")


@cache
def swapped() -> Image.Image:
    """Returns the astronaut with Grace Hopper's face."""
    return swap_face(astronaut(), hopper())


def through_jpeg(image: Image.Image, quality: int = 85) -> Image.Image:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB")).copy()


def derived(query: Image.Image, reference: Image.Image, *, with_faces: bool = True) -> Derivation:
    ours, theirs = pixels(query), pixels(reference)
    alignment = align(extract_features(ours), extract_features(theirs))
    assert alignment is not None, "the pictures do not belong together"
    return derive(
        AlignedPair(ours, theirs, alignment),
        Frame(*query.size),
        Frame(*reference.size),
        with_faces=with_faces,
    )


def types_of(found: Derivation) -> set[OperationType]:
    return {operation.type for operation in found.operations}
