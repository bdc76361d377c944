"""Names what was done to parts of the picture that are no faces: an overlay, an edit, or a composite.

What is laid over a picture brings hard edges, white, black and pure colours, and makes its place brighter
or darker throughout: letters, logos, stickers, bars. An edit is as soft as the picture, and brighter than
what was there as often as it is darker. A piece pasted with hard edges is taken for a sticker.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from indexer.compare.changes import ChangedRegion, ChangeMap
from indexer.compare.geometry import Points, project
from indexer.compare.processing import commonest_colours_share
from indexer.compare.vocabulary import (
    Operation,
    Quad,
    as_shares,
    certainty_of,
    degree_of,
    where_in_words,
)
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred, correlate, grey
from indexer.media.images import Pixels
from indexer.operations import OperationType

COMPOSITE_SHARE = 0.30  # of the picture: more is no edit of a part any more
FLAT = 0.85  # share of the three commonest colours
# WarpedPair over or edited: a logistic regression on 314 edits of nine kinds, made on six photographs.
EDGE_GAIN, EDGE, ONE_WAY, EXTREME, OVERLAY_FROM = 0.59, 0.016, 3.7, 2.7, 4.9
# Where nothing else tells: of what is new in 56 untouched frames of eleven videos 5.3 at most, while of
# letters and bars laid over them nine in ten have this much (docs/quality.md).
SURELY_OVERLAY = 6.5
SURELY_CHANGED = 0.4  # of the strongest residue in a region
SAME_OVERLAY = 0.06  # of the long side: regions of one kind that lie so near are one operation
EXPLAINED_BY_HEADS = 0.35  # share of a region inside heads from which on it belongs to the face
MOST_OPERATIONS = 6
FINE, WINDOW = 2.0, 15  # px: the deviation of a blur, the side of a window
FINE_DETAIL, SHINES_THROUGH = 4.0, 0.5  # variance in grey levels; correlation
LEAST_DETAILED = 0.25  # of a region
FAINT = 12.0  # grey levels: processing leaves so little here and there
FAINTLY = "It differs faintly {where}: whether it was edited there or only processed cannot be told."


@dataclass(frozen=True)
class ChangedPart:
    """Regions of one kind that lie near each other."""

    kind: OperationType
    regions: list[ChangedRegion]

    @property
    def is_faint(self) -> bool:
        """Whether an edit is so faint that processing may have left it."""
        return self.kind is OperationType.LOCAL_EDIT and max(one.levels for one in self.regions) < FAINT


def changed_parts(
    warped: WarpedPair, changes: ChangeMap, heads: Mask, unread: Mask | None = None
) -> list[ChangedPart]:
    """Returns what changed outside `heads` (h, w), largest first; heads are left to `faces`.

    `unread`: (h, w) heads of which no face can be read; over these only sure graphics are returned.
    """
    regions = [one for one in changes.regions if one.is_bar or not _is_of(heads, one)]
    if unread is not None:
        regions = [
            one
            for one in regions
            if one.is_bar
            or not _is_of(unread, one)
            or overlay_evidence_in(one, one.mask, warped, changes) >= SURELY_OVERLAY
        ]
    parts: list[ChangedPart] = []
    reach = SAME_OVERLAY * max(warped.size)
    for region in regions:
        kind = _kind(region, warped, changes)
        near = (part for part in parts if part.kind is kind and _is_near(region, part.regions, reach))
        part = next(near, None)
        if part is None:
            parts.append(ChangedPart(kind, [region]))
        else:
            part.regions.append(region)
    return parts


def content_operations(
    parts: list[ChangedPart], warped: WarpedPair, query_size: tuple[int, int]
) -> list[Operation]:
    """Names the parts, largest first, but for those that are faint."""
    distinct = [part for part in parts if not part.is_faint][:MOST_OPERATIONS]
    return [part_operation(part, warped, query_size) for part in distinct]


def faint_differences(
    parts: list[ChangedPart], warped: WarpedPair, query_size: tuple[int, int]
) -> list[str]:
    """Returns a sentence for the largest part that is too faint to be called an edit, if there is one."""
    faint = next((part for part in parts if part.is_faint), None)
    if faint is None:
        return []
    region = part_operation(faint, warped, query_size).reference_region
    assert region is not None, "a part has a place in the reference"
    return [FAINTLY.format(where=where_in_words(region))]


def _is_of(heads: Mask, region: ChangedRegion) -> bool:
    return bool(heads[region.mask].mean() >= EXPLAINED_BY_HEADS)


def _is_near(region: ChangedRegion, group: list[ChangedRegion], reach: float) -> bool:
    return any(
        max(region.left, other.left) - min(region.right, other.right) < reach
        and max(region.top, other.top) - min(region.bottom, other.bottom) < reach
        for other in group
    )


def _kind(region: ChangedRegion, warped: WarpedPair, changes: ChangeMap) -> OperationType:
    if region.is_bar:
        return OperationType.OVERLAY
    changed = surely_changed(region, region.mask, changes)
    if region.share > COMPOSITE_SHARE and commonest_colours_share(warped.query[changed]) < FLAT:
        return OperationType.OVERLAY if _shines_through(region.mask, warped) else OperationType.COMPOSITE
    evidence = overlay_evidence_in(region, region.mask, warped, changes)
    return OperationType.OVERLAY if evidence > OVERLAY_FROM else OperationType.LOCAL_EDIT


def _shines_through(mask: Mask, warped: WarpedPair) -> bool:
    """Whether the reference's fine detail is seen in a place, (h, w), as under a translucent banner."""
    under, laid = (luma - blurred(luma, FINE) for luma in (grey(warped.reference), grey(warped.query)))
    alike, energy = correlate(under, laid, WINDOW)
    detailed = mask & (energy > FINE_DETAIL)
    is_told = detailed.sum() >= LEAST_DETAILED * mask.sum()
    return bool(is_told) and float(np.median(alike[detailed])) > SHINES_THROUGH


def surely_changed(region: ChangedRegion, where: Mask, changes: ChangeMap) -> Mask:
    """Returns (h, w): what changed most in a part of a region: letters, not the ground between them."""
    box = np.s_[region.top : region.bottom, region.left : region.right]
    strength = np.abs(changes.residue[box]).max(axis=2)
    inside = where[box]
    changed = np.zeros(where.shape, np.bool_)
    if inside.any():
        changed[box] = inside & (strength > SURELY_CHANGED * np.percentile(strength[inside], 95))
    return changed


def overlay_evidence_in(
    region: ChangedRegion, where: Mask, warped: WarpedPair, changes: ChangeMap
) -> float:
    """Returns the same as `overlay_evidence`, of a (h, w) part of a region; 0 where that is empty."""
    changed = surely_changed(region, where, changes)
    if not changed.any():
        return 0.0
    box = np.s_[region.top : region.bottom, region.left : region.right]
    brighter = float((changes.residue[changed].mean(axis=1) > 0).mean())
    return overlay_evidence(warped.query[box], warped.reference[box], where[box], changed[box], brighter)


def overlay_evidence(laid: Pixels, under: Pixels, mask: Mask, changed: Mask, brighter: float) -> float:
    """Returns how much `laid` looks like `under`, both (h, w, 3), with graphics over it.

    `mask`: (h, w) the region; `changed`: its strongest part, of which the share `brighter` became brighter.
    """
    edge, edge_before = (float(np.percentile(_gradient(pixels)[mask], 98)) for pixels in (laid, under))
    return float(
        EDGE_GAIN * np.log2(edge / (edge_before + 5.0) + 0.05)
        + EDGE * edge
        + ONE_WAY * max(brighter, 1 - brighter)
        + EXTREME * max(0.0, _extreme(laid[changed]) - _extreme(under[changed]))
    )


def _gradient(pixels: Pixels) -> Grey:
    luma = grey(pixels)
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    return np.asarray(np.hypot(across, down) / 4, np.float32)


def _extreme(colours: Pixels) -> float:
    """Returns the share of (n, 3) colours that are nearly white, black or pure, as graphics have them."""
    low, high = colours.min(axis=1).astype(np.int16), colours.max(axis=1).astype(np.int16)
    return float(((low > 225) | (high < 30) | (high - low > 190)).mean()) if len(colours) else 0.0


def part_operation(part: ChangedPart, warped: WarpedPair, query_size: tuple[int, int]) -> Operation:
    """Names one part."""
    kind, group = part.kind, part.regions
    left, top = min(region.left for region in group), min(region.top for region in group)
    right, bottom = max(region.right for region in group), max(region.bottom for region in group)
    query_region, reference_region = both_quads((left, top, right, bottom), warped, query_size)
    share = sum(region.share for region in group)
    levels = max(region.levels for region in group)
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
        query_region,
        reference_region,
        {
            "share": round(share, 4),
            "levels": round(levels, 1),
            "excess": round(max(region.excess for region in group), 1),
        },
        certainty=certainty_of(levels, 2 * FAINT),
    )


def both_quads(
    box: tuple[float, float, float, float], warped: WarpedPair, query_size: tuple[int, int]
) -> tuple[Quad | None, Quad]:
    """Returns a box of the warped pair (left, top, right, bottom) in query and reference, as shares."""
    left, top, right, bottom = box
    corners: Points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    in_query = project(np.asarray(np.linalg.inv(warped.homography), np.float64), corners)
    reference_region = as_shares(corners, *warped.size)
    return (None if in_query is None else as_shares(in_query, *query_size)), reference_region
