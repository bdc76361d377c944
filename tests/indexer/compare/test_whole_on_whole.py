"""A whole picture is laid on a whole picture in the orientation that PDQ names."""

import numpy as np
import pytest
from PIL import Image

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.dense import dense_agreement
from indexer.compare.whole_on_whole import whole_on_whole
from indexer.fingerprints.kinds import hamming
from indexer.fingerprints.pdq import ORIENTATIONS, compute_pdq
from tests.pictures import picture

TRANSPOSES = [None, *Image.Transpose]


@pytest.mark.parametrize("turn", TRANSPOSES, ids=lambda turn: "upright" if turn is None else turn.name)
def test_in_the_orientation_that_pdq_names_everything_agrees(turn: Image.Transpose | None) -> None:
    original = picture("coffee")
    upload = original if turn is None else original.transpose(turn)
    query, reference = (
        np.asarray(upload.resize((upload.width // 2, upload.height // 2))),
        np.asarray(original),
    )
    upright = compute_pdq(reference)[0]
    nearest = min(compute_pdq(query), key=lambda code: hamming(code.value, upright.value))
    alignment = whole_on_whole(upload_size(query), original.size, nearest.orientation)
    assert alignment is not None
    assert alignment.scale == pytest.approx(2, abs=0.02)
    assert alignment.is_mirrored is (ORIENTATIONS[nearest.orientation] in MIRRORED)
    dense = dense_agreement(AlignedPair(query, reference, alignment))
    assert dense is not None
    assert dense.agreeing > 0.99


MIRRORED = ("flipped_vertically", "mirrored", "transposed", "transversed")


def upload_size(pixels: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[0]


def test_frames_of_quite_different_shapes_are_not_laid_on_one_another() -> None:
    assert whole_on_whole((600, 400), (400, 600), 0) is None
    assert whole_on_whole((600, 400), (400, 600), 1) is not None
