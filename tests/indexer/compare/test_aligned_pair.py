"""A pair is warped once at the working size, whoever asks; what was measured before changes no finding."""

import threading

import numpy as np
import pytest

from indexer.compare import aligned_pair
from indexer.compare.aligned_pair import WORKING_SIDE, AlignedPair
from indexer.compare.alignment_refinement import PairStatistics, refine_alignment
from indexer.compare.dense import dense_agreement
from indexer.compare.derivation import derive
from indexer.compare.features import extract_features
from indexer.compare.framing import restrict_to_frame
from indexer.compare.geometry import Alignment, align
from indexer.compare.lazy import LazyProperty
from indexer.compare.pair import agreement_outside_faces
from indexer.compare.vocabulary import Frame
from indexer.compare.warping import ScaledCopies, WarpedPair, warp, warp_pair
from indexer.media.images import Pixels
from tests.portraits import astronaut, pixels, swapped


@pytest.fixture(scope="module")
def alignment() -> Alignment:
    found = align(extract_features(pixels(swapped())), extract_features(pixels(astronaut())))
    assert found is not None
    return found


def swapped_pair(alignment: Alignment) -> AlignedPair:
    return AlignedPair(pixels(swapped()), pixels(astronaut()), alignment)


def test_from_verification_to_the_change_map_a_pair_is_warped_once(
    alignment: Alignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = []

    def counted(query: ScaledCopies, reference: Pixels, alignment: Alignment, long_side: int) -> WarpedPair:
        sides.append(long_side)
        return warp_pair(query, reference, alignment, long_side)

    monkeypatch.setattr(aligned_pair, "warp_pair", counted)
    pair = restrict_to_frame(swapped_pair(alignment))
    dense_agreement(pair)
    derive(pair, Frame(512, 512), Frame(512, 512), with_faces=False)
    assert sides.count(WORKING_SIDE) == 1
    with_and_without_the_part_that_counts = 2
    assert all(sides.count(side) <= with_and_without_the_part_that_counts for side in sides)


def test_a_query_is_reduced_once_for_all_warps_of_one_size() -> None:
    copies, half = ScaledCopies(pixels(astronaut())), np.diag([0.5, 0.5, 1.0])
    first, _ = warp(copies, half, (256, 256), 0.5)
    reduced = copies.reduced(0.5)
    reduced[:] = 0  # so that whoever reduces the picture again shows something
    assert not warp(copies, half, (256, 256), 0.5)[0].any()
    assert first.any()
    assert np.array_equal(warp(pixels(astronaut()), half, (256, 256), 0.5)[0], first)


def test_what_was_measured_of_a_pair_before_changes_no_finding(alignment: Alignment) -> None:
    used, frame = swapped_pair(alignment), Frame(512, 512)
    dense_agreement(used)
    agreement_outside_faces(used)
    after, fresh = derive(used, frame, frame), derive(swapped_pair(alignment), frame, frame)
    assert after.operations == fresh.operations
    assert np.array_equal(after.comparison.changes.excess, fresh.comparison.changes.excess)
    assert np.array_equal(after.comparison.warped.query, fresh.comparison.warped.query)


def test_refining_leaves_the_statistics_of_the_unrefined_pair_as_they_were(alignment: Alignment) -> None:
    pair = swapped_pair(alignment)
    warped = pair.warped.query.copy()
    refine_alignment(pair.statistics, pair.query)
    assert np.array_equal(pair.warped.query, warped)


def test_the_statistics_of_a_pair_are_kept_until_they_are_released(alignment: Alignment) -> None:
    pair = swapped_pair(alignment)
    kept: PairStatistics = pair.statistics
    assert pair.statistics is kept
    assert kept.flow is kept.flow
    pair.release()
    assert pair.statistics is not kept
    assert pair.warped is kept.warped


def test_sizes_of_a_pair_are_kept_until_they_are_released(alignment: Alignment) -> None:
    pair = swapped_pair(alignment)
    small, copies = pair.warped_at(256), pair.copies
    assert pair.warped_at(256) is small
    pair.release()
    assert pair.warped_at(256) is not small
    assert pair.copies is not copies


def test_two_threads_compute_lazy_properties_of_two_objects_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    class Slow:
        @LazyProperty
        def value(self) -> int:
            return both.wait()  # passes only while the other thread computes too

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(Slow().value)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1]
