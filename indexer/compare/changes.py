"""Finds where the query differs from the reference by more than ordinary processing leaves.

The reference is processed as the query was (`processing`). What still differs is compared with what
compression, scaling and the last fraction of a pixel leave in this very pair: a residue that grows with the
local detail. Its growth is read from the pair by medians, so that a change cannot raise its own threshold.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.processing import Processing
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred

WINDOWS = (5, 11, 21)  # px of the working size
EXPECTED_STEP = 3  # px between the places from which the expected residue is read
TABLE_SIZE = 1024
BINS = 12  # of detail, each with its own expected residue
LEAST_IN_BIN = 10
# In units of the expected residue. Calibrated on edits that change no content: docs/quality.md.
SEED, GROWS_TO = 5.0, 2.5
LEAST_LEVELS = 10.0  # grey levels below which nobody sees a change
LEAST_AREA = 0.0015  # of the picture
GAPS_CLOSED = 0.012  # of the long side: letters of a line belong together
BORDER = 4  # px at the edge of what is shown that are not compared: warping mixes in black there
EDGE_SHARE = 0.2  # of a region's strongest residue, where its box ends
MOST_REGIONS = 12
LEAST_UNCHANGED = 0.1  # of the picture: with less left, excluded places are read from too

Residue = npt.NDArray[np.float32]  # (h, w, 3)


@dataclass(frozen=True)
class ChangedRegion:
    """One connected region that differs, in pixels of the working size."""

    mask: Mask  # (h, w)
    left: int
    top: int
    right: int  # the first column outside
    bottom: int  # the first row outside
    excess: float  # median of the residue in units of the expected one
    levels: float  # mean difference in grey levels
    share: float  # of the picture
    is_bar: bool = False  # a bar across the picture that one sees through


@dataclass(frozen=True)
class ChangeMap:
    """The residue everywhere, and the regions where it is too large."""

    excess: Grey  # (h, w); 1 is what processing alone leaves; 0 where nothing is compared
    regions: tuple[ChangedRegion, ...]  # largest first
    residue: Residue  # (h, w, 3) query minus processed reference, grey levels
    compared: Mask  # (h, w)
    typical_levels: float  # median residue: what the processing alone leaves
    # Regions that differ by no more than what a filter left in the rest of the picture.
    left_by_filter: tuple[ChangedRegion, ...] = ()


def find_changes(
    warped: WarpedPair,
    processing: Processing,
    excluded: Mask | None = None,
    expected: Residue | None = None,
) -> ChangeMap:
    """Compares the warped query with the processed reference, or with what else is `expected`, (h, w, 3).

    The expected residue is not read from `excluded` places: a face may be all there is to see, and be new.
    """
    compared = (
        cv2.erode(warped.shown.astype(np.uint8), np.ones((2 * BORDER + 1,) * 2, np.uint8), borderValue=0)
        > 0
    )
    if expected is None:
        expected = processing.apply(warped.reference)
    query = warped.query.astype(np.float32)
    if processing.query_is_sharper:
        query = blurred(query, processing.blur)
    else:
        expected = blurred(expected, processing.blur)
    residue = query - expected
    if compared.sum() < 500:
        empty = np.zeros(compared.shape, np.float32)
        return ChangeMap(empty, (), residue, compared, 0.0)
    weight = compared.astype(np.float32)
    energy = cv2.transform(residue * residue, np.full((1, 3), 1 / 3, np.float32)) * weight
    detail = _detail(expected) * weight
    unchanged = compared
    if excluded is not None and (compared & ~excluded).sum() > LEAST_UNCHANGED * compared.size:
        unchanged = compared & ~excluded
    squared, levels = np.zeros_like(energy), np.zeros_like(energy)
    shown_everywhere = bool(compared.all())
    for window in WINDOWS:
        local, local_detail = _mean(energy, window), _mean(detail, window)
        if not shown_everywhere:
            share = np.maximum(_mean(weight, window), 1e-3)
            local = np.asarray(local / share, np.float32)
            local_detail = np.asarray(local_detail / share, np.float32)
        np.maximum(squared, local / _expected_energy(local, local_detail, unchanged), out=squared)
        if window == WINDOWS[0]:
            levels = np.asarray(np.sqrt(local), np.float32)
    excess = np.asarray(np.sqrt(squared) * weight, np.float32)
    regions = _regions(excess, levels, residue, compared)
    return ChangeMap(excess, regions, residue, compared, float(np.median(levels[compared])))


def region_of(
    mask: Mask, excess: Grey, differing: Grey, *, boxed: Mask | None = None, is_bar: bool = False
) -> ChangedRegion:
    """Returns a changed place, (h, w) as all of these.

    `differing`: by how many grey levels; `boxed`: what the box is drawn around, where that is not the mask.
    """
    y, x = np.nonzero(mask if boxed is None else boxed)
    return ChangedRegion(
        mask=mask,
        left=int(x.min()),
        top=int(y.min()),
        right=int(x.max()) + 1,
        bottom=int(y.max()) + 1,
        excess=float(np.median(excess[mask])),
        levels=float(np.abs(differing[mask]).mean()),
        share=float(mask.mean()),
        is_bar=is_bar,
    )


def _detail(expected: Residue) -> Grey:
    """Returns (h, w): the squared gradient, where an error of alignment or of a codec shows."""
    luma = cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY)
    dx, dy = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    return np.asarray((dx * dx + dy * dy) / 64.0, np.float32)


def _mean(values: Grey, window: int) -> Grey:
    # The filter's running sums leave tiny negative values where all values are zero.
    return np.maximum(cv2.boxFilter(values, -1, (window, window)), 0.0)


def _expected_energy(energy: Grey, detail: Grey, unchanged: Mask) -> Grey:
    """Returns the median residue of places with as much detail, which never falls as detail rises."""
    step = EXPECTED_STEP
    sampled = unchanged[::step, ::step]
    known_detail, known_energy = detail[::step, ::step][sampled], energy[::step, ::step][sampled]
    order = np.argsort(known_detail)
    known_detail, known_energy = known_detail[order], known_energy[order]
    middles, medians = [], []
    for members in _bins(known_detail):
        if members.stop - members.start >= LEAST_IN_BIN:
            middles.append(float(known_detail[(members.start + members.stop) // 2]))
            medians.append(float(np.median(known_energy[members])))
    floor = 1.5  # squared grey levels: rounding to bytes, twice
    if not middles:
        return np.full_like(energy, floor)
    rising = np.maximum.accumulate(np.array(medians))
    # Beyond the bin with the most detail the residue keeps growing with the squared gradient.
    slope = np.maximum(1.0, detail / max(middles[-1], 1e-3))
    # Read from a table: the square root of the detail, in steps of a quarter.
    steps = np.arange(TABLE_SIZE, dtype=np.float64) / 4
    table = np.interp(steps**2, middles, rising).astype(np.float32)
    places_in_table = (4 * np.sqrt(detail)).clip(0, TABLE_SIZE - 1).astype(np.int32)
    return np.asarray(table[places_in_table] * slope + floor, np.float32)


def _bins(rising: npt.NDArray[np.float32]) -> list[slice]:
    """Returns bins with equally many values each, except that equal values never fall into two bins."""
    if not len(rising):
        return []
    ends = np.searchsorted(rising, rising[(np.arange(1, BINS) * len(rising)) // BINS], side="right")
    starts = [0, *(int(end) for end in ends)]
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], len(rising)], strict=True)]


def _regions(excess: Grey, levels: Grey, residue: Residue, compared: Mask) -> tuple[ChangedRegion, ...]:
    """Returns regions above the lower threshold that contain a seed above the higher one, gaps closed."""
    grown = (excess > GROWS_TO) & (levels > LEAST_LEVELS / 2) & compared
    seeds = (excess > SEED) & (levels > LEAST_LEVELS) & compared
    reach = max(3, round(GAPS_CLOSED * max(excess.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    opened = cv2.morphologyEx(grown.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel)
    count, labels = cv2.connectedComponents(closed)
    sizes = np.bincount(labels.ravel(), minlength=count)
    seeded = np.bincount(labels[seeds], minlength=count)
    least = max(60.0, LEAST_AREA * excess.size)
    numbers = [n for n in range(1, count) if sizes[n] >= least and seeded[n] >= 0.1 * sizes[n]]
    found = [_region(labels == n, excess, levels, residue) for n in numbers]
    return tuple(sorted(found, key=lambda region: -region.share)[:MOST_REGIONS])


def _region(mask: Mask, excess: Grey, levels: Grey, residue: Residue) -> ChangedRegion:
    # Windows reach beyond the edge of what changed, so the box is drawn around the pixels themselves.
    strength = np.abs(residue).max(axis=2)
    near = mask & (cv2.blur(strength, (3, 3)) > EDGE_SHARE * np.percentile(strength[mask], 95))
    return region_of(mask, excess, levels, boxed=near if near.any() else mask)
