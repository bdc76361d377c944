"""Pure functions of retrieval: what hits say together, and which records are compared first."""

from types import SimpleNamespace
from typing import cast

import pytest

from indexer.fingerprints.kinds import DESCRIPTOR, PDQ
from indexer.fingerprints.regions import Region
from registry.match.candidates import (
    FrameHit,
    RetrievedRecord,
    candidate_of,
    evidence_rank,
    merged_evidence,
)
from registry.match.match_evidence import MatchEvidence
from registry.match.retrieval import first_of
from registry.services import RequestContext
from tests.registry.match.rows import record


def by_pdq(distance: int, reference_ms: int = 0, orientation: int = 0) -> FrameHit:
    evidence = MatchEvidence(pdq_distance=distance, pdq_orientation=orientation)
    return FrameHit(0, reference_ms, evidence, PDQ.name)


def by_descriptor(
    similarity: float, reference_ms: int = 0, kind: str = DESCRIPTOR.name, query_ms: int = 0
) -> FrameHit:
    return FrameHit(query_ms, reference_ms, MatchEvidence(descriptor_similarity=similarity), kind)


def test_a_pdq_distance_of_zero_is_kept_beside_other_hits() -> None:
    merged = merged_evidence([by_pdq(0, orientation=4), by_descriptor(0.4)])
    assert merged.pdq_distance == 0
    assert merged.pdq_orientation == 4
    assert merged.descriptor_similarity == 0.4
    assert evidence_rank(merged) == 1.0, "it is compared before everything that is only near"


@pytest.mark.parametrize(
    "hits", [[by_pdq(9), by_pdq(3, orientation=2)], [by_pdq(3, orientation=2), by_pdq(9)]]
)
def test_the_nearest_orientation_counts_whatever_the_order(hits: list[FrameHit]) -> None:
    merged = merged_evidence(hits)
    assert (merged.pdq_distance, merged.pdq_orientation) == (3, 2)


def test_a_similarity_of_zero_is_kept() -> None:
    assert merged_evidence([by_descriptor(0.0)]).descriptor_similarity == 0.0


def test_similarities_of_different_kinds_are_never_compared() -> None:
    merged = merged_evidence([by_descriptor(0.9, kind="old.v1"), by_descriptor(0.2), by_descriptor(0.3)])
    assert merged.descriptor_similarity == 0.3, "the kind that was asked last"


def test_nothing_found_is_no_evidence() -> None:
    assert merged_evidence([]) == MatchEvidence()
    assert evidence_rank(MatchEvidence()) == 0.0


def test_the_same_bytes_are_compared_before_anything_that_is_near() -> None:
    near = RetrievedRecord(record("near"), [by_pdq(0)])
    same = RetrievedRecord(record("same"), same_digest=True)
    assert same.rank_key > near.rank_key


def test_of_two_videos_the_one_that_more_frames_agree_with_comes_first() -> None:
    once = RetrievedRecord(record("once"), [by_descriptor(0.8)])
    often = RetrievedRecord(record("often"), [by_descriptor(0.8, query_ms=ms) for ms in (0, 1000, 2000)])
    assert often.rank_key > once.rank_key


def test_audio_alone_ranks_a_record_and_names_how_it_was_found() -> None:
    heard = RetrievedRecord(record("heard"), audio_hits=[(0, 0)] * 4)
    assert heard.rank_key[1] == pytest.approx(0.2)
    assert heard.found_by == ("tp-sound.v1",)


def test_a_candidate_is_the_nearest_frame_of_its_record() -> None:
    retrieved = RetrievedRecord(
        record(), [by_descriptor(0.5, 1000), by_pdq(2, 3000), by_descriptor(0.3, 3000)]
    )
    candidate = candidate_of(retrieved)
    assert candidate.time_ms == 3000
    assert candidate.evidence.pdq_distance == 2
    assert candidate.evidence.descriptor_similarity == 0.3, "of the same frame"
    assert candidate.found_by == (PDQ.name, DESCRIPTOR.name)


def test_a_candidate_keeps_the_part_in_which_it_was_found_and_that_its_bytes_are_the_same() -> None:
    part = Region(1, 2, 30, 40)
    hit = FrameHit(0, 0, MatchEvidence(descriptor_similarity=0.5), "tile", part)
    candidate = candidate_of(RetrievedRecord(record(), [hit], same_digest=True))
    assert candidate.region == part
    assert candidate.evidence.same_digest
    assert candidate.found_by == ("sha256", "tile")


def test_a_record_that_was_named_is_a_candidate_without_a_hit() -> None:
    candidate = candidate_of(RetrievedRecord(record()))
    assert candidate.evidence == MatchEvidence()
    assert candidate.found_by == ("asked",)


def test_a_record_that_a_search_found_by_a_stray_frame_gets_the_hits_of_being_named_too() -> None:
    found = RetrievedRecord(record(), [by_descriptor(0.4)], audio_hits=[(0, 0)] * 3)
    named = RetrievedRecord(record(), [by_descriptor(0.4), by_descriptor(0.9, 2000, query_ms=2000)])
    found.add(named)
    assert [hit.query_ms for hit in found.hits] == [0, 2000], "what both found stands once"
    assert found.audio_hits == [(0, 0)] * 3


def test_near_copies_do_not_keep_a_fake_from_being_compared() -> None:
    retrieved = {str(number): RetrievedRecord(record(str(number)), [by_pdq(number)]) for number in range(9)}
    fakes = [RetrievedRecord(record(f"fake {number}"), [by_pdq(20 + number)]) for number in range(6)]
    for fake in fakes:
        fake.record.asset_class = "known_fake"
        retrieved[fake.record.id] = fake
    context = cast(RequestContext, SimpleNamespace(max_candidates=3))
    compared = [found.record.id for found in first_of(context, retrieved)]
    assert compared == ["0", "1", "2", "fake 0", "fake 1", "fake 2", "fake 3"]
