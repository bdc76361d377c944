"""Which of two videos was made from the other, by two kinds of evidence together."""

import pytest

from indexer.operations import Direction
from registry.match.video.direction import direction_of_frames, joined

FROM, TO, UNKNOWN = Direction.FROM_REFERENCE, Direction.TO_REFERENCE, Direction.UNKNOWN


@pytest.mark.parametrize(
    ("in_time", "by_frames", "expected"),
    [
        (FROM, UNKNOWN, FROM),
        (UNKNOWN, TO, TO),
        (FROM, FROM, FROM),
        (FROM, TO, UNKNOWN),
        (UNKNOWN, UNKNOWN, UNKNOWN),
    ],
)
def test_evidence_that_contradicts_itself_is_none(
    in_time: Direction, by_frames: Direction, expected: Direction
) -> None:
    assert joined(in_time, by_frames) is expected
    assert joined(by_frames, in_time) is expected


def test_without_frames_nothing_is_said() -> None:
    assert direction_of_frames([]) is UNKNOWN
