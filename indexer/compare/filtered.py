"""Names filters of the whole picture: softer, sharper, few colours, darker towards the corners.

Both pictures are compared at the size of the smaller, so that what was lost by scaling alone is none of it,
in two bands of detail: coding takes the finest first and leaves the next, a blur takes both. Noise is not
named: at the size that is compared, coding and sharpening leave as much in pictures full of texture.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.processing import Processing
from indexer.compare.vocabulary import FULL, Operation, certainty_of, degree_of
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred, grey
from indexer.operations import OperationType

BLURS = (0.7, 1.4, 2.8)  # px: deviations, between which the two bands lie
MARGIN = 9  # px beside what was edited or is not shown, from which a blur still mixes something in
LEAST_PLACES = 2000  # px that both show unchanged
EDGES = 80  # percentile of detail, above which what became of it is read
LEAST_DETAIL = 1.0  # grey levels of the reference's detail there: with less, coding alone would take it
COLOUR_STEP, DETAIL_STEP = 3, 7  # px between the places that are read
LEVELS, COMMONEST = 64, 12  # cells of each channel's histogram, and those that hold what few colours leave
# Of the ordinary ways of uploads (docs/quality.md) those that neither blur nor sharpen leave 0.71 and more
# of the finest detail, and 1.25 at most.
SOFTER, SOFTER_TOO = 0.6, 0.93  # of the finest detail, and of the next
ENERGY_LOST = 0.75  # of the root mean square of the finest detail: what only moved keeps its own
SHARPER, SHARPER_TOO = 1.4, 1.3
# Of all places, that came to the commonest cells: GIF and coarse JPEG bring 0.07. A blur brings more where
# there was nothing but grain, and leaves less of the finest detail.
FEW_COLOURS, ALL_THERE = 0.2, 0.8
FALLS_OFF = 0.75  # light at the corners over that in the middle
GRID, MIDDLE, CORNERS, LEAST_CELLS = 24, 0.3, 1.3, 3  # cells a side; squared radius; cells of each corner


@dataclass(frozen=True)
class Detail:
    """What became of the detail, the colours and the light of a picture."""

    fine: float  # share of the finest detail that is left in its place; above 1 it became stronger
    middle: float  # the same of the next band
    energy: float  # root mean square of the finest detail over the reference's, in any place
    few: float  # share of the commonest cells of each channel, beyond the reference's
    falls_off: float  # light at the corners over that in the middle; 1: as it was


def name_filters(warped: WarpedPair, processing: Processing, unchanged: Mask) -> Operation | None:
    """Returns what was done to the whole but for its colours; None: nothing that one sees.

    `unchanged`: (h, w) places that nobody edited.
    """
    detail = measure_detail(warped, processing, unchanged)
    if detail is None:
        return None
    found: list[tuple[str, float]] = []  # words, and how far beyond their line
    is_softer = detail.fine < SOFTER and detail.middle < SOFTER_TOO and detail.energy < ENERGY_LOST
    if is_softer:
        words = "made softer (blurred, smoothed or enlarged from fewer pixels)"
        found.append((words, SOFTER - detail.fine))
    if detail.fine > SHARPER or detail.middle > SHARPER_TOO:
        beyond = max(detail.fine / SHARPER, detail.middle / SHARPER_TOO) - 1
        found.append(("sharpened, or given more contrast in its detail", beyond))
    if detail.few > FEW_COLOURS and detail.fine > ALL_THERE:
        found.append(("reduced to few colours", 2 * (detail.few - FEW_COLOURS)))
    if detail.falls_off < FALLS_OFF:
        found.append(("darkened towards its corners", FALLS_OFF - detail.falls_off))
    if not found:
        return None
    strongest = max(beyond for _, beyond in found)
    return Operation(
        OperationType.FILTERED,
        degree_of(strongest, 0.15, 0.4),
        f"The whole picture was {' and '.join(words for words, _ in found)}.",
        FULL,
        FULL,
        {
            "fine_detail_kept": round(detail.fine, 3),
            "middle_detail_kept": round(detail.middle, 3),
            "fine_energy_kept": round(detail.energy, 3),
            "few_colours": round(detail.few, 3),
            "light_at_corners": round(detail.falls_off, 3),
        },
        certainty=certainty_of(strongest, 0.1),
    )


def measure_detail(warped: WarpedPair, processing: Processing, unchanged: Mask) -> Detail | None:
    """Compares the query with the processed reference where `unchanged`; None: too little is."""
    ours, theirs = grey(warped.query), processing.luma_of(warped.reference)
    colours, before = warped.query, warped.reference
    counted = unchanged.astype(np.uint8)
    factor = 1 / max(1.0, warped.magnification)
    if factor < 1.0:
        size = max(16, round(ours.shape[1] * factor)), max(16, round(ours.shape[0] * factor))
        ours, theirs = (
            np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.float32)
            for one in (ours, theirs)
        )
        colours, before = (
            np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.uint8)
            for one in (colours, before)
        )
        counted = np.asarray(cv2.resize(counted, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    places = cv2.erode(counted, np.ones((2 * MARGIN + 1,) * 2, np.uint8), borderValue=0) > 0
    if np.count_nonzero(places) < LEAST_PLACES:
        return None
    (our_fine, our_middle), (their_fine, their_middle) = _bands(ours), _bands(theirs)
    detail = cv2.boxFilter(np.abs(their_middle), -1, (7, 7))
    edges = places & (detail >= np.percentile(detail[places][::DETAIL_STEP], EDGES))
    fine, energy = _kept(our_fine, their_fine, edges)
    middle, _ = _kept(our_middle, their_middle, edges)
    step = np.s_[::COLOUR_STEP, ::COLOUR_STEP]
    expected = processing.apply(np.ascontiguousarray(before[step]))[places[step]]
    few = _in_few_cells(colours[step][places[step]]) - _in_few_cells(expected)
    return Detail(fine, middle, energy, few, _falls_off(processing, unchanged))


def _bands(values: Grey) -> tuple[Grey, Grey]:
    """Returns (h, w) of the finest detail, and of the next."""
    blurs = [blurred(values, deviation) for deviation in BLURS]
    return blurs[0] - blurs[1], blurs[1] - blurs[2]


def _kept(ours: Grey, theirs: Grey, where: Mask) -> tuple[float, float]:
    """Returns the slope of the query's detail on the reference's, and how much there is of it at all."""
    mine, wanted = ours[where], theirs[where]
    energy = float((wanted * wanted).mean())
    if energy < LEAST_DETAIL**2:
        return 1.0, 1.0
    return float((mine * wanted).mean()) / energy, float(np.sqrt((mine * mine).mean() / energy))


def _in_few_cells(colours: npt.NDArray[Any]) -> float:
    """Returns the share of (n, 3) colours in the commonest cells, of the channel that has least."""
    cells = (colours.astype(np.float32).clip(0, 255) * LEVELS / 256).astype(np.int64)
    counts = (np.sort(np.bincount(channel, minlength=LEVELS))[::-1] for channel in cells.T)
    return float(min(one[:COMMONEST].sum() / one.sum() for one in counts))


def _falls_off(processing: Processing, unchanged: Mask) -> float:
    """Reads the light where the upload shows it: elsewhere what was fitted to it says nothing."""
    if processing.light is None:
        return 1.0
    shown = cv2.resize(unchanged.astype(np.uint8), (GRID, GRID), interpolation=cv2.INTER_NEAREST) > 0
    gain = processing.gain(GRID, GRID)
    y, x = np.mgrid[-1 : 1 : GRID * 1j, -1 : 1 : GRID * 1j]
    outer = shown & (x * x + y * y > CORNERS)
    corners = [outer & (x * across > 0) & (y * down > 0) for across in (-1, 1) for down in (-1, 1)]
    middle = shown & (x * x + y * y < MIDDLE)
    if min(np.count_nonzero(one) for one in (*corners, middle)) < LEAST_CELLS:
        return 1.0
    return float(gain[outer].mean() / gain[middle].mean())
