"""Finds what was laid over a picture where motion hides it: what is nowhere else in the footage.

Between two moments of one scene nearly everything differs, and most is found a little further on. What
is not, and has the hard edges and the few colours of letters, stickers and bars, did not move there.
"""

from collections.abc import Iterable

import cv2
import numpy as np

from indexer.compare.changes import ChangedRegion, region_of
from indexer.compare.content import (
    SURELY_CHANGED,
    SURELY_OVERLAY,
    ChangedPart,
    overlay_evidence,
    part_operation,
)
from indexer.compare.pair import PairComparison
from indexer.compare.processing import commonest_colours_share
from indexer.compare.scene_motion import Floats, inside_quad
from indexer.compare.vocabulary import Operation
from indexer.compare.warping import Mask, WarpedPair, grey
from indexer.operations import OPERATIONS, Extent, OperationType

LEAST_SHARE = 0.003  # of the picture
ONE_WAY, FEW_COLOURS = 0.9, 0.6  # share that became brighter, or darker; of the three commonest colours
AROUND = 3  # px
MOST_PLACES = 4


def laid_over(
    unexplained: Mask, compared: PairComparison, named: Iterable[Operation], query_size: tuple[int, int]
) -> list[Operation]:
    """Names what lies over the query among the places (h, w) that no motion explains, as one operation.

    `named`: what is said of other places already; what lies there is not named again.
    """
    warped = compared.warped
    expected = compared.processing.apply(warped.reference)
    places = unexplained & ~places_of(named, unexplained.shape)
    differing = grey(warped.query) - grey(expected)
    found = [region_of(mask, compared.changes.excess, differing) for mask in _largest(places)]
    regions = [region for region in found if _is_graphics(region, warped, expected)]
    if not regions:
        return []
    return [part_operation(ChangedPart(OperationType.OVERLAY, regions), warped, query_size)]


def places_of(operations: Iterable[Operation], shape: tuple[int, ...]) -> Mask:
    """Returns (h, w): the places of the reference that the operations name as parts of it."""
    places = np.zeros(shape, np.bool_)
    for operation in operations:
        quad = operation.reference_region
        if OPERATIONS[operation.type].extent is Extent.PART and quad is not None:
            places |= inside_quad(quad, shape)
    return places


def _largest(places: Mask) -> list[Mask]:
    opened = cv2.morphologyEx(places.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(opened)
    areas = statistics[:, cv2.CC_STAT_AREA]
    numbers = [n for n in np.argsort(-areas) if n and areas[n] >= LEAST_SHARE * places.size]
    return [np.asarray(labels == n, np.bool_) for n in numbers[:MOST_PLACES]]


def _is_graphics(region: ChangedRegion, warped: WarpedPair, expected: Floats) -> bool:
    """Whether a region looks like graphics over what is expected there, (h, w, 3)."""
    box = np.s_[
        max(0, region.top - AROUND) : region.bottom + AROUND,
        max(0, region.left - AROUND) : region.right + AROUND,
    ]
    residue = warped.query[box] - expected[box]
    strength, inside = np.abs(residue).max(axis=2), region.mask[box]
    changed = np.asarray(inside & (strength > SURELY_CHANGED * np.percentile(strength[inside], 95)))
    brighter = float((residue[changed].mean(axis=1) > 0).mean())
    under = np.asarray(expected[box].clip(0, 255), np.uint8)
    if (
        max(brighter, 1 - brighter) < ONE_WAY
        or commonest_colours_share(warped.query[box][changed]) < FEW_COLOURS
    ):
        return False
    return overlay_evidence(warped.query[box], under, inside, changed, brighter) >= SURELY_OVERLAY
