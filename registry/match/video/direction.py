"""Which of two videos was made from the other, as far as their seconds and their frames tell."""

from collections.abc import Sequence

import numpy as np

from indexer.compare.direction import direction_by_surroundings
from indexer.operations import Direction
from registry.match.video.frame_pairs import FramePair
from registry.match.video.segment_ends import SegmentEnds

FRAMES_ASKED = 3


def direction_in_time(ends: Sequence[SegmentEnds]) -> Direction:
    """The one that stops where the other goes on with the same take lacks what the other shows.

    Nothing else in time tells: speed, order and what was joined can have been changed in either.
    """
    reference_goes_on = any(one.reference_goes_on for one in ends)
    if reference_goes_on == any(one.query_goes_on for one in ends):
        return Direction.UNKNOWN
    return Direction.FROM_REFERENCE if reference_goes_on else Direction.TO_REFERENCE


def direction_of_frames(pairs: Sequence[FramePair]) -> Direction:
    """By what the frames show beside the picture that both have; some frames are asked, and must agree."""
    aligned = [pair.candidate.pair for pair in pairs if pair.candidate.pair is not None]
    places = np.unique(np.linspace(0, len(aligned) - 1, min(FRAMES_ASKED, len(aligned))).astype(int))
    asked = [aligned[place] for place in places]
    found = {direction_by_surroundings(pair, pair.warped) for pair in asked}
    return found.pop() if len(found) == 1 else Direction.UNKNOWN


def joined(one: Direction, other: Direction) -> Direction:
    """What two kinds of evidence say together: nothing where they contradict each other."""
    if Direction.UNKNOWN in (one, other):
        return other if one is Direction.UNKNOWN else one
    return one if one is other else Direction.UNKNOWN
