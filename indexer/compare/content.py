"""What was done to parts of the picture that are no faces: laid over, edited, or put together from others.

What is laid over a picture brings hard edges, white, black and pure colours, and makes its place brighter
or darker throughout: letters, logos, stickers, bars. An edit is as soft as the picture, and as often
brighter as it is darker than what was there. A piece pasted with hard edges is taken for a sticker.
"""

import cv2
import numpy as np

from indexer.compare.changes import ChangedRegion, ChangeMap
from indexer.compare.geometry import Points, project
from indexer.compare.processing import few_colours
from indexer.compare.vocabulary import Operation, Quad, as_shares, degree_of, where_in_words
from indexer.compare.warping import Grey, Mask, WarpedPair, grey
from indexer.media.images import Pixels
from indexer.operations import OperationType

COMPOSITE_SHARE = 0.30  # of the picture: no edit of a part any more
FLAT = 0.85  # share of the three commonest colours
# WarpedPair over or edited: a logistic regression on 314 edits of nine kinds, made on six photographs.
EDGE_GAIN, EDGE, ONE_WAY, EXTREME, LAID_OVER = 0.59, 0.016, 3.7, 2.7, 4.9
SURELY = 0.4  # of the strongest residue in a region
SAME_OVERLAY = 0.06  # of the long side: parts of an overlay that lie so near are one
EXPLAINED = 0.35  # share of a region inside heads that makes it part of what was done to the face
MOST_OPERATIONS = 6


def content_operations(
    warped: WarpedPair, changes: ChangeMap, heads: Mask, query_size: tuple[int, int]
) -> list[Operation]:
    """Changed regions outside `heads` (h, w), largest first; the heads are left to the face analysis."""
    regions = [one for one in changes.regions if heads[one.mask].mean() < EXPLAINED]
    kinds = {id(one): _kind(one, warped, changes) for one in regions}
    merged: list[tuple[OperationType, list[ChangedRegion]]] = []
    reach = SAME_OVERLAY * max(warped.size)
    for region in regions:
        kind = kinds[id(region)]
        home = next((group for what, group in merged if what is kind and _near(region, group, reach)), None)
        if home is None:
            merged.append((kind, [region]))
        else:
            home.append(region)
    return [_operation(kind, group, warped, query_size) for kind, group in merged[:MOST_OPERATIONS]]


def _near(region: ChangedRegion, group: list[ChangedRegion], reach: float) -> bool:
    return any(
        max(region.left, one.left) - min(region.right, one.right) < reach
        and max(region.top, one.top) - min(region.bottom, one.bottom) < reach
        for one in group
    )


def _kind(region: ChangedRegion, warped: WarpedPair, changes: ChangeMap) -> OperationType:
    box = np.s_[region.top : region.bottom, region.left : region.right]
    mask, residue = region.mask[box], changes.residue[box]
    strength = np.abs(residue).max(axis=2)
    # Letters, not the ground between them.
    surely = mask & (strength > SURELY * np.percentile(strength[mask], 95))
    ours, theirs = warped.query[box], warped.reference[box]
    if region.share > COMPOSITE_SHARE and few_colours(ours[surely]) < FLAT:
        return OperationType.COMPOSITE
    brighter = float((residue[surely].mean(axis=1) > 0).mean())
    edge, edge_before = (float(np.percentile(_gradient(one)[mask], 98)) for one in (ours, theirs))
    looks_laid_over = (
        EDGE_GAIN * np.log2(edge / (edge_before + 5.0) + 0.05)
        + EDGE * edge
        + ONE_WAY * max(brighter, 1 - brighter)
        + EXTREME * max(0.0, _extreme(ours[surely]) - _extreme(theirs[surely]))
    )
    return OperationType.OVERLAY if looks_laid_over > LAID_OVER else OperationType.LOCAL_EDIT


def _gradient(pixels: Pixels) -> Grey:
    luma = grey(pixels)
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    return np.asarray(np.hypot(across, down) / 4, np.float32)


def _extreme(colours: Pixels) -> float:
    """Share of (n, 3) colours that are nearly white, black or pure: of graphics, seldom of photographs."""
    low, high = colours.min(axis=1).astype(np.int16), colours.max(axis=1).astype(np.int16)
    return float(((low > 225) | (high < 30) | (high - low > 190)).mean()) if len(colours) else 0.0


def _operation(
    kind: OperationType, group: list[ChangedRegion], warped: WarpedPair, query_size: tuple[int, int]
) -> Operation:
    left, top = min(one.left for one in group), min(one.top for one in group)
    right, bottom = max(one.right for one in group), max(one.bottom for one in group)
    region, reference_region = both_quads((left, top, right, bottom), warped, query_size)
    share = sum(one.share for one in group)
    levels = max(one.levels for one in group)
    where = where_in_words(reference_region)
    sentences = {
        OperationType.OVERLAY: f"Something was laid over it {where}: text, a logo, a sticker or a bar.",
        OperationType.COMPOSITE: f"About {100 * share:.0f} percent of it, {where}, shows something else.",
        OperationType.LOCAL_EDIT: f"A part of it {where} was edited: it differs from the original.",
    }
    return Operation(
        kind,
        degree_of(levels, 20, 45),
        sentences[kind],
        region,
        reference_region,
        {
            "share": round(share, 4),
            "levels": round(levels, 1),
            "excess": round(max(one.excess for one in group), 1),
        },
    )


def both_quads(
    box: tuple[float, float, float, float], warped: WarpedPair, query_size: tuple[int, int]
) -> tuple[Quad | None, Quad]:
    """A box of the laid pair (left, top, right, bottom) in the query and in the reference, as shares."""
    left, top, right, bottom = box
    corners: Points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    there = project(np.asarray(np.linalg.inv(warped.homography), np.float64), corners)
    reference_region = as_shares(corners, *warped.size)
    return (None if there is None else as_shares(there, *query_size)), reference_region
