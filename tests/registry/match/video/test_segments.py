"""Seconds in words."""

from typing import Any

import pytest

from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.candidates import Candidate
from registry.match.match_evidence import MatchEvidence
from registry.match.video.segments import SEGMENTS_IN_WORDS, clock, moment_in_words, where_in_time
from tests.registry.match.rows import record


@pytest.mark.parametrize(
    ("second", "shown"),
    [
        (0, "00:00.0"),
        (-0.4, "00:00.0"),
        (0.04, "00:00.0"),
        (0.06, "00:00.1"),
        (59.94, "00:59.9"),
        (59.96, "01:00.0"),
        (61.5, "01:01.5"),
        (3600, "60:00.0"),
        (6000, "100:00.0"),
    ],
)
def test_a_clock_shows_minutes_and_seconds_to_a_tenth(second: float, shown: str) -> None:
    assert clock(second) == shown


def segment(start: float, end: float, factor: float, offset: float) -> TemporalSegment:
    return TemporalSegment(start, end, factor, offset, similarity=1.0)


@pytest.mark.parametrize(
    ("segments", "sentence"),
    [
        ([segment(0, 8, 1.0, 41)], "00:00.0 to 00:08.0 is 00:41.0 to 00:49.0 of the original."),
        ([segment(2, 6, 0.5, 10)], "00:02.0 to 00:06.0 is 00:11.0 to 00:13.0 of the original."),
        ([segment(0, 4, -1.0, 12)], "00:00.0 to 00:04.0 is 00:08.0 to 00:12.0 of the original."),
        ([segment(1, 3, 0.0, 7.5)], "00:01.0 to 00:03.0 is 00:07.5 frozen of the original."),
        (
            [segment(0, 1, 1.0, 5), segment(1, 2, 1.0, 1)],
            "00:00.0 to 00:01.0 is 00:05.0 to 00:06.0; "
            "00:01.0 to 00:02.0 is 00:02.0 to 00:03.0 of the original.",
        ),
    ],
)
def test_each_stretch_says_which_seconds_of_the_original_it_shows(
    segments: list[TemporalSegment], sentence: str
) -> None:
    assert where_in_time(tuple(segments)) == sentence


def test_of_many_stretches_the_first_are_said_and_the_others_counted() -> None:
    segments = tuple(segment(second, second + 1, 1.0, 0) for second in range(SEGMENTS_IN_WORDS + 2))
    sentence = where_in_time(segments)
    assert sentence.count(" is ") == SEGMENTS_IN_WORDS
    assert sentence.endswith(" and 2 more of the original.")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [({}, None), ({"duration_ms": 9000}, "It is the frame at about 00:03.2 of the video.")],
)
def test_a_still_of_a_video_says_which_moment_it_shows(row: dict[str, Any], sentence: str | None) -> None:
    candidate = Candidate(record(**row), MatchEvidence(), ("pdq.v1",), time_ms=3210)
    assert moment_in_words(candidate) == sentence
