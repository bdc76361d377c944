import hashlib
import io
from pathlib import Path

import imagehash
import numpy as np
import pdqhash
import pytest
from PIL import Image, ImageOps

from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.compute import fingerprint_frame, why_insufficient_detail
from indexer.fingerprints.embedders import TorchEmbedder
from indexer.fingerprints.kinds import (
    DESCRIPTOR,
    Fingerprint,
    InvalidFingerprint,
    hamming,
    parse_fingerprint,
)
from indexer.fingerprints.lite0 import WrongWeights, load_imagenet_weights
from indexer.fingerprints.pdq import ORIENTATIONS, compute_pdq
from indexer.fingerprints.phash import compute_phash
from indexer.media.images import decode_image
from indexer.media.limits import ImageLimits
from tests.pictures import NAMES, encoded, picture, pixels
from tests.world import SeededEmbedder

# The C++ reference's value for ThreatExchange's bridge-mods/aaa-orig.jpg.
AAA_ORIG = bytes.fromhex("d8f8f0cee0f4a84f0637022a078f67f0b36e2ed596621e1d33e6339c4e9c9b22")
# The C++ reference's values for its reg-test-input/dih, in the order of the files' numbers.
DIHEDRAL = {
    2: "30a10efdf1c83f429013d48d0ffffc52e34e0e35ada952a9d29605215aa9e5af",
    3: "2dad5a64b1a142e7d362a09857da895ae63b8c7fc23794b766b319361fc93188",
    4: "a5f0a457248995e8c9065c275aaa5498b61ba4bdf8fcf80387c32f8b5bfc4f05",
    5: "d8f80f33e0f417b20e37f5cd028f980fb36ed02a9662c1e233e64c634e9c64dd",
    6: "2da9259bb1a1bd1a5362576552da32a5e63b7380c2774b4866b346c91b89ce77",
    7: "f0a1e10271ccc0bd90530b720fff038de34ef1e8ada9a956d6967ade5ea91a50",
    8: "2df05aa8a4896a17c14682da5aaaab07b61b5b42f8fc07fc87c3d0741bfcb0fa",
}
CONFORMANCE_BITS = 10  # Meta's rule, at quality 80 and more
CONFORMANCE_QUALITY = 80
MATCHING_BITS = 31


def decoded(path: Path) -> np.ndarray:
    return decode_image(path.read_bytes(), ImageLimits()).pixels


def pdq_of_file(path: Path) -> list[Fingerprint]:
    image = decode_image(path.read_bytes(), ImageLimits())
    return compute_pdq(image.pixels, (image.width, image.height))


def full_size_pdq(file: Path | io.BytesIO) -> tuple[bytes, int]:
    """Returns PDQ of the full picture by the reference code, as Meta computes it."""
    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    bits, quality = pdqhash.compute(np.asarray(upright))
    return np.packbits(bits).tobytes(), quality


TURNS = {
    "upright": lambda a: a,
    "rotated_90": lambda a: np.rot90(a, 1),
    "rotated_180": lambda a: np.rot90(a, 2),
    "rotated_270": lambda a: np.rot90(a, 3),
    "flipped_vertically": np.flipud,
    "mirrored": np.fliplr,
    "transposed": lambda a: a.transpose(1, 0, 2),
    "transversed": lambda a: np.rot90(a, 2).transpose(1, 0, 2),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("subject", ["coffee", "astronaut", "motorcycle"])
def test_each_orientation_has_the_name_of_what_was_done(subject: str, name: str) -> None:
    turned = np.ascontiguousarray(TURNS[name](pixels(subject)))
    upright = compute_pdq(turned)[0]
    distances = [hamming(upright.value, fingerprint.value) for fingerprint in compute_pdq(pixels(subject))]
    assert ORIENTATIONS[int(np.argmin(distances))] == name
    assert min(distances) <= 24


def test_fingerprints_survive_recompression_and_tell_unrelated_pictures_apart() -> None:
    limits = ImageLimits()
    copy = decode_image(encoded(picture("coffee").resize((300, 200)), "JPEG", quality=30), limits).pixels
    for compute in (lambda frame: compute_pdq(frame)[0], compute_phash):
        one, other = compute(pixels("coffee")), compute(copy)
        unrelated = compute(pixels("astronaut"))
        assert hamming(one.value, other.value) < hamming(one.value, unrelated.value) / 2


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("width", [1100, 1920, 3000])
def test_large_photographs_conform_although_they_are_reduced_first(name: str, width: int) -> None:
    photograph = picture(name)
    height = round(photograph.height * width / photograph.width)
    content = encoded(photograph.resize((width, height), Image.Resampling.LANCZOS), quality=90)
    reference, quality = full_size_pdq(io.BytesIO(content))
    assert quality >= CONFORMANCE_QUALITY
    decoded = decode_image(content, ImageLimits())
    ours = compute_pdq(decoded.pixels, (decoded.width, decoded.height))[0]
    assert hamming(ours.value, reference) <= CONFORMANCE_BITS


@pytest.mark.parametrize("size", [(64, 64), (100, 75), (511, 640), (1000, 700), (640, 1001)])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_hashes_of_a_picture_are_those_of_the_codes_they_follow(
    name: str, size: tuple[int, int]
) -> None:
    resized = picture(name).resize(size)
    frame = np.asarray(resized)
    values, quality = pdqhash.compute_dihedral(frame)
    ours = compute_pdq(frame)
    assert [fingerprint.orientation for fingerprint in ours] == list(range(8))
    assert {fingerprint.quality for fingerprint in ours} == {int(quality)}
    for value, fingerprint in zip(values, ours, strict=True):
        # A coefficient beside the median may fall on the other side by the order of additions.
        assert hamming(fingerprint.value, np.packbits(value).tobytes()) <= 2
    phash = imagehash.phash(resized).hash
    assert hamming(compute_phash(frame).value, np.packbits(phash).tobytes()) <= 1


def test_a_reduced_picture_is_smoothed_as_at_its_own_size() -> None:
    away, away_without = [], []
    for name in sorted(NAMES):
        full = picture(name).resize((2000, 1500), Image.Resampling.LANCZOS)
        reduced = np.asarray(full.resize((500, 375), Image.Resampling.BOX))
        bits, _ = pdqhash.compute(np.asarray(full))
        reference = np.packbits(bits).tobytes()
        away.append(hamming(compute_pdq(reduced, full.size)[0].value, reference))
        away_without.append(hamming(compute_pdq(reduced)[0].value, reference))
    assert max(away) <= CONFORMANCE_BITS
    assert sum(away) < sum(away_without) / 4


@pytest.mark.parametrize(
    "frame",
    [np.zeros((300, 300, 3), np.uint8), np.full((300, 300, 3), 200, np.uint8), pixels("coffee")[:20, :20]],
    ids=["black", "grey", "tiny"],
)
def test_a_frame_without_detail_says_why_it_is_refused(frame: np.ndarray) -> None:
    assert fingerprint_frame(frame, SeededEmbedder()).insufficient_detail


def test_a_gradient_has_insufficient_detail_and_a_photograph_has_enough() -> None:
    ramp = np.tile(np.linspace(0, 255, 400, dtype=np.uint8)[None, :, None], (300, 1, 3))
    quality = compute_pdq(ramp)[0].quality
    assert quality is not None
    assert "quality" in (why_insufficient_detail(ramp, quality) or "")
    assert fingerprint_frame(pixels("coffee"), SeededEmbedder()).insufficient_detail is None


def test_the_text_form_comes_back_equal() -> None:
    found = fingerprint_frame(pixels("coffee"), SeededEmbedder()).fingerprints
    assert {fingerprint.kind for fingerprint in found} == {"pdq.v1", "phash64.v1", DESCRIPTOR.name}
    for fingerprint in found:
        assert (
            parse_fingerprint(fingerprint.text(), fingerprint.quality, fingerprint.orientation)
            == fingerprint
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pdq.v1",
        "pdq.v1:zz",
        "pdq.v1:00",
        "md5:00",
        "tp-desc.v2:AAAA",
        "tp-desc.v2:" + "AA" * 342,
        "pdq.v2:" + "0" * 64,
    ],
)
def test_text_that_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(InvalidFingerprint):
        parse_fingerprint(text)


def test_the_descriptor_is_one_unit_vector_per_frame_nearer_to_a_crop_than_to_another() -> None:
    embedder = TorchEmbedder("cpu")
    crop = pixels("coffee")[60:340, 90:520]
    vectors = embedder.embed([pixels("coffee"), np.ascontiguousarray(crop), pixels("astronaut")])
    assert vectors.shape == (3, DESCRIPTOR.size)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    known = calibration_of(DESCRIPTOR.name)
    assert known is not None
    assert vectors[0] @ vectors[1] > known.possible > vectors[0] @ vectors[2]
    again = TorchEmbedder("cpu").embed([pixels("coffee")])
    assert np.allclose(again[0], vectors[0], atol=1e-4)


def test_other_weights_than_the_pinned_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.fingerprints.lite0.IMAGENET_SHA256", hashlib.sha256(b"").hexdigest())
    with pytest.raises(WrongWeights):
        load_imagenet_weights()


@pytest.mark.gpu
def test_the_descriptor_is_the_same_on_a_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    one, other = TorchEmbedder("cpu"), TorchEmbedder("cuda")
    assert np.allclose(one.embed([pixels("coffee")]), other.embed([pixels("coffee")]), atol=2e-2)


class TestMetasFixtures:
    """ThreatExchange's own pictures (shared/data/pdq)."""

    @pytest.mark.shared
    def test_every_fixture_conforms(self, shared: Path) -> None:
        suffixes = {".jpg", ".png", ".webp"}
        files = [file for file in (shared / "pdq").rglob("*") if file.suffix in suffixes]
        judged = 0
        for file in files:
            reference, quality = full_size_pdq(file)
            ours = pdq_of_file(file)[0]
            if quality >= CONFORMANCE_QUALITY:
                judged += 1
                assert hamming(ours.value, reference) <= CONFORMANCE_BITS, file.name
        assert judged >= 40

    @pytest.mark.shared
    def test_every_bridge_variant_conforms_and_matches(self, shared: Path) -> None:
        original = pdq_of_file(shared / "pdq/bridge-mods/aaa-orig.jpg")[0].value
        assert hamming(original, AAA_ORIG) <= CONFORMANCE_BITS
        files = sorted((shared / "pdq/bridge-mods").glob("*.jpg"))
        assert len(files) == 12
        for file in files:
            ours, (reference, quality) = pdq_of_file(file)[0], full_size_pdq(file)
            assert quality >= CONFORMANCE_QUALITY
            assert hamming(ours.value, reference) <= CONFORMANCE_BITS, file.name
            assert hamming(ours.value, original) <= MATCHING_BITS, file.name

    @pytest.mark.shared
    def test_the_dihedral_set_is_recognised_whatever_its_orientation(self, shared: Path) -> None:
        files = sorted((shared / "pdq/reg-test-input/dih").glob("*.jpg"))
        original = pdq_of_file(files[0])
        for number, file in enumerate(files):
            upright = pdq_of_file(file)[0].value
            if number + 1 in DIHEDRAL:
                assert hamming(upright, bytes.fromhex(DIHEDRAL[number + 1])) <= CONFORMANCE_BITS
            distances = [hamming(upright, fingerprint.value) for fingerprint in original]
            assert distances[number] <= 16
            assert min(distances[:number] + distances[number + 1 :]) > 80

    @pytest.mark.shared
    def test_every_colour_mode_of_one_photograph_matches_it(self, shared: Path) -> None:
        folder = shared / "pdq/misc-images/modes"
        original = pdq_of_file(folder / "original.jpg")[0].value
        files = [file for file in folder.iterdir() if file.suffix != ".md" and file.stem != "original"]
        assert len(files) >= 13
        for file in files:
            distance = hamming(pdq_of_file(file)[0].value, original)
            assert distance <= CONFORMANCE_BITS, file.name

    @pytest.mark.shared
    def test_plain_pictures_are_refused_and_scenes_are_not(self, shared: Path) -> None:
        refused = set()
        files = [*(shared / "pdq/reg-test-input/labelme-subset").glob("*.jpg")]
        files.append(shared / "pdq/misc-images/small.jpg")
        for file in files:
            if fingerprint_frame(decoded(file), SeededEmbedder()).insufficient_detail:
                refused.add(file.name)
        with_low_quality = {file.name for file in files if full_size_pdq(file)[1] < 50}
        assert refused == with_low_quality
        assert "small.jpg" in refused

    @pytest.mark.shared
    def test_other_shots_of_one_scene_do_not_match(self, shared: Path) -> None:
        first, second = sorted((shared / "pdq/reg-test-input/exif-rotn").glob("*.jpg"))
        one, other = pdq_of_file(first), pdq_of_file(second)
        assert min(hamming(one[0].value, turned.value) for turned in other) > 80
        pen = pdq_of_file(shared / "pdq/reg-test-input/pen-and-coaster.png")
        coaster = pdq_of_file(shared / "pdq/misc-images/c.png")
        assert min(hamming(pen[0].value, turned.value) for turned in coaster) > MATCHING_BITS
