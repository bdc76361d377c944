"""Whether two videos share an insert or footage, and which was made from which."""

import pytest

from indexer.operations import Direction
from indexer.timeline.operations import Spans
from indexer.timeline.takes import Beyond
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.video.direction import direction_in_time
from registry.match.video.inserts import inserts_in_words
from registry.match.video.segment_ends import SegmentEnds
from registry.match.video.shared_time import shared_time
from registry.thresholds import Thresholds

CUTS, ENDS, CONTINUES, UNCLEAR = Beyond.CUTS, Beyond.ENDS, Beyond.CONTINUES, Beyond.UNCLEAR
SPANS = Spans(30.0, 40.0)
BOUNDED = SegmentEnds((CUTS, CUTS), (CUTS, CUTS))


def segment(start: float, end: float, offset: float = 0.0) -> TemporalSegment:
    return TemporalSegment(start, end, 1.0, offset, similarity=1.0)


def said(*parts: tuple[TemporalSegment, SegmentEnds], spans: Spans = SPANS) -> str | None:
    segments = [one for one, _ in parts]
    ends = [one for _, one in parts]
    return inserts_in_words(segments, ends, shared_time(segments, spans), spans, Thresholds())


@pytest.mark.parametrize(
    ("shared", "ends", "words"),
    [
        (segment(0, 2), SegmentEnds((ENDS, CUTS), (ENDS, CUTS)), "an opener of 2.0 seconds"),
        (segment(0, 2), SegmentEnds((ENDS, UNCLEAR), (ENDS, UNCLEAR)), "an opener of 2.0 seconds"),
        (segment(0, 2), SegmentEnds((ENDS, CUTS), (ENDS, CONTINUES)), "an opener of 2.0 seconds"),
        (segment(26, 30, 10), SegmentEnds((CUTS, ENDS), (CUTS, ENDS)), "an end of 4.0 seconds"),
        (segment(10, 14, 9), BOUNDED, "4.0 seconds (00:10.0 to 00:14.0)"),
        (segment(10, 14, 9), SegmentEnds((UNCLEAR, CUTS), (UNCLEAR, UNCLEAR)), "4.0 seconds"),
        (segment(10, 11, 9), SegmentEnds((CUTS, CUTS), (CONTINUES, CONTINUES)), "1.0 seconds"),
    ],
    ids=[
        "opener",
        "opener that dissolves",
        "opener cut short",
        "end",
        "sting",
        "nothing can be told",
        "a flash",
    ],
)
def test_an_insert_is_named_with_its_seconds(
    shared: TemporalSegment, ends: SegmentEnds, words: str
) -> None:
    phrase = said((shared, ends))
    assert phrase is not None
    assert phrase.startswith(f"shares {words}")
    assert phrase.endswith(" with")


@pytest.mark.parametrize(
    ("shared", "ends", "spans"),
    [
        (segment(10, 14, 9), SegmentEnds((CUTS, CUTS), (CUTS, CONTINUES)), SPANS),
        (segment(0, 5), SegmentEnds((ENDS, CUTS), (ENDS, CONTINUES), is_long_take=(False, True)), SPANS),
        (segment(10, 14, -10), SegmentEnds((CUTS, CONTINUES), (ENDS, CUTS)), SPANS),
        (segment(10, 14, 9), SegmentEnds((UNCLEAR, UNCLEAR), (CONTINUES, CONTINUES)), SPANS),
        (segment(5, 25), BOUNDED, SPANS),
        (segment(0, 5, 9), BOUNDED, Spans(5.0, 40.0)),
        (segment(10, 15, -10), BOUNDED, Spans(30.0, 5.0)),
        (segment(10, 14, 0), BOUNDED, Spans(30.0, None)),
    ],
    ids=[
        "cut out of a take",
        "the first seconds of a long take",
        "cut out of the upload",
        "in the middle of a take",
        "many seconds",
        "all of the upload",
        "all of the reference",
        "a still image",
    ],
)
def test_footage_is_no_insert(shared: TemporalSegment, ends: SegmentEnds, spans: Spans) -> None:
    assert said((shared, ends), spans=spans) is None


def test_several_inserts_are_named_together_and_one_part_of_a_take_outweighs_them() -> None:
    opener = segment(0, 2), SegmentEnds((ENDS, CUTS), (ENDS, CUTS))
    end = segment(27, 30, 10), SegmentEnds((CUTS, ENDS), (CUTS, ENDS))
    assert said(opener, end) == "shares an opener of 2.0 seconds and an end of 3.0 seconds with"
    assert said(opener, (segment(10, 14), SegmentEnds((CUTS, CUTS), (CONTINUES, CUTS)))) is None


def test_seconds_are_counted_once_and_as_shares_of_both() -> None:
    shared = shared_time([segment(0, 10), segment(12, 22, -12)], SPANS)
    assert shared.seconds == 20.0
    assert shared.query_share == pytest.approx(20 / 30)
    assert shared.reference_share == pytest.approx(0.25)
    assert shared_time([segment(3, 6)], Spans(6.0, None)).reference_share == 1.0


@pytest.mark.parametrize(
    ("ends", "direction"),
    [
        ([SegmentEnds((ENDS, ENDS), (CONTINUES, CONTINUES))], Direction.FROM_REFERENCE),
        ([SegmentEnds((ENDS, ENDS), (ENDS, CONTINUES))], Direction.FROM_REFERENCE),
        ([SegmentEnds((CONTINUES, CUTS), (ENDS, ENDS))], Direction.TO_REFERENCE),
        ([SegmentEnds((ENDS, ENDS), (ENDS, ENDS))], Direction.UNKNOWN),
        ([SegmentEnds((UNCLEAR, CONTINUES), (CONTINUES, CONTINUES))], Direction.UNKNOWN),
        ([SegmentEnds((CONTINUES, CUTS), (CUTS, CONTINUES))], Direction.UNKNOWN),
        ([BOUNDED], Direction.UNKNOWN),
        ([], Direction.UNKNOWN),
    ],
)
def test_the_one_that_stops_within_a_take_was_made_from_the_other(
    ends: list[SegmentEnds], direction: Direction
) -> None:
    assert direction_in_time(ends) is direction
