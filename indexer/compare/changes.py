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

from indexer.compare.laying import Grey, Laid, Mask, blurred
from indexer.compare.processing import Processing

WINDOWS = (5, 11, 21)  # px of the working size
EXPECTED_STEP = 3  # px between the places that say what is usual
TABLE = 1024
BINS = 12  # of detail, each with its own expected residue
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


def find_changes(laid: Laid, processing: Processing, excluded: Mask | None = None) -> ChangeMap:
    """Compare the laid query with the processed reference.

    `excluded`: places that do not say what is usual (a face may be all that there is to see, and be new).
    """
    compared = (
        cv2.erode(laid.shown.astype(np.uint8), np.ones((2 * BORDER + 1,) * 2, np.uint8), borderValue=0) > 0
    )
    expected = processing.apply(laid.reference)
    ours = laid.query.astype(np.float32)
    if processing.query_is_sharper:
        ours = blurred(ours, processing.blur)
    else:
        expected = blurred(expected, processing.blur)
    residue = ours - expected
    if compared.sum() < 500:
        empty = np.zeros(compared.shape, np.float32)
        return ChangeMap(empty, (), residue, compared, 0.0)
    energy = np.where(compared, (residue**2).mean(axis=2), 0.0).astype(np.float32)
    detail = np.where(compared, _detail(expected), 0.0).astype(np.float32)
    weight = compared.astype(np.float32)
    usual = compared
    if excluded is not None and (compared & ~excluded).sum() > LEAST_USUAL * compared.size:
        usual = compared & ~excluded
    excess, levels = np.zeros_like(energy), np.zeros_like(energy)
    for window in WINDOWS:
        share = np.maximum(_mean(weight, window), 1e-3)
        local = (_mean(energy, window) / share).astype(np.float32)
        local_detail = (_mean(detail, window) / share).astype(np.float32)
        ratio = np.sqrt(local / _expected_energy(local, local_detail, usual))
        excess = np.maximum(excess, ratio)
        if window == WINDOWS[0]:
            levels = np.sqrt(local)
    excess[~compared] = 0.0
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
    edges = np.quantile(known_detail, np.linspace(0, 1, BINS + 1))
    places = np.searchsorted(edges[1:-1], known_detail)
    middles, medians = [], []
    for number in range(BINS):
        mine = places == number
        if mine.sum() >= 10:
            middles.append(float(np.median(known_detail[mine])))
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
