"""The part of an upload that a reference can be compared with: a screenshot has its own things around it.

Where a cropped picture stands in a screenshot, the reference reaches under the buttons around it. What is
there is no change of the picture.
"""

from dataclasses import replace

import numpy as np

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.alignment_refinement import PairStatistics, agreeing_share
from indexer.compare.features import LocalFeatures
from indexer.compare.geometry import Alignment, coverage, project
from indexer.fingerprints.regions import Region, inner_rectangles

LONG_SIDE = 384  # px of the reference
AGREES_ALREADY = 0.97  # of the windows: nothing around it disagrees
RECTANGLES = 4
GAIN = 0.05  # of the windows, by which a frame must help
UNRELATED = 0.25  # of the windows outside the frame agree at most: coincidences
LEAST_SHARE = 0.2  # of the reference that the frame must show


def restrict_to_frame(pair: AlignedPair) -> AlignedPair:
    """Returns the pair bound to a picture inside the query, if everything around that is unrelated.

    A frame that left out a new face would hide it, so what it leaves out must agree nowhere.
    """
    if pair.alignment.within is not None:
        return pair
    whole = PairStatistics(pair.warped_at(LONG_SIDE))
    plain = agreeing_share(whole)
    if plain >= AGREES_ALREADY:
        return pair
    best, bound = plain + GAIN, pair
    for rectangle in inner_rectangles(pair.query)[:RECTANGLES]:
        tried = pair.with_alignment(replace(pair.alignment, within=rectangle))
        share = _share_within(tried, whole)
        if share > best:
            best, bound = share, tried
    return bound


def restrict_to_region(part: Region, alignment: Alignment, reference: LocalFeatures) -> Alignment:
    """The alignment of a part of the query, bound to it where it shows a fair share of the reference.

    Two pictures that share an inset are not one picture; a part of a picture in a screenshot is.
    """
    corners = np.array(
        [
            [part.left, part.top],
            [part.right, part.top],
            [part.right, part.bottom],
            [part.left, part.bottom],
        ],
        np.float32,
    )
    there = project(alignment.homography, corners)
    if there is None or coverage(there, reference) < LEAST_SHARE:
        return alignment
    return replace(alignment, within=part)


def _share_within(pair: AlignedPair, whole: PairStatistics) -> float:
    """Returns the share of windows inside that agree; 0 where those outside do too, or little is inside."""
    inside = PairStatistics(pair.warped_at(LONG_SIDE), whole.reference)
    if inside.warped.shown.mean() < LEAST_SHARE:
        return 0.0
    outside = agreeing_share(whole, inside.warped.shown)
    return 0.0 if outside > UNRELATED else agreeing_share(inside)
