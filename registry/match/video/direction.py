"""Which of two videos was made from the other, as far as their seconds tell. Pure functions."""

from collections.abc import Sequence

from indexer.operations import Direction
from indexer.timeline.takes import Beyond
from registry.match.video.segment_ends import SegmentEnds

STOPS = (Beyond.CUTS, Beyond.ENDS)


def direction_in_time(ends: Sequence[SegmentEnds]) -> Direction:
    """The one that stops where the other goes on with the same take lacks what the other shows.

    Nothing else in time tells: speed, order and what was joined can have been changed in either.
    """
    both = [pair for one in ends for pair in zip(one.query, one.reference, strict=True)]
    reference_goes_on = any(there is Beyond.CONTINUES and here in STOPS for here, there in both)
    query_goes_on = any(here is Beyond.CONTINUES and there in STOPS for here, there in both)
    if reference_goes_on == query_goes_on:
        return Direction.UNKNOWN
    return Direction.FROM_REFERENCE if reference_goes_on else Direction.TO_REFERENCE
