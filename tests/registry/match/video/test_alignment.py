"""Which kept frames of a registered video are compared along a segment."""

import numpy as np
import pytest

from indexer.timeline.temporal_segments import TemporalSegment
from indexer.timeline.track import SIDE, Track
from registry.match.candidates import Candidate
from registry.match.match_evidence import MatchEvidence
from registry.match.video.alignment import moments_on
from registry.match.video.frame_pairs import ReferenceVideo
from tests.registry.match.rows import record

KEPT_MS = tuple(range(0, 20_000, 500))


def reference(duration_ms: int | None = 20_000, kept_ms: tuple[int, ...] = KEPT_MS) -> ReferenceVideo:
    candidate = Candidate(record(duration_ms=duration_ms), MatchEvidence(), ("pdq.v1",))
    track = Track(np.zeros(1, np.int64), np.zeros((1, SIDE, SIDE), np.uint8), duration_ms or 0)
    return ReferenceVideo(candidate, track, kept_ms, (640, 360))


def segment(start: float, end: float, factor: float, offset: float) -> TemporalSegment:
    return TemporalSegment(start, end, factor, offset, similarity=1.0)


@pytest.mark.parametrize(
    "along",
    [
        segment(0, 8, 1.0, 5.0),
        segment(2, 10, 0.5, 3.0),
        segment(1, 5, 2.0, 4.0),
        segment(0, 8, -1.0, 12.0),
    ],
    ids=["as it was", "slowed", "sped up", "backwards"],
)
@pytest.mark.parametrize("count", [1, 3, 5])
def test_moments_lie_inside_the_segment_on_kept_frames(along: TemporalSegment, count: int) -> None:
    moments = moments_on(along, reference(), count)
    assert len(moments) == count
    first, last = along.reference
    for query_ms, reference_ms in moments:
        assert reference_ms in KEPT_MS
        assert first * 1000 + 40 <= reference_ms <= last * 1000 - 40
        # Five milliseconds later, so that the frame which begins then is the one that is shown.
        assert along.at((query_ms - 5) / 1000) * 1000 == pytest.approx(reference_ms, abs=2)
    assert len({reference_ms for _, reference_ms in moments}) == count


def test_moments_are_spread_from_the_first_kept_frame_to_the_last() -> None:
    moments = moments_on(segment(0, 8, 1.0, 5.0), reference(), 3)
    assert [reference_ms for _, reference_ms in moments] == [5_500, 9_000, 12_500]


def test_of_few_kept_frames_each_is_compared_once() -> None:
    moments = moments_on(segment(0, 4, 1.0, 0.0), reference(kept_ms=(1000, 3000, 9000)), 5)
    assert [reference_ms for _, reference_ms in moments] == [1000, 3000]


def test_where_no_frame_is_kept_inside_the_nearest_is_taken() -> None:
    moments = moments_on(segment(0, 1, 1.0, 4.0), reference(kept_ms=(0, 4_000, 9_000)), 3)
    assert [reference_ms for _, reference_ms in moments] == [4_000]


def test_a_frozen_frame_is_compared_at_several_moments_of_the_upload() -> None:
    moments = moments_on(segment(2, 6, 0.0, 7.4), reference(), 3)
    assert moments == [(3000, 7500), (4000, 7500), (5000, 7500)]


def test_a_still_picture_has_one_moment_for_all() -> None:
    moments = moments_on(segment(0, 4, 1.0, 0.0), reference(duration_ms=None, kept_ms=(0,)), 3)
    assert moments == [(1000, 0), (2000, 0), (3000, 0)]
