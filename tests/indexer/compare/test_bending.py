"""An upload that was bent is made straight; what is flat, and what is another picture, is left alone."""

import random

import cv2
import numpy as np
import pytest

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.bending import Bend, unbend
from indexer.compare.dense import dense_agreement
from indexer.compare.features import LocalFeatures, extract_features
from indexer.compare.geometry import Alignment, align
from indexer.media.images import Pixels
from samples.layouts import instance, real_copy
from tests.pictures import picture

COFFEE = np.asarray(picture("coffee"))


def curled(pixels: Pixels, depth_px: float) -> Pixels:
    """Moves the middle row up by `depth_px` and leaves the ends where they are: an arc."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    arc = depth_px * (1 - (2 * x / (width - 1) - 1) ** 2)
    return np.asarray(cv2.remap(pixels, x, y + arc.astype(np.float32), cv2.INTER_LINEAR), np.uint8)


def joined(query: Pixels, reference: Pixels) -> tuple[LocalFeatures, LocalFeatures, Alignment]:
    of_query, of_reference = extract_features(query), extract_features(reference)
    alignment = align(of_query, of_reference)
    assert alignment is not None
    return of_query, of_reference, alignment


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_curled_picture_is_laid_in_place(is_mirrored: bool) -> None:
    bent = curled(COFFEE[:, ::-1] if is_mirrored else COFFEE, 24.0)
    features, known, alignment = joined(bent, COFFEE)
    before = dense_agreement(AlignedPair(bent, COFFEE, alignment))
    unbent = unbend(features, known, alignment)
    assert unbent is not None
    straight, bend = unbent
    after = dense_agreement(AlignedPair(bend.straightened(bent), COFFEE, straight))
    assert straight.is_mirrored is is_mirrored
    assert straight.inliers > 1.2 * alignment.inliers
    assert before is not None
    assert after is not None
    assert before.agreeing < 0.8
    assert after.agreeing > 0.97


def test_what_is_flat_is_left_as_it_is() -> None:
    for edit in ("turned", "photographed screen", "captioned"):
        copy = np.asarray(real_copy(picture("coffee"), edit, random.Random(1)))
        assert unbend(*joined(copy, COFFEE)) is None, edit


@pytest.mark.parametrize("kind", ["form", "certificate", "chat"])
def test_other_content_in_one_layout_is_nothing_that_was_bent(kind: str) -> None:
    photos = [picture("coffee"), picture("rocket")]
    one, other = (np.asarray(instance(kind, 3, seed, photos, photographed=True)) for seed in (10, 11))
    assert unbend(*joined(other, one)) is None


def test_a_polynomial_that_folds_the_picture_is_known() -> None:
    terms = np.zeros((10, 2))
    assert not Bend(terms, (200, 100), 3).folds()
    terms[7, 0] = 150.0  # x², so that the left half comes back over the right one
    assert Bend(terms, (200, 100), 3).folds()
