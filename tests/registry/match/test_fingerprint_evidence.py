"""What fingerprints of both sides say of each other."""

import numpy as np
import pytest

from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.kinds import AUDIO, CROP_RESISTANT, DESCRIPTOR, DHASH, PDQ, PHASH, Fingerprint
from registry.match.fingerprint_evidence import with_fingerprints
from registry.match.match_evidence import MatchEvidence


def row(kind: str, value: bytes) -> Fingerprint:
    return Fingerprint(kind, value)


def code(bits: int, length: int) -> bytes:
    """Returns so many bytes of which the first `bits` bits are set."""
    return ((1 << bits) - 1).to_bytes(length, "little")


def unit(angle: float) -> bytes:
    """Returns a descriptor that differs from another as their angles do."""
    vector = np.zeros(DESCRIPTOR.size)
    vector[:2] = np.cos(angle), np.sin(angle)
    return vector.astype("<f2").tobytes()


def test_the_nearest_orientation_of_the_upload_counts_a_distance_of_0_included() -> None:
    asked = [
        Fingerprint(PDQ.name, code(40, 32), orientation=0),
        Fingerprint(PDQ.name, code(0, 32), orientation=5),
        Fingerprint(PDQ.name, code(9, 32), orientation=6),
    ]
    evidence = with_fingerprints(MatchEvidence(), asked, [row(PDQ.name, code(0, 32))])
    assert (evidence.pdq_distance, evidence.pdq_orientation) == (0, 5)


def test_a_distance_that_the_index_gave_is_replaced_by_that_of_the_row() -> None:
    asked = [Fingerprint(PDQ.name, code(12, 32))]
    found = MatchEvidence(pdq_distance=30, pdq_orientation=3)
    evidence = with_fingerprints(found, asked, [row(PDQ.name, code(0, 32))])
    assert (evidence.pdq_distance, evidence.pdq_orientation) == (12, 0)


def test_phash_is_compared_upright() -> None:
    asked = [Fingerprint(PHASH.name, code(7, 8))]
    evidence = with_fingerprints(MatchEvidence(), asked, [row(PHASH.name, code(2, 8))])
    assert evidence == MatchEvidence(phash_distance=5)


def test_hashes_of_lists_are_compared_by_kind_and_say_nothing_where_they_are_plain() -> None:
    asked = [
        Fingerprint(DHASH.name, code(20, 8)),
        *(Fingerprint(CROP_RESISTANT.name, code(bits, 8)) for bits in (12, 20, 40)),
    ]
    stored = [row(DHASH.name, code(25, 8)), *(row(CROP_RESISTANT.name, code(bits, 8)) for bits in (13, 36))]
    evidence = with_fingerprints(MatchEvidence(), asked, stored)
    assert evidence == MatchEvidence(hash_list_distances={DHASH.name: 5, CROP_RESISTANT.name: 4})
    plain = [Fingerprint(DHASH.name, code(3, 8)), Fingerprint(CROP_RESISTANT.name, code(20, 8))]
    assert with_fingerprints(MatchEvidence(), plain, stored) == MatchEvidence()


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.5])
def test_a_descriptor_gives_similarity_and_the_rate_of_unrelated_pairs_as_similar(angle: float) -> None:
    asked = [Fingerprint(DESCRIPTOR.name, unit(0.0))]
    evidence = with_fingerprints(MatchEvidence(), asked, [row(DESCRIPTOR.name, unit(angle))])
    calibration = calibration_of(DESCRIPTOR.name)
    assert calibration is not None
    assert evidence.descriptor_similarity is not None
    assert evidence.descriptor_similarity == pytest.approx(np.cos(angle), abs=1e-3)
    assert evidence.descriptor_rate == calibration.rate_of(evidence.descriptor_similarity)


@pytest.mark.parametrize("stored", [[], [row(AUDIO.name, b"x" * 32)], [row(PHASH.name, code(0, 8))]])
def test_kinds_that_only_one_side_has_change_nothing(stored: list[Fingerprint]) -> None:
    found = MatchEvidence(pdq_distance=3, descriptor_similarity=0.4)
    asked = [Fingerprint(PDQ.name, code(0, 32)), Fingerprint(AUDIO.name, b"y" * 32)]
    assert with_fingerprints(found, asked, stored) == found
    assert with_fingerprints(found, [], [row(PDQ.name, code(0, 32))]) == found
