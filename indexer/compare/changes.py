"""Where the upload differs from the reference by more than ordinary processing leaves.

The reference is processed as the upload was (`processing`), and what is left is compared with what
compression, scaling and the last fraction of a pixel leave in this very pair: a residue that grows with the
detail of a place. That relation is read from the pair by medians, so that a change cannot raise its own
threshold.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.processing import Processing
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred

WINDOWS = (5, 11, 21)  # px of the working size
EXPECTED_STEP = 3  # px between the places that say what is usual
TABLE = 1024
BINS = 12  # of detail, each with its own expected residue
LEAST_IN_BIN = 10
# In units of the expected residue. Calibrated on edits that change no content: docs/quality.md.
SEED, GROWS_TO = 5.0, 2.5
LEAST_LEVELS = 10.0  # grey levels below which nobody sees a change
LEAST_AREA = 0.0015  # of the picture
CLOSES_GAPS = 0.012  # of the long side: letters of a line belong together
BORDER = 4  # px at the edge of what is shown, where warping mixes in nothing
EDGE_SHARE = 0.2  # of a region's strongest residue, where its box ends
MOST_REGIONS = 12
LEAST_USUAL = 0.1  # of the picture, to read the usual residue from

Residue = npt.NDArray[np.float32]  # (h, w, 3)


@dataclass(frozen=True)
class ChangedRegion:
    """One connected place that differs, in pixels of the working size."""

    mask: Mask  # (h, w)
    left: int
    top: int
    right: int  # first column that is outside
    bottom: int
    excess: float  # median of the residue in units of the expected one
    levels: float  # mean difference in grey levels
    share: float  # of the picture


@dataclass(frozen=True)
class ChangeMap:
    """The residue everywhere, and the places where it is too large."""

    excess: Grey  # (h, w), 1: as expected of the processing alone; 0 where nothing is compared
    regions: tuple[ChangedRegion, ...]  # largest first
    residue: Residue  # (h, w, 3) query minus processed reference, grey levels
    compared: Mask  # (h, w)
    typical_levels: float  # median residue: what the processing alone leaves


def find_changes(warped: WarpedPair, processing: Processing, excluded: Mask | None = None) -> ChangeMap:
    """Compare the laid query with the processed reference.

    `excluded`: places that do not say what is usual (a face may be all that there is to see, and be new).
    """
    compared = (
        cv2.erode(warped.shown.astype(np.uint8), np.ones((2 * BORDER + 1,) * 2, np.uint8), borderValue=0)
        > 0
    )
    expected = processing.apply(warped.reference)
    ours = warped.query.astype(np.float32)
    if processing.query_is_sharper:
        ours = blurred(ours, processing.blur)
    else:
        expected = blurred(expected, processing.blur)
    residue = ours - expected
    if compared.sum() < 500:
        empty = np.zeros(compared.shape, np.float32)
        return ChangeMap(empty, (), residue, compared, 0.0)
    weight = compared.astype(np.float32)
    energy = cv2.transform(residue * residue, np.full((1, 3), 1 / 3, np.float32)) * weight
    detail = _detail(expected) * weight
    usual = compared
    if excluded is not None and (compared & ~excluded).sum() > LEAST_USUAL * compared.size:
        usual = compared & ~excluded
    squared, levels = np.zeros_like(energy), np.zeros_like(energy)
    shown_everywhere = bool(compared.all())
    for window in WINDOWS:
        local, local_detail = _mean(energy, window), _mean(detail, window)
        if not shown_everywhere:
            share = np.maximum(_mean(weight, window), 1e-3)
            local = np.asarray(local / share, np.float32)
            local_detail = np.asarray(local_detail / share, np.float32)
        np.maximum(squared, local / _expected_energy(local, local_detail, usual), out=squared)
        if window == WINDOWS[0]:
            levels = np.asarray(np.sqrt(local), np.float32)
    excess = np.asarray(np.sqrt(squared) * weight, np.float32)
    regions = _regions(excess, levels, residue, compared)
    return ChangeMap(excess, regions, residue, compared, float(np.median(levels[compared])))


def _detail(expected: Residue) -> Grey:
    """(h, w) squared gradient: where an error of alignment or of a codec shows."""
    luma = cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY)
    dx, dy = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    return np.asarray((dx * dx + dy * dy) / 64.0, np.float32)


def _mean(values: Grey, window: int) -> Grey:
    # Running sums leave less than nothing where there is nothing.
    return np.maximum(cv2.boxFilter(values, -1, (window, window)), 0.0)


def _expected_energy(energy: Grey, detail: Grey, usual: Mask) -> Grey:
    """What places with so much detail have as their median residue, never falling with detail."""
    step = EXPECTED_STEP
    few = usual[::step, ::step]
    known_detail, known_energy = detail[::step, ::step][few], energy[::step, ::step][few]
    order = np.argsort(known_detail)
    known_detail, known_energy = known_detail[order], known_energy[order]
    middles, medians = [], []
    for mine in _bins(known_detail):
        if mine.stop - mine.start >= LEAST_IN_BIN:
            middles.append(float(known_detail[(mine.start + mine.stop) // 2]))
            medians.append(float(np.median(known_energy[mine])))
    floor = 1.5  # squared grey levels: rounding to bytes, twice
    if not middles:
        return np.full_like(energy, floor)
    rising = np.maximum.accumulate(np.array(medians))
    # Beyond the busiest bin the residue goes on growing with the squared gradient.
    slope = np.maximum(1.0, detail / max(middles[-1], 1e-3))
    # Read from a table: the square root of the detail, in steps of a quarter.
    table = np.interp((np.arange(TABLE, dtype=np.float64) / 4) ** 2, middles, rising).astype(np.float32)
    places_in_table = (4 * np.sqrt(detail)).clip(0, TABLE - 1).astype(np.int32)
    return np.asarray(table[places_in_table] * slope + floor, np.float32)


def _bins(rising: npt.NDArray[np.float32]) -> list[slice]:
    """Equally many values each, but the same value never in two."""
    if not len(rising):
        return []
    ends = np.searchsorted(rising, rising[(np.arange(1, BINS) * len(rising)) // BINS], side="right")
    starts = [0, *(int(one) for one in ends)]
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], len(rising)], strict=True)]


def _regions(excess: Grey, levels: Grey, residue: Residue, compared: Mask) -> tuple[ChangedRegion, ...]:
    """Places above the lower line that hold a seed above the higher one, gaps closed."""
    grown = (excess > GROWS_TO) & (levels > LEAST_LEVELS / 2) & compared
    seeds = (excess > SEED) & (levels > LEAST_LEVELS) & compared
    reach = max(3, round(CLOSES_GAPS * max(excess.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    opened = cv2.morphologyEx(grown.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel)
    count, labels = cv2.connectedComponents(closed)
    sizes = np.bincount(labels.ravel(), minlength=count)
    seeded = np.bincount(labels[seeds], minlength=count)
    least = max(60.0, LEAST_AREA * excess.size)
    numbers = [n for n in range(1, count) if sizes[n] >= least and seeded[n] >= 0.1 * sizes[n]]
    found = [_region(labels == n, excess, levels, residue) for n in numbers]
    return tuple(sorted(found, key=lambda one: -one.share)[:MOST_REGIONS])


def _region(mask: Mask, excess: Grey, levels: Grey, residue: Residue) -> ChangedRegion:
    # The windows reach over the edge of what changed; the box is that of the pixels themselves.
    strength = np.abs(residue).max(axis=2)
    near = mask & (cv2.blur(strength, (3, 3)) > EDGE_SHARE * np.percentile(strength[mask], 95))
    y, x = np.nonzero(near if near.any() else mask)
    return ChangedRegion(
        mask=mask,
        left=int(x.min()),
        top=int(y.min()),
        right=int(x.max()) + 1,
        bottom=int(y.max()) + 1,
        excess=float(np.median(excess[mask])),
        levels=float(levels[mask].mean()),
        share=float(mask.mean()),
    )
