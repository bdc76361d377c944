"""The part of an upload that a reference can be compared with: a screenshot has its own things around it.

Where a cropped picture stands in a screenshot, the reference reaches under the buttons around it. What is
there is no change of the picture.
"""

from dataclasses import replace

import numpy as np

from indexer.compare.alignment_refinement import PairStatistics, agreeing_share
from indexer.compare.features import LocalFeatures
from indexer.compare.geometry import Alignment, coverage, project
from indexer.compare.warping import warp_pair
from indexer.fingerprints.regions import Region, inner_rectangles
from indexer.media.images import Pixels

LONG_SIDE = 384  # px of the reference
AGREES_ALREADY = 0.97  # of the windows: nothing around it disagrees
RECTANGLES = 4
GAIN = 0.05  # of the windows, by which a frame must help
UNRELATED = 0.25  # of the windows outside the frame agree at most: coincidences
LEAST_SHARE = 0.2  # of the reference that the frame must show


def restrict_to_frame(query: Pixels, reference: Pixels, alignment: Alignment) -> Alignment:
    """The alignment, bound to the picture inside the picture if all around it is unrelated.

    A frame that left out a new face would hide it: so what it leaves out must agree nowhere.
    """
    if alignment.within is not None:
        return alignment
    whole = PairStatistics(warp_pair(query, reference, alignment, LONG_SIDE))
    plain = agreeing_share(whole)
    if plain >= AGREES_ALREADY:
        return alignment
    best, bound = plain + GAIN, alignment
    for rectangle in inner_rectangles(query)[:RECTANGLES]:
        tried = replace(alignment, within=rectangle)
        share = _share_within(query, reference, tried, whole)
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


def _share_within(query: Pixels, reference: Pixels, alignment: Alignment, whole: PairStatistics) -> float:
    """Of the windows inside that agree; 0 where those outside do as well, or little is inside."""
    inside = PairStatistics(warp_pair(query, reference, alignment, LONG_SIDE), whole.reference)
    if inside.warped.shown.mean() < LEAST_SHARE:
        return 0.0
    outside = agreeing_share(whole, inside.warped.shown)
    return 0.0 if outside > UNRELATED else agreeing_share(inside)
