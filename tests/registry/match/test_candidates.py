"""Pure functions of retrieval: what hits say together, and which records are compared first."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from indexer.fingerprints.kinds import DESCRIPTOR, PDQ, Fingerprint, pack_vector
from indexer.fingerprints.regions import Region
from indexer.index.port import BruteForceIndex
from registry.match.candidates import (
    FrameHit,
    RetrievedRecord,
    candidate_of,
    evidence_rank,
    merged_evidence,
)
from registry.match.match_evidence import MatchEvidence
from registry.match.retrieval import QueryFrame, first_of, search_by_descriptor
from registry.media.uploads import Upload
from registry.services import RequestContext
from registry.thresholds import Thresholds
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


def compared(most: int, *found: RetrievedRecord) -> list[str]:
    context = cast(RequestContext, SimpleNamespace(max_candidates=most, thresholds=Thresholds()))
    return [one.record.id for one in first_of(context, {one.record.id: one for one in found})]


def test_near_copies_do_not_keep_a_fake_from_being_compared() -> None:
    retrieved = {str(number): RetrievedRecord(record(str(number)), [by_pdq(number)]) for number in range(9)}
    fakes = [RetrievedRecord(record(f"fake {number}"), [by_pdq(20 + number)]) for number in range(6)]
    for fake in fakes:
        fake.record.asset_class = "known_fake"
        retrieved[fake.record.id] = fake
    assert compared(4, *retrieved.values()) == [
        "0",
        "1",
        "2",
        "3",
        *(f"fake {number}" for number in range(4)),
    ]


def by_pdq_of(publisher: str, distance: int, log_index: int = 100) -> RetrievedRecord:
    found = RetrievedRecord(record(f"{publisher} {distance}", publisher_id=publisher), [by_pdq(distance)])
    found.record.log_index = log_index
    return found


def test_near_copies_of_one_publisher_share_one_place_and_few_beside_the_others() -> None:
    copies = [by_pdq_of("stranger", distance) for distance in range(26)]
    others = [by_pdq_of(name, 40) for name in ("paper", "agency", "archive")]
    names = compared(4, *copies, *others)
    assert names == [
        "stranger 0",
        "stranger 1",
        "stranger 2",
        "stranger 3",
        "paper 40",
        "agency 40",
        "archive 40",
    ]
    assert compared(12, *copies) == [f"stranger {distance}" for distance in range(12)], "where nobody waits"


def test_the_earliest_record_is_compared_however_many_publishers_copy_it() -> None:
    copies = [by_pdq_of(f"sybil {number}", number) for number in range(40)]
    assert compared(12, *copies, by_pdq_of("paper", 60, log_index=3))[-1] == "paper 60"


def test_other_pictures_of_one_publisher_and_what_only_resembles_keep_their_places() -> None:
    parts = [
        RetrievedRecord(
            record(f"part {left}"), [FrameHit(0, 0, MatchEvidence(pdq_distance=5), "tile", part)]
        )
        for left in range(5)
        for part in [Region(left * 10, 0, 9, 9)]
    ]
    alike = [RetrievedRecord(record(f"alike {number}"), [by_descriptor(0.2)]) for number in range(5)]
    frames = [
        RetrievedRecord(record(f"episode {number}"), [by_descriptor(0.99, query_ms=number * 1000)])
        for number in range(2)
    ]
    assert len(compared(12, *parts, *alike, *frames)) == 12


def test_no_more_are_compared_than_may_be_where_each_is_of_another_publisher() -> None:
    found = [by_pdq_of(f"desk {number}", number, log_index=number) for number in range(40)]
    assert compared(12, *found) == [f"desk {number} {number}" for number in range(12)]


def test_fakes_that_are_compared_anyway_leave_the_places_beside_to_others() -> None:
    found = [by_pdq_of(f"desk {number}", number, log_index=number) for number in range(10)]
    for fake in found:
        fake.record.asset_class = "known_fake"
    assert len(compared(3, *found)) == 3 + 4


def test_what_only_resembles_is_no_family_and_the_earliest_of_it_gets_no_place_of_its_own() -> None:
    def resembling(publisher: str, number: int, log_index: int) -> RetrievedRecord:
        row = record(f"{publisher} {number}", publisher_id=publisher)
        row.log_index = log_index
        return RetrievedRecord(row, [by_descriptor(0.2 - number / 100)])

    first = [resembling("archive", number, 10 + number) for number in range(5)]
    behind = [resembling(f"desk {number}", number, 9 - number) for number in range(5, 8)]
    assert compared(6, *first, *behind) == [*(f"archive {number}" for number in range(5)), "desk 5 5"]


def test_two_videos_that_share_less_than_half_of_what_they_show_are_no_family() -> None:
    videos = [
        RetrievedRecord(
            record(f"video {begin}"),
            [by_descriptor(0.99, query_ms=1000 * (begin + second)) for second in range(3)],
        )
        for begin in (0, 2)
    ]
    assert len(compared(2, *videos, by_pdq_of("paper", 70))) == 2


def test_a_search_by_descriptor_goes_on_behind_rows_that_are_all_as_near_as_copies() -> None:
    towards, aside = np.eye(DESCRIPTOR.size, dtype=np.float32)[:2]
    index = BruteForceIndex(DESCRIPTOR)
    copies = np.tile(towards, (60, 1))
    original = 0.9 * towards + np.sqrt(1 - 0.9**2) * aside
    index.add(np.arange(61), np.vstack([copies, original]).astype(np.float32))
    context = cast(
        RequestContext,
        SimpleNamespace(
            max_candidates=12,
            thresholds=Thresholds(),
            index=SimpleNamespace(by_kind={DESCRIPTOR.name: index}),
        ),
    )
    upload = Upload(None, (), None, None)
    frames = [
        QueryFrame(0, (Fingerprint(DESCRIPTOR.name, pack_vector(vector)),)) for vector in (aside, towards)
    ]
    rows = [row for row, _ in search_by_descriptor(context, upload, frames, DESCRIPTOR.name)]
    assert 60 in rows[12:], "found behind sixty copies"
    assert len(rows) == 12 + 61, "and farther for the one that is crowded only"
