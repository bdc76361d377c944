"""Finds the part of a query that a reference can be compared with.

A screenshot has its own things around the picture. Where a cropped picture stands in one, the reference
reaches under the buttons around it, and what is there is no change of the picture.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.alignment_refinement import PairStatistics, agreeing_share
from indexer.compare.bars import without_bars
from indexer.compare.features import LocalFeatures
from indexer.compare.geometry import Alignment, coverage, project
from indexer.compare.warping import Grey, Mask, WarpedPair, grey
from indexer.fingerprints.regions import Region, inner_rectangles

LONG_SIDE = 384  # px of the reference
AGREES_EVERYWHERE = 0.97  # of the windows: then there is nothing to leave out
RECTANGLES_TRIED = 4
LEAST_GAIN = 0.05  # share of the windows by which a frame must improve the agreement
UNRELATED = 0.25  # of the windows outside the frame: so many agree by coincidence
LEAST_SHARE = 0.2  # of the reference that the frame must show
# Of a line of pixels beyond the frame: variance in grey levels, share that is shown, correlation; and how
# many such lines say that the reference goes on there.
LEAST_DETAIL, SHOWN, LINE_AGREES, LEAST_LINES = 20.0, 0.5, 0.95, 3
# Of a line without detail: grey levels of a channel within which a pixel has the reference's colour, and
# the share of the line that has it. Nearly black and nearly white are the colours of every page.
SAME_COLOUR, MOSTLY, DARKEST, LIGHTEST = 10, 0.9, 45.0, 235.0


def restrict_to_frame(pair: AlignedPair) -> AlignedPair:
    """Returns the pair restricted to a picture inside the query, if everything around that is unrelated.

    A frame that left out a new face would hide it, so what it leaves out must agree nowhere. Where the
    reference goes on beyond the part by which it was found, a banner lies across it. Bars that were
    laid over the picture are left out too, and named by the alignment.
    """
    barred = without_bars(pair)
    if barred is not None:
        return barred
    part = pair.alignment.within
    if part is not None:
        pair = pair.with_alignment(replace(pair.alignment, within=None))
    whole = PairStatistics(pair.warped_at(LONG_SIDE))
    if part is not None:
        restricted = pair.with_alignment(replace(pair.alignment, within=part))
        inside = restricted.warped_at(LONG_SIDE).shown
        return pair if _goes_on_beyond(inside, whole.warped) else restricted
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
    if quad is None or coverage(quad, reference.width, reference.height) < LEAST_SHARE:
        return alignment
    return replace(alignment, within=part)


def _share_within(pair: AlignedPair, whole: PairStatistics) -> float:
    """Returns the share of windows inside that agree; 0 where those outside do too, or little is inside."""
    inside = PairStatistics(pair.warped_at(LONG_SIDE), whole.reference)
    if inside.warped.shown.mean() < LEAST_SHARE:
        return 0.0
    outside = agreeing_share(whole, inside.warped.shown)
    if outside > UNRELATED or _goes_on_beyond(inside.warped.shown, whole.warped):
        return 0.0
    return agreeing_share(inside)


def _goes_on_beyond(inside: Mask, warped: WarpedPair) -> bool:
    """Whether the reference goes on beyond a part of the query, (h, w): under a banner, say, it does."""
    reference, query = grey(warped.reference), grey(warped.query)
    between = np.abs(warped.query.astype(np.int16) - warped.reference).max(axis=2)
    same = (between <= SAME_COLOUR) & (reference > DARKEST) & (reference < LIGHTEST)
    for turned in (np.array, np.transpose):
        within = turned(inside).any(axis=1)
        if not within.any():
            return False
        shown = turned(warped.shown)
        alike = _lines_alike(turned(reference), turned(query), shown) | _lines_same(turned(same), shown)
        first, last = np.flatnonzero(within)[[0, -1]]
        if max(_beyond_others(alike[:first][::-1]), _beyond_others(alike[last + 1 :])) >= LEAST_LINES:
            return True
    return False


def _beyond_others(alike: npt.NDArray[np.bool_]) -> int:
    """Counts the lines, outwards, that agree beyond some that do not: parts are found a little small."""
    if len(alike) < LEAST_LINES:
        return 0
    unlike = ~np.lib.stride_tricks.sliding_window_view(alike, LEAST_LINES).any(axis=1)
    return int(alike[int(unlike.argmax()) :].sum()) if unlike.any() else 0


def _lines_same(same: Mask, shown: Mask) -> npt.NDArray[np.bool_]:
    """Returns (h,): the lines that are `same` nearly everywhere: a wall has no detail to agree on."""
    count = shown.sum(axis=1)
    agreeing = (same & shown).sum(axis=1)
    return np.asarray((count > SHOWN * shown.shape[1]) & (agreeing > MOSTLY * count), np.bool_)


def _lines_alike(reference: Grey, query: Grey, shown: Mask) -> npt.NDArray[np.bool_]:
    """Returns (h,): the lines of both pictures, (h, w) each, that have detail and agree on it."""
    known, values = (
        lines - np.sum(lines * shown, axis=1, keepdims=True) / np.maximum(shown.sum(axis=1), 1)[:, None]
        for lines in (reference, query)
    )
    together, detail, of_query = (
        (product * shown).sum(axis=1) for product in (known * values, known * known, values * values)
    )
    count = shown.sum(axis=1)
    correlation = together / np.sqrt(np.maximum(detail * of_query, 1e-6))
    is_detailed = detail > LEAST_DETAIL * np.maximum(count, 1)
    return np.asarray(
        (count > SHOWN * shown.shape[1]) & is_detailed & (correlation > LINE_AGREES), np.bool_
    )
