"""Two pictures with one PDQ value look alike at PDQ's own size, or the value was forged."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from indexer.compare.coarse import coarse_agreement
from indexer.fingerprints.kinds import hamming
from indexer.fingerprints.pdq import compute_pdq
from registry.thresholds import Thresholds
from tests.forgeries import with_pdq_of
from tests.pictures import picture, pixels

LIMITS = Thresholds()
FORGED = [("astronaut", "cat"), ("coffee", "motorcycle"), ("grace hopper", "coins"), ("cat", "rocket")]


@pytest.mark.parametrize(("target", "other"), FORGED)
def test_a_picture_that_was_given_anothers_value_does_not_look_like_it(target: str, other: str) -> None:
    forged = with_pdq_of(pixels(target), pixels(other), most_bits=6)
    distance = hamming(compute_pdq(forged)[0].value, compute_pdq(pixels(target))[0].value)
    assert distance <= LIMITS.pdq_identical_bits
    assert coarse_agreement(forged, pixels(target), 0) < LIMITS.pdq_coarse_agreeing


@pytest.mark.parametrize("turn", [None, *Image.Transpose])
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_a_blurred_copy_looks_alike_however_it_was_turned(name: str, turn: Image.Transpose | None) -> None:
    blurred = picture(name).filter(ImageFilter.GaussianBlur(8))
    query = np.asarray(blurred if turn is None else blurred.transpose(turn))
    upright = compute_pdq(pixels(name))[0]
    nearest = min(compute_pdq(query), key=lambda code: hamming(code.value, upright.value))
    assert coarse_agreement(query, pixels(name), nearest.orientation) > 0.9
