"""The quick check lets copies pass, whatever was done to them, and few other pictures."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageOps

from indexer.compare.quick_check import (
    LEAST_AGREEING,
    MAXIMUM_FEATURES,
    QuickFeatures,
    agreeing_pairs,
    extract_quick_features,
    may_show_the_same,
    of_either_polarity,
)
from tests.pictures import NAMES, picture, pixels

COPIED = ("astronaut", "coffee", "hubble", "motorcycle")
EDITS = {
    "as it is": lambda image: image,
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.rotate(37, expand=True),
    "cropped": lambda image: image.crop((0, 0, image.width // 2, image.height * 2 // 3)),
    "small": lambda image: image.resize((image.width // 3, image.height // 3)),
    "stretched": lambda image: image.resize((image.width, image.height * 2 // 3)),
    "inset": lambda image: ImageOps.expand(image, image.width // 2, "white"),
    "grey": ImageOps.grayscale,
}


def quick(image: Image.Image) -> QuickFeatures:
    return extract_quick_features(np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", COPIED)
def test_a_copy_passes(name: str, edit: str) -> None:
    assert may_show_the_same(quick(EDITS[edit](picture(name))), quick(picture(name)))


def test_pictures_of_other_things_do_not_pass() -> None:
    features = {name: quick(picture(name)) for name in NAMES}
    pairs = itertools.permutations(features, 2)
    passed = [(one, other) for one, other in pairs if may_show_the_same(features[one], features[other])]
    assert passed == []


def test_a_negative_passes_by_features_of_either_polarity_only() -> None:
    negative, reference = quick(ImageOps.invert(picture("coffee"))), quick(picture("coffee"))
    assert agreeing_pairs(negative, reference) < LEAST_AGREEING
    assert may_show_the_same(of_either_polarity(negative), reference)


def test_pairs_are_counted_once_a_place() -> None:
    reference = quick(picture("astronaut"))
    spot = QuickFeatures(
        np.repeat(reference.keypoints[:1], 50, axis=0),
        np.random.default_rng(0).integers(0, 256, (50, 128), np.uint8),
        reference.width,
        reference.height,
    )
    assert agreeing_pairs(spot, spot) <= 1


@pytest.mark.parametrize("colour", ["white", "#777"])
def test_a_picture_without_features_passes_with_nothing(colour: str) -> None:
    plain = quick(Image.new("RGB", (300, 200), colour))
    assert len(plain.keypoints) == 0
    assert not may_show_the_same(plain, quick(picture("coffee")))
    assert not may_show_the_same(quick(picture("coffee")), plain)


def test_there_are_only_so_many_features_and_they_come_back_from_their_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    for frame in (noise, pixels("coffee")):
        features = extract_quick_features(frame)
        assert len(features.keypoints) <= MAXIMUM_FEATURES + 1  # OpenCV keeps ties
        again = QuickFeatures.from_bytes(features.to_bytes())
        assert np.array_equal(again.keypoints, features.keypoints)
        assert np.array_equal(again.descriptors, features.descriptors)
        assert (again.width, again.height) == (features.width, features.height)


def test_bytes_that_are_no_features_are_refused() -> None:
    content = quick(picture("coffee")).to_bytes()
    for broken in (b"", b"PK\x03\x04", content[:-1], content + b"!", b"TPQ2" + content[4:]):
        with pytest.raises(ValueError, match="quick features"):
            QuickFeatures.from_bytes(broken)
