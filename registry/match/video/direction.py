"""Which of two videos was made from the other, as far as their seconds tell. Pure functions."""

from collections.abc import Sequence

from indexer.operations import Direction
from registry.match.video.segment_ends import SegmentEnds


def direction_in_time(ends: Sequence[SegmentEnds]) -> Direction:
    """The one that stops where the other goes on with the same take lacks what the other shows.

    Nothing else in time tells: speed, order and what was joined can have been changed in either.
    """
    reference_goes_on = any(one.reference_goes_on for one in ends)
    if reference_goes_on == any(one.query_goes_on for one in ends):
        return Direction.UNKNOWN
    return Direction.FROM_REFERENCE if reference_goes_on else Direction.TO_REFERENCE
