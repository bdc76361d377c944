"""Tells what a filter did to the whole picture from what somebody did to a part of it.

A filter that no model knows leaves differences too. It leaves them elsewhere as well: the same colours
became the same others, and the strongest differences are many and alike. So each region is judged by the
rest of the picture: first by what became of its colours elsewhere, then by how much more than anything else
it differs. What keeps all its structure must differ far more, since a filter that meets a colour in one
place only looks like that.
"""

from dataclasses import replace
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.changes import ChangedRegion, ChangeMap, find_changes
from indexer.compare.processing import Processing, with_curves
from indexer.compare.warping import Mask, WarpedPair, blurred, grey
from indexer.media.images import Pixels

SMOOTHING = 1.5  # px; colours are read from areas, not from noise
STEP = 3  # px between the places that are read
CELL = 16  # levels of a channel that are one cell of colours
CELLS = 256 // CELL
TILES = 10  # in each direction; the pixels of one tile and one cell have one voice
LEAST_TILES, MOST_TILES = 3, 8  # that say something of a cell, before it is believed, and as they count
SPREAD = 4  # times that colours nobody saw are read from their neighbours
MOSTLY_CHANGED = 0.5  # share of a region
GROWN = 9  # px around a region that belong to it
LEAST_OUTSIDE = 0.1  # of what is compared: with less left nothing is known of the rest
WINDOW = 15  # px
RARE, USUAL = 99, 97  # percentiles of the excess in places, and in windows, outside the regions
# Calibrated on 18 filters, and 5 edits under 3, of eight of the photographs in docs/quality.md.
STRUCTURE_KEPT, KEPT_AND_CHANGED = 0.8, 4.0  # correlation; of the rare excess
BEYOND_RARE, BEYOND_USUAL, BEYOND_USUAL_WHEN_COARSE = 1.1, 2.0, 2.7
FINE, COARSE = 6.0, 10.0  # grey levels of the typical residue
MORE_THAN_FILTERS = 12.0  # of the expected residue: filters leave 11.5 at most
LEFT_BY_FILTERS = 20.0  # the same: filters leave 14 at most, lines drawn over a portrait 30

Floats = npt.NDArray[np.float32]


def without_filters(
    warped: WarpedPair, processing: Processing, changes: ChangeMap, unusual: Mask
) -> ChangeMap:
    """Returns the changes without the regions that a filter of the whole picture explains.

    `unusual`: (h, w) places that have no vote on what was done to the whole.
    """
    if not changes.regions:
        return changes
    bent = with_curves(processing, warped, unusual | _without_structure(warped, changes))
    again = find_changes(warped, processing, unusual, _expected_by_colours(warped, bent, changes, unusual))
    is_beyond = _differ_beyond_the_rest(warped, again)
    beyond = [region for region, holds in zip(again.regions, is_beyond, strict=True) if holds]
    kept: list[ChangedRegion] = []
    for region in changes.regions:
        parts = [part for part in beyond if (part.mask & region.mask).any()]
        shared = sum(float((part.mask & region.mask).mean()) for part in parts)
        # As it was found first, unless a filter made it larger than what was changed.
        found = [region] if shared > MOSTLY_CHANGED * region.share else parts
        kept += [one for one in found if not any(one is other for other in kept)]
    left = [region for region in changes.regions if not any((region.mask & one.mask).any() for one in kept)]
    return replace(changes, regions=tuple(kept), left_by_filter=tuple(left))


def _expected_by_colours(
    warped: WarpedPair, processing: Processing, changes: ChangeMap, unusual: Mask
) -> Floats:
    """Returns (h, w, 3): the processed reference, corrected by what became of the same colours elsewhere.

    Each region by the places outside it. `unusual` places have no vote.
    """
    expected = processing.apply(warped.reference)
    colours = np.asarray(cv2.GaussianBlur(warped.reference, (0, 0), SMOOTHING), np.uint8)
    residue = blurred(warped.query.astype(np.float32) - expected, SMOOTHING)
    votes = changes.compared & ~unusual
    corrected = expected + _looked_up(_table(colours, residue, votes), colours)
    for region in changes.regions:
        box, grown = _grown(region)
        rest = votes.copy()
        rest[box] &= ~grown
        correction = _looked_up(_table(colours, residue, rest), colours[box])
        corrected[box][grown] = (expected[box] + correction)[grown]
    return corrected.clip(0, 255)


def _without_structure(warped: WarpedPair, changes: ChangeMap) -> Mask:
    """Returns (h, w): the regions of which the fine structure is another one, as a filter leaves none."""
    lost = [region.mask for region in changes.regions if _structure_kept(warped, region) <= STRUCTURE_KEPT]
    return np.logical_or.reduce(lost) if lost else np.zeros(changes.compared.shape, np.bool_)


def _differ_beyond_the_rest(warped: WarpedPair, changes: ChangeMap) -> list[bool]:
    """Returns of each region whether it differs by more than the filter of the whole picture explains."""
    outside = changes.compared.copy()
    for region in changes.regions:
        box, grown = _grown(region)
        outside[box] &= ~grown
    if outside.sum() < LEAST_OUTSIDE * changes.compared.sum():
        return [True] * len(changes.regions)
    near = np.sqrt(np.maximum(cv2.boxFilter(np.square(changes.excess), -1, (WINDOW, WINDOW)), 0.0))
    rare = max(1.0, float(np.percentile(changes.excess[outside], RARE)))
    usual = max(1.0, float(np.percentile(near[outside], USUAL)))
    beyond_usual = float(
        np.interp(changes.typical_levels, (FINE, COARSE), (BEYOND_USUAL, BEYOND_USUAL_WHEN_COARSE))
    )

    def is_beyond(region: ChangedRegion) -> bool:
        if _structure_kept(warped, region) > STRUCTURE_KEPT:
            return region.excess > KEPT_AND_CHANGED * rare
        if region.excess > MORE_THAN_FILTERS:
            return True  # also where it stands among many such
        if changes.typical_levels > LEFT_BY_FILTERS:
            return True  # lines or snow over the whole picture
        strength = float(np.median(near[region.mask]))
        return region.excess > BEYOND_RARE * rare and strength > beyond_usual * usual

    return [is_beyond(region) for region in changes.regions]


def _structure_kept(warped: WarpedPair, region: ChangedRegion) -> float:
    """Returns the correlation of both pictures' fine structure in a region, -1..1."""
    box = np.s_[region.top : region.bottom, region.left : region.right]
    mask = region.mask[box]
    query, reference = (
        np.asarray(cv2.Laplacian(blurred(grey(pixels[box]), 1.0), cv2.CV_32F)[mask], np.float64)
        for pixels in (warped.query, warped.reference)
    )
    if min(query.std(), reference.std()) < 1e-3:
        return 0.0
    return float(np.corrcoef(query, reference)[0, 1])


def _grown(region: ChangedRegion) -> tuple[tuple[slice, slice], Mask]:
    """Returns a box around a region, and in it the region with what lies next to it."""
    y, x = (np.flatnonzero(region.mask.any(axis=axis)) for axis in (1, 0))
    box = (
        slice(max(0, int(y[0]) - GROWN), int(y[-1]) + GROWN + 1),
        slice(max(0, int(x[0]) - GROWN), int(x[-1]) + GROWN + 1),
    )
    kernel = np.ones((2 * GROWN + 1, 2 * GROWN + 1), np.uint8)
    return box, cv2.dilate(region.mask[box].astype(np.uint8), kernel) > 0


def _table(colours: Pixels, residue: Floats, votes: Mask) -> Floats:
    """Returns (CELLS, CELLS, CELLS, 3): the median residue of each cell of colours; 0 where nobody says.

    A cell is believed where several tiles of the picture speak for it: what happened in one place only
    may be what somebody did there.
    """
    sampled = np.s_[::STEP, ::STEP]
    voting = votes[sampled]
    y, x = np.nonzero(voting)
    tiles = (y * TILES // voting.shape[0]) * TILES + x * TILES // voting.shape[1]
    in_cells = colours[sampled][voting].astype(np.int64) // CELL
    cells = (in_cells[:, 0] * CELLS + in_cells[:, 1]) * CELLS + in_cells[:, 2]
    believed, told = np.zeros(CELLS**3, np.float32), np.zeros((CELLS**3, 3), np.float32)
    if not len(cells):
        return told.reshape(CELLS, CELLS, CELLS, 3)
    voices, means = _means(cells * TILES**2 + tiles, residue[sampled][voting])
    of_cells, starts = np.unique(voices // TILES**2, return_index=True)
    for cell, start, end in zip(of_cells, starts, np.append(starts[1:], len(voices)), strict=True):
        if end - start >= LEAST_TILES:
            believed[cell] = min(MOST_TILES, end - start)
            told[cell] = np.median(means[start:end], axis=0)
    shape = (CELLS, CELLS, CELLS)
    return _filled((told * believed[:, None]).reshape(*shape, 3), believed.reshape(shape))


def _means(groups: npt.NDArray[np.int64], values: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Returns the groups in rising order, and the mean of the (n, 3) values of each."""
    order = np.argsort(groups, kind="stable")
    found, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    return found, np.asarray(np.add.reduceat(values[order], starts) / counts[:, None], np.float32)


def _filled(total: Floats, weight: Floats) -> Floats:
    """Returns the means, each cell smoothed with its neighbours, or read from them where it has none."""
    means, known = np.zeros_like(total), np.zeros(weight.shape, np.bool_)
    for _ in range(SPREAD):
        total, weight = _smoothed(total), _smoothed(weight)
        reached = (weight > 1e-3) & ~known
        means[reached] = total[reached] / weight[reached][:, None]
        known |= reached
    return means


def _smoothed(values: Floats) -> Floats:
    """Returns the values smoothed by 1, 2, 1 along the first three axes."""
    for axis in range(3):
        moved = np.moveaxis(values, axis, 0)
        padded = np.concatenate([moved[:1], moved, moved[-1:]])
        values = np.moveaxis(0.25 * (padded[:-2] + padded[2:]) + 0.5 * moved, 0, axis)
    return np.asarray(values, np.float32)


def _looked_up(table: Floats, colours: Pixels) -> Floats:
    """Returns (h, w, 3): the table's values of (h, w, 3) colours, linear between cells."""
    places = (colours.reshape(-1, 3).astype(np.float32) - (CELL - 1) / 2) / CELL
    low = np.floor(places).clip(0, CELLS - 2).astype(np.int32)
    upper = (places - low).clip(0.0, 1.0)
    values, found = table.reshape(-1, 3), np.zeros((len(places), 3), np.float32)
    for corner in product((0, 1), repeat=3):
        weights = np.where(corner, upper, 1.0 - upper).prod(axis=1)
        red, green, blue = (low + np.array(corner)).T
        found += weights[:, None] * values[(red * CELLS + green) * CELLS + blue]
    return found.reshape(colours.shape)
