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


def test_a_dense_spot_does_not_hide_pairs_that_are_spread() -> None:
    reference = quick(picture("coffee"))
    some, spot = reference.keypoints[:30:6], np.repeat(reference.keypoints[100:101], 6, axis=0)
    spot = spot + np.array([0, 0, 0.3, 0], np.float32)  # its own size, so that it is a guess of its own
    rng = np.random.default_rng(1)
    fill = rng.integers(0, 256, (20, 4)).astype(np.float32) + 1
    keypoints = np.concatenate([some, spot, fill])
    descriptors = rng.integers(0, 256, (len(keypoints), 128), np.uint8)
    shown = QuickFeatures(keypoints, descriptors, 320, 213)
    moved = keypoints + np.array([0, 0, 0, 0], np.float32)
    moved[len(some) : len(some) + len(spot), :2] += 90  # the spot is elsewhere
    moved[len(some) + len(spot) :] = rng.permuted(fill, axis=0)
    assert agreeing_pairs(shown, QuickFeatures(moved, descriptors, 320, 213)) >= LEAST_AGREEING


@pytest.mark.parametrize("colour", ["white", "#777"])
def test_a_picture_with_too_few_features_to_tell_passes(colour: str) -> None:
    plain = quick(Image.new("RGB", (300, 200), colour))
    assert len(plain.keypoints) == 0
    assert agreeing_pairs(plain, quick(picture("coffee"))) == 0
    assert may_show_the_same(plain, quick(picture("coffee")))
    assert may_show_the_same(quick(picture("coffee")), plain)


def test_there_are_only_so_many_features_and_they_come_back_from_their_bytes() -> None:
    dots = np.zeros((320, 320, 3), np.uint8)
    dots[::6, ::6] = 255  # all as strong as one another
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    for frame in (dots, noise, pixels("coffee")):
        features = extract_quick_features(frame)
        assert len(features.keypoints) <= MAXIMUM_FEATURES
        again = QuickFeatures.from_bytes(features.to_bytes())
        assert np.array_equal(again.keypoints, features.keypoints)
        assert np.array_equal(again.descriptors, features.descriptors)
        assert (again.width, again.height) == (features.width, features.height)


def test_bytes_that_are_no_features_are_refused() -> None:
    content = quick(picture("coffee")).to_bytes()
    for broken in (
        b"",
        b"PK\x03\x04",
        content[:-1],
        content + b"!",
        b"TPQ1" + content[4:],
        content[:40] + bytes(40) + content[80:],
    ):
        with pytest.raises(ValueError, match="quick features"):
            QuickFeatures.from_bytes(broken)


def test_what_is_small_and_faint_keeps_features_among_strong_ones() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    page = Image.fromarray(noise).resize((960, 720), Image.Resampling.NEAREST)
    page.paste(picture("coffee").resize((320, 240)), (40, 30))
    assert may_show_the_same(quick(page), quick(picture("coffee")))
