"""Which of two pictures carries what was laid over, or lost what was there, in a region where they differ?

What is laid over brings its own edges. Where the difference ends, only the picture that carries it has an
edge. Graphics have hard edges and pure colours besides; a bar and a pasted picture end in one line; and
where a part was blurred or pixelated, coarse things still agree and fine ones are gone. An edit that is as
soft as the picture says nothing: a thing may have been put there as well as taken away.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from indexer.compare.changes import ChangedRegion, ChangeMap
from indexer.compare.content import SURELY_CHANGED, overlay_evidence
from indexer.compare.processing import commonest_colours_share
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred, grey

SUPPORT, LEAST_SUPPORT_LEVELS = 0.2, 10.0  # of a region's strongest residue; grey levels
MARGIN = 16  # px around a region
RING_FROM, RING_TO = 5, 25  # px; sides of the squares that a region is grown by
LEAST_RING = 50  # px
UNCHANGED = 2.5  # of the excess
# Calibrated in both roles on edits of ten kinds: docs/quality.md.
GRAPHICS, MORE_THAN_OTHER = 6.4, 2.5  # of the evidence of `content`
# Share of the edges that end the difference; beyond the last the two are not aligned there.
ENDS_IN_ONE, MOST_IN_ONE = 0.80, 1.25
# Grey levels per pixel where the difference ends: of a cover; of graphics, which are harder than things.
HARD_EDGE_LEVELS, GRAPHIC_EDGE_LEVELS = 8.0, 28.0
FLAT, RECTANGLE = 0.97, 0.93  # share of the three commonest colours; of the smallest box around
COARSE_AGREES, COARSE_SPREAD = 0.90, 6.0  # correlation; grey levels
FINE_LOST = 0.12  # share of the energy of fine detail that is left
# Fine detail in a region, in units of that around it: what was uncovered by painting is smoother.
AS_AROUND, SMOOTHER_THAN_AROUND = 0.75, 0.42
COARSE_PX, FINE_PX = 4.0, 2.0  # deviations of the blur


class Side(StrEnum):
    """One of two pictures that are compared."""

    QUERY = "query"
    REFERENCE = "reference"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Addition:
    """A changed region, and which picture something was added to or taken from there."""

    region: ChangedRegion
    laid_over: Side  # which picture carries something laid over it
    blurred: Side  # which picture lost its detail

    @property
    def made_later(self) -> Side:
        """Which picture is the later one by this region alone."""
        return self.laid_over if self.laid_over is not Side.UNKNOWN else self.blurred


@dataclass(frozen=True)
class RegionEvidence:
    """What was measured of one region; each pair is of the query and of the reference."""

    graphics: tuple[float, float]  # as `content.overlay_evidence`
    ends_in: tuple[float, float]  # share of the edges where the difference ends; together about 1
    edge_levels: float  # mean step where the difference ends, grey levels per pixel
    flat: tuple[float, float]  # share of the three commonest colours
    rectangle: float  # share of the smallest box that the difference fills
    coarse: float  # correlation of what a strong blur leaves, -1..1
    coarse_spread: float  # the smaller of its deviations, in grey levels
    fine: tuple[float, float]  # energy of the fine detail
    texture: tuple[float, float]  # fine detail in the region, in units of that around it; 0: not known


def additions(warped: WarpedPair, changes: ChangeMap) -> tuple[Addition, ...]:
    """Returns every changed region with the picture that something was added to, largest first."""
    return tuple(added_to(region, warped, changes) for region in changes.regions)


def added_to(region: ChangedRegion, warped: WarpedPair, changes: ChangeMap) -> Addition:
    """Says of one changed region which picture carries the addition; UNKNOWN unless it is evident."""
    measured = measure_region(region, warped, changes)
    sides = (Side.QUERY, 0, 1), (Side.REFERENCE, 1, 0)
    laid = next((side for side, own, other in sides if _was_laid_over(measured, own, other)), Side.UNKNOWN)
    lost = next((side for side, own, other in sides if _was_blurred(measured, own, other)), Side.UNKNOWN)
    return Addition(region, laid, lost if laid is Side.UNKNOWN else Side.UNKNOWN)


def _was_laid_over(measured: RegionEvidence, own: int, other: int) -> bool:
    ends_in_own = ENDS_IN_ONE < measured.ends_in[own] < MOST_IN_ONE
    if not ends_in_own or measured.texture[other] < AS_AROUND:
        return False
    more = measured.graphics[own] - measured.graphics[other]
    is_graphic = measured.graphics[own] > GRAPHICS and more > MORE_THAN_OTHER
    if is_graphic and measured.edge_levels > GRAPHIC_EDGE_LEVELS:
        return True
    is_bar = measured.flat[own] > FLAT and measured.flat[other] < FLAT
    return measured.edge_levels > HARD_EDGE_LEVELS and (is_bar or measured.rectangle > RECTANGLE)


def _was_blurred(measured: RegionEvidence, own: int, other: int) -> bool:
    """Whether coarse things agree and only one picture has the fine ones, as it has them around."""
    agrees = measured.coarse > COARSE_AGREES and measured.coarse_spread > COARSE_SPREAD
    smoother = measured.texture[own] < SMOOTHER_THAN_AROUND and measured.texture[other] > AS_AROUND
    return agrees and smoother and measured.fine[own] < FINE_LOST * measured.fine[other]


def measure_region(region: ChangedRegion, warped: WarpedPair, changes: ChangeMap) -> RegionEvidence:
    """Measures one region of a compared pair."""
    height, width = region.mask.shape
    box = np.s_[
        max(0, region.top - MARGIN) : min(height, region.bottom + MARGIN),
        max(0, region.left - MARGIN) : min(width, region.right + MARGIN),
    ]
    mask, residue = region.mask[box], changes.residue[box]
    query, reference = warped.query[box], warped.reference[box]
    strength = np.abs(residue).max(axis=2)
    strongest = float(np.percentile(strength[mask], 95))
    changed = np.asarray(mask & (strength > SURELY_CHANGED * strongest))
    support = np.asarray(mask & (strength > max(LEAST_SUPPORT_LEVELS, SUPPORT * strongest)))
    brighter = float((residue[changed].mean(axis=1) > 0).mean()) if changed.any() else 0.5
    expected = np.asarray(query - residue, np.float32)
    luma, luma_before = grey(query), grey(expected)
    ends_in, edge_levels = _ends_in(luma, luma_before, support & changes.compared[box])
    unchanged = changes.compared[box] & (changes.excess[box] < UNCHANGED)
    within = _eroded(support, 7) if _eroded(support, 7).sum() > 60 else support
    within = within if within.any() else mask  # a region that differs so faintly has no support
    coarse = [blurred(values, COARSE_PX)[within] for values in (luma, luma_before)]
    fine = [
        float(((values - blurred(values, FINE_PX))[within] ** 2).mean()) for values in (luma, luma_before)
    ]
    return RegionEvidence(
        graphics=(
            overlay_evidence(query, reference, mask, changed, brighter),
            overlay_evidence(reference, query, mask, changed, brighter),
        ),
        ends_in=ends_in,
        edge_levels=edge_levels,
        flat=(commonest_colours_share(query[changed]), commonest_colours_share(reference[changed])),
        rectangle=_rectangle_share(support),
        coarse=_correlation(coarse[0], coarse[1]),
        coarse_spread=float(min(values.std() for values in coarse)),
        fine=(fine[0], fine[1]),
        texture=(_texture(luma, mask, unchanged), _texture(grey(reference), mask, unchanged)),
    )


def _ends_in(query: Grey, expected: Grey, support: Mask) -> tuple[tuple[float, float], float]:
    """Returns whose edges end the difference, as shares, and how steep they are."""
    solid = cv2.morphologyEx(support.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    rim = _grown(solid, 5) & ~_eroded(solid, 5)
    of_query, of_expected = _slopes(query)[rim], _slopes(expected)[rim]
    between = of_query - of_expected
    energy = float((between**2).sum())
    if energy < 1.0:
        return (0.5, 0.5), 0.0
    share = float((of_query * between).sum()) / energy
    return (share, 1.0 - share), float(np.sqrt((between**2).sum(axis=1).mean()))


def _slopes(values: Grey) -> Grey:
    """Returns (h, w, 2): grey levels per pixel."""
    across, down = (cv2.Sobel(values, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    return np.asarray(np.stack([across, down], axis=2), np.float32)


def _texture(values: Grey, mask: Mask, unchanged: Mask) -> float:
    """Returns the fine detail of a picture in the region, in units of that around the region."""
    fine = np.abs(values - blurred(values, FINE_PX))
    ring = _grown(mask, RING_TO) & ~_grown(mask, RING_FROM) & unchanged
    if ring.sum() < LEAST_RING:
        return 0.0
    return float((fine[mask].mean() + 0.3) / (fine[ring].mean() + 0.3))


def _rectangle_share(support: Mask) -> float:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(support.astype(np.uint8))
    if count < 2:
        return 0.0
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    area = float(statistics[largest, cv2.CC_STAT_AREA])
    contours, _ = cv2.findContours(
        (labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    (_, _), (long, wide), _ = cv2.minAreaRect(np.concatenate(contours))
    filled = sum(cv2.contourArea(contour) for contour in contours)
    return float(filled / max(1.0, long * wide)) if area > 100 else 0.0


def _correlation(left: Grey, right: Grey) -> float:
    left, right = left - left.mean(), right - right.mean()
    spread = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float((left * right).sum()) / spread if spread > 1e-3 else 0.0


def _eroded(mask: Mask, side: int) -> Mask:
    kernel = np.ones((side, side), np.uint8)
    return np.asarray(cv2.erode(mask.astype(np.uint8), kernel, borderValue=0) > 0, np.bool_)


def _grown(mask: Mask, side: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0, np.bool_)
