"""Finds the part of a query that a reference can be compared with.

A screenshot has its own things around the picture. Where a cropped picture stands in one, the reference
reaches under the buttons around it, and what is there is no change of the picture.
"""

from dataclasses import replace

import numpy as np

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.alignment_refinement import PairStatistics, agreeing_share
from indexer.compare.bars import without_bars
from indexer.compare.features import LocalFeatures
from indexer.compare.geometry import Alignment, coverage, project
from indexer.fingerprints.regions import Region, inner_rectangles

LONG_SIDE = 384  # px of the reference
AGREES_EVERYWHERE = 0.97  # of the windows: then there is nothing to leave out
RECTANGLES_TRIED = 4
LEAST_GAIN = 0.05  # share of the windows by which a frame must improve the agreement
UNRELATED = 0.25  # of the windows outside the frame: so many agree by coincidence
LEAST_SHARE = 0.2  # of the reference that the frame must show


def restrict_to_frame(pair: AlignedPair) -> AlignedPair:
    """Returns the pair restricted to a picture inside the query, if everything around that is unrelated.

    A frame that left out a new face would hide it, so what it leaves out must agree nowhere. Bars that were
    laid over the picture are left out too, and named by the alignment.
    """
    barred = without_bars(pair)
    if barred is not None:
        return barred
    if pair.alignment.within is not None:
        return pair
    whole = PairStatistics(pair.warped_at(LONG_SIDE))
    unrestricted = agreeing_share(whole)
    if unrestricted >= AGREES_EVERYWHERE:
        return pair
    best, restricted = unrestricted + LEAST_GAIN, pair
    for rectangle in inner_rectangles(pair.query)[:RECTANGLES_TRIED]:
        tried = pair.with_alignment(replace(pair.alignment, within=rectangle))
        share = _share_within(tried, whole)
        if share > best:
            best, restricted = share, tried
    return restricted


def restrict_to_region(part: Region, alignment: Alignment, reference: LocalFeatures) -> Alignment:
    """Returns the alignment restricted to `part` of the query, if that shows a fair share of the reference.

    Two pictures that share an inset are not copies; a cropped picture in a screenshot is one.
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
    quad = project(alignment.homography, corners)
    if quad is None or coverage(quad, reference) < LEAST_SHARE:
        return alignment
    return replace(alignment, within=part)


def _share_within(pair: AlignedPair, whole: PairStatistics) -> float:
    """Returns the share of windows inside that agree; 0 where those outside do too, or little is inside."""
    inside = PairStatistics(pair.warped_at(LONG_SIDE), whole.reference)
    if inside.warped.shown.mean() < LEAST_SHARE:
        return 0.0
    outside = agreeing_share(whole, inside.warped.shown)
    return 0.0 if outside > UNRELATED else agreeing_share(inside)
