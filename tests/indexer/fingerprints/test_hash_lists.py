"""Hashes of lists that others keep: the library's own values, their text forms, its rule of segments."""

from collections.abc import Callable

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.fingerprints.hash_lists import (
    MOST_SEGMENTS,
    NAMES,
    distance_of_values,
    is_distinctive,
    parse_fingerprints,
    texts_of,
)
from indexer.fingerprints.imagehash_kinds import compute_hash_list_kinds
from indexer.fingerprints.kinds import (
    COLORHASH,
    CROP_RESISTANT,
    DHASH,
    HASH_LIST_KINDS,
    InvalidFingerprint,
)
from tests.pictures import NAMES as PICTURES
from tests.pictures import picture

LIBRARY: dict[str, Callable[[Image.Image], object]] = {
    "ahash64.v1": imagehash.average_hash,
    "dhash64.v1": imagehash.dhash,
    "whash64.v1": imagehash.whash,
    "colorhash.v1": imagehash.colorhash,
    "crop-resistant.v1": imagehash.crop_resistant_hash,
}


def written(image: Image.Image, *kinds: str) -> dict[str, str]:
    values = texts_of(compute_hash_list_kinds(np.asarray(image), kinds or NAMES))
    return dict(text.split(":") for text, _, _ in values)


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_values_are_written_as_the_library_prints_its_own(name: str) -> None:
    image = picture(name)
    assert written(image) == {kind: str(function(image)) for kind, function in LIBRARY.items()}


def test_only_the_kinds_that_are_asked_for_are_computed_in_their_order() -> None:
    assert list(written(picture("coffee"), "whash64.v1", "ahash64.v1")) == ["whash64.v1", "ahash64.v1"]


@given(width=st.integers(1, 70), height=st.integers(1, 70), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_no_picture_however_small_makes_the_library_fail(width: int, height: int, seed: int) -> None:
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 6 + 1, width // 6 + 1, 3), np.uint8)
    found = compute_hash_list_kinds(blocks.repeat(6, 0).repeat(6, 1)[:height, :width], NAMES)
    assert {fingerprint.kind for fingerprint in found} >= set(NAMES) - {CROP_RESISTANT.name}


def test_a_segment_without_a_whole_pixel_leaves_the_kind_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Image.Image) -> None:
        raise ValueError("height and width must be > 0")

    monkeypatch.setattr(imagehash, "crop_resistant_hash", fails)
    assert compute_hash_list_kinds(np.zeros((40, 40, 3), np.uint8), [CROP_RESISTANT.name]) == []


codes = st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}")
texts = st.one_of(
    st.tuples(st.sampled_from([name for name in NAMES if name.endswith("64.v1")]), codes),
    st.tuples(st.just(COLORHASH.name), st.integers(0, 2**42 - 1).map(lambda number: f"{number:011x}")),
    st.tuples(st.just(CROP_RESISTANT.name), st.lists(codes, min_size=1, max_size=9).map(",".join)),
)


@given(texts)
def test_what_is_read_is_written_the_same(parts: tuple[str, str]) -> None:
    name, value = parts
    found = parse_fingerprints(f"{name}:{value}")
    assert texts_of(found) == [(f"{name}:{value}", None, 0)]
    assert parse_fingerprints(f"{name}:{value.upper()}") == found
    assert len(found) == value.count(",") + 1
    assert {len(fingerprint.value) for fingerprint in found} == {8}


@given(texts, st.data())
def test_a_damaged_value_is_refused(parts: tuple[str, str], data: st.DataObject) -> None:
    name, value = parts
    place = data.draw(st.integers(0, len(value) - 1))
    for damaged in (value[:place] + value[place + 1 :], value[:place] + "g" + value[place + 1 :]):
        with pytest.raises(InvalidFingerprint):
            parse_fingerprints(f"{name}:{damaged}")


@pytest.mark.parametrize(
    "text",
    [
        "dhash64.v1:",
        "dhash64.v1:0123456789abcde ",
        "dhash64.v1:0x23456789abcdef",
        "dhash64.v1:-123456789abcdef",
        "dhash64.v1:\u0661123456789abcdef",
        "dhash64.v1:c4cc72dcfcfc7cad,c4cc72dcfcfc7cad",
        "colorhash.v1:40000000000",  # 43 bits
        "crop-resistant.v1:c4cc72dcfcfc7cad,",
        "crop-resistant.v1:" + ",".join(["c4cc72dcfcfc7cad"] * (MOST_SEGMENTS + 1)),
        "dhash64.v2:c4cc72dcfcfc7cad",
    ],
)
def test_what_the_library_does_not_print_is_refused(text: str) -> None:
    with pytest.raises(InvalidFingerprint):
        parse_fingerprints(text)


def test_a_turned_value_is_refused_because_only_upright_ones_are_compared() -> None:
    with pytest.raises(InvalidFingerprint, match="upright"):
        parse_fingerprints("dhash64.v1:c4cc72dcfcfc7cad", orientation=1)
    assert parse_fingerprints("pdq.v1:" + 64 * "a", 90, 1)[0].orientation == 1


@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5),
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5),
    st.integers(0, 64),
    st.integers(1, 3),
)
def test_segments_agree_exactly_where_the_library_says_so(
    mine: list[int], theirs: list[int], bits: int, segments: int
) -> None:
    def library(numbers: list[int]) -> imagehash.ImageMultiHash:
        return imagehash.hex_to_multihash(",".join(f"{number:016x}" for number in numbers))

    distance = distance_of_values(
        [number.to_bytes(8, "big") for number in mine],
        [number.to_bytes(8, "big") for number in theirs],
        segments,
    )
    agrees = distance is not None and distance <= bits
    assert agrees == library(mine).matches(library(theirs), segments, hamming_cutoff=bits)


def test_values_of_plain_pictures_say_nothing() -> None:
    for colour in ("black", "white", "red", "#808080"):
        plain = compute_hash_list_kinds(np.asarray(Image.new("RGB", (200, 150), colour)), NAMES)
        assert not any(is_distinctive(fingerprint) for fingerprint in plain)
    gradient = np.tile(np.arange(256, dtype=np.uint8), (256, 1))[:, :, None].repeat(3, 2)
    assert not any(
        is_distinctive(fingerprint) for fingerprint in compute_hash_list_kinds(gradient, [DHASH.name])
    )
    real = compute_hash_list_kinds(
        np.asarray(picture("coffee")), ["ahash64.v1", "dhash64.v1", "whash64.v1"]
    )
    assert all(is_distinctive(fingerprint) for fingerprint in real)


def test_every_kind_is_versioned_and_fills_whole_words() -> None:
    assert all(kind.name.endswith(".v1") and kind.size == 64 for kind in HASH_LIST_KINDS)
