"""Finds what is too small for the comparison at the working size: a digit, a name, a plate.

What coding leaves is read from the pair itself: by how much the two differ in nearly all places of as
much detail. A change differs by several times that, in one compact place, by a good part of the contrast
there, and neither a shift of a pixel or two nor a loss of sharpness explains it. Figures that differ in
colour alone are not found.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.fine_alignment import FinePair, homography_in_detail, lay_finely
from indexer.compare.geometry import Matrix
from indexer.compare.pair import PairComparison
from indexer.compare.warping import Grey, Mask, blurred
from indexer.media.images import Pixels

SLOW = 41  # px: what changes more slowly is light
SMOOTHING = 0.8  # px: ringing changes its sign from pixel to pixel, a stroke does not
BLOCK = 17  # px around, whose detail tells what coding leaves: two blocks of JPEG
# What is usual is read from places of as much detail, by a percentile that a changed word on a plate does
# not reach, and so many times that: what 95 of 100 of them stay below.
BINS, LEAST_IN_BIN, USUAL, TIMES = 14, 150, 80, 2.0
TABLE_SIZE, STEPS_A_LEVEL = 1024, 8
LEAST_USUAL = 1.0  # grey levels: rounding to bytes
DETAILED = 99  # percentile of the places, by what differs there: letters are a small part of a page
# Calibrated on re-encodings of photographs, documents, screenshots and graphics: docs/quality.md.
BEYOND_USUAL, LEAST_LEVELS = 5.0, 18.0  # times the usual; grey levels
LEAST_OF_CONTRAST = 0.17  # what differs, as a share of the contrast in its place
GROWS_TO = 0.35  # of these, which belongs to the same place
# Seeds; its shorter side; its box, all in px. What is less is a pixel that scaling dropped.
LEAST_SEED, LEAST_BREADTH, LEAST_BOX = 6, 5, 60
JOINED = 5  # px between strokes of one glyph
MOST_SIDE = 400  # px of a place: what is larger is nothing small, and the first look sees it
MOST_PLACES = 40  # more are no small change, but a pair that the model does not describe
STRONGEST = 75  # percentile of what differs in a place, which stands for it
EDGE_SHARE = 0.3  # of that, where the box of a place ends
NEXT_TO_CHANGED = 6  # px of the working size around a changed region, which are its edge
NEIGHBOURS = 9  # px around a place, whose contrast counts
MOST_SHIFT_PX, SHIFT_STEP_PX, BLURS_PX = 1.5, 0.5, (0.8, 1.5)  # that are tried

Levels = npt.NDArray[np.float32]  # (h, w)


@dataclass(frozen=True)
class SmallChange:
    """One compact place that differs, in pixels of the compared size."""

    left: int
    top: int
    right: int  # the first column outside
    bottom: int  # the first row outside
    levels: float  # difference of its strongest part, in grey levels
    beyond_usual: float  # the same, in multiples of what coding leaves here
    of_contrast: float  # the same, as a share of the contrast in its place


@dataclass(frozen=True)
class FineComparison:
    """What was found, and at which size was looked."""

    size: tuple[int, int]  # width and height that were compared, in the frame of the reference
    homography: Matrix  # (3, 3) pixels of the query -> pixels of the compared size
    changes: tuple[SmallChange, ...]  # the furthest beyond the usual first
    usual_levels: float  # what coding leaves where there is much detail
    is_crowded: bool = False  # differs in so many places that single ones say nothing


def fine_comparison(
    pair: AlignedPair, comparison: PairComparison, query: Pixels, reference: Pixels
) -> FineComparison | None:
    """Compares the pictures of a pair in more detail than `pair` has; None where there is too little.

    `query`, `reference`: (h, w, 3) uint8, the same pictures. `comparison` refined how they lie; the regions
    that it found to be changed are left out.
    """
    within = pair.alignment.within
    homography = homography_in_detail(pair, comparison.warped, query, reference)
    across, down = (query.shape[axis] / pair.query.shape[axis] for axis in (1, 0))
    part = None if within is None else within.scaled(across, down)
    fine = lay_finely(query, reference, homography, comparison.processing, part, _changed(comparison))
    return None if fine is None else find_small_changes(fine)


def _changed(comparison: PairComparison) -> Mask | None:
    """Returns (h, w): the changed regions with what lies next to them, at the working size."""
    masks = [region.mask for region in comparison.changes.regions]
    if not masks:
        return None
    changed = np.logical_or.reduce(masks).astype(np.uint8)
    return cv2.dilate(changed, np.ones((2 * NEXT_TO_CHANGED + 1,) * 2, np.uint8)) > 0


def find_small_changes(fine: FinePair) -> FineComparison:
    """Returns the places that neither coding nor a small shift explains."""
    strength = np.abs(_differing(fine.query, fine.expected))
    usual = _usual(strength, fine.expected, fine.shown)
    usual_levels = float(np.percentile(usual[::8, ::8], DETAILED))
    limit = np.maximum(LEAST_LEVELS, BEYOND_USUAL * usual)
    seeds = np.asarray((strength > limit) & fine.shown)
    found: list[SmallChange] = []
    is_crowded = False
    if seeds.any():
        grown = ((strength > GROWS_TO * limit) & fine.shown).astype(np.uint8)
        joined = cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((JOINED, JOINED), np.uint8))
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
        seeded = np.bincount(labels[seeds], minlength=count)
        numbers = [number for number in range(1, count) if seeded[number] >= LEAST_SEED]
        is_crowded = len(numbers) > MOST_PLACES
        if not is_crowded:
            places = [_place(fine, usual, seeds, labels == number, boxes[number]) for number in numbers]
            found = [place for place in places if place is not None]
    found.sort(key=lambda place: -place.beyond_usual)
    return FineComparison(fine.size, fine.homography, tuple(found), usual_levels, is_crowded)


def _differing(query: Grey, expected: Grey) -> Levels:
    """Returns (h, w): what differs, without the light and hardly with ringing."""
    residue = query - expected
    residue -= cv2.boxFilter(residue, -1, (SLOW, SLOW))
    return blurred(residue, SMOOTHING)


def _usual(strength: Levels, expected: Grey, shown: Mask) -> Levels:
    """Returns (h, w): what differs in nearly all places of as much detail; it never falls with detail."""
    detail = _detail(expected)
    size = detail.shape[1], detail.shape[0]
    inside = cv2.resize(shown.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    known, values = detail[inside], cv2.resize(strength, size, interpolation=cv2.INTER_NEAREST)[inside]
    bins = np.digitize(known, np.geomspace(0.25, 128.0, BINS))
    middles, usual = [0.0], [LEAST_USUAL]
    for number in range(BINS + 1):
        members = bins == number
        if members.sum() >= LEAST_IN_BIN:
            middles.append(float(np.median(known[members])))
            usual.append(TIMES * float(np.percentile(values[members], USUAL)))
    rising = np.maximum.accumulate(np.array(usual))
    steps = np.arange(TABLE_SIZE) / STEPS_A_LEVEL
    table = np.interp(steps, middles[1:] or middles, rising[1:] if len(rising) > 1 else rising)
    beyond = np.maximum(1.0, detail / max(middles[-1], 1.0))  # it keeps growing with the gradient
    places = (STEPS_A_LEVEL * detail).clip(0, TABLE_SIZE - 1).astype(np.int32)
    coarse = np.asarray(table.astype(np.float32)[places] * beyond, np.float32)
    whole = strength.shape[1], strength.shape[0]
    return np.asarray(cv2.resize(coarse, whole, interpolation=cv2.INTER_LINEAR), np.float32)


def _detail(expected: Grey) -> Levels:
    """Returns (h / 2, w / 2): the gradient around every second pixel, in grey levels per two pixels."""
    half = cv2.resize(expected, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    across = cv2.Sobel(half, cv2.CV_32F, 1, 0, scale=1 / 8)
    squared = cv2.multiply(across, across)
    cv2.accumulateSquare(cv2.Sobel(half, cv2.CV_32F, 0, 1, scale=1 / 8), squared)
    around = cv2.boxFilter(squared, -1, (BLOCK // 2 + 1,) * 2)
    return np.asarray(np.sqrt(np.maximum(around, 0)), np.float32)


def _place(
    fine: FinePair, usual: Levels, seeds: Mask, place: Mask, box: npt.NDArray[np.int32]
) -> SmallChange | None:
    """Looks closer at one place (h, w); None where a small shift or another softness explains it."""
    left, top, width, height = (int(side) for side in box[:4])
    if min(width, height) < LEAST_BREADTH or max(width, height) > MOST_SIDE:
        return None
    rows = slice(max(0, top - SLOW), min(place.shape[0], top + height + SLOW))
    columns = slice(max(0, left - SLOW), min(place.shape[1], left + width + SLOW))
    mask = place[rows, columns]
    core = mask & seeds[rows, columns]
    before, after = fine.expected[rows, columns], fine.query[rows, columns]
    left_over = min(_left_over(before, after), key=lambda one: float(one[core].mean()))
    levels = float(np.percentile(left_over[core], STRONGEST))
    usually = float(usual[rows, columns][core].mean())
    near = cv2.dilate(mask.astype(np.uint8), np.ones((NEIGHBOURS, NEIGHBOURS), np.uint8)) > 0
    contrast = max(1.0, *(float(np.ptp(np.percentile(one[near], (2, 98)))) for one in (before, after)))
    if levels < max(LEAST_LEVELS, BEYOND_USUAL * usually, LEAST_OF_CONTRAST * contrast):
        return None
    y, x = np.nonzero(mask & (left_over > EDGE_SHARE * levels))
    across, down = int(np.ptp(x)) + 1, int(np.ptp(y)) + 1
    if min(across, down) < LEAST_BREADTH or across * down < LEAST_BOX:
        return None
    left, top = columns.start + int(x.min()), rows.start + int(y.min())
    return SmallChange(left, top, left + across, top + down, levels, levels / usually, levels / contrast)


def _left_over(before: Grey, after: Grey) -> Iterator[Levels]:
    """Yields what differs after every small shift, and after a blur, of one of the two."""
    steps = np.arange(-MOST_SHIFT_PX, MOST_SHIFT_PX + SHIFT_STEP_PX / 2, SHIFT_STEP_PX)
    size = before.shape[1], before.shape[0]
    for down in steps:
        for across in steps:
            matrix = np.array([[1, 0, across], [0, 1, down]], np.float64)
            moved = cv2.warpAffine(
                before, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            yield np.abs(_differing(after, np.asarray(moved, np.float32)))
    for deviation in BLURS_PX:
        yield np.abs(_differing(after, blurred(before, deviation)))
