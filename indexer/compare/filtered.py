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
COLOUR_STEP, DETAIL_STEP = 3, 7  # px between the places that are read
LEAST_PLACES = 2000  # px that both show unchanged
EDGES = 80  # percentile of detail, above which what became of it is read
LEVELS, COMMONEST = 64, 12  # cells of each channel's histogram, and those that hold what few colours leave
# Over 42 ordinary ways of uploads the finest detail keeps 0.71 and more unless it is blurred, and 1.25 at
# most unless it is sharpened or its contrast raised from place to place: docs/quality.md.
SOFTER, SOFTER_TOO = 0.6, 0.93  # of the finest detail, and of the next
SHARPER, SHARPER_TOO = 1.4, 1.3
FEW_COLOURS = 0.13  # of all places, that came to the commonest cells: GIF and coarse JPEG leave 0.07
FALLS_OFF = 0.75  # light at the corners over that in the middle


@dataclass(frozen=True)
class Detail:
    """What became of the detail, the colours and the light of a picture."""

    fine: float  # share of the finest detail that is left; above 1 it became stronger
    middle: float  # the same of the next band
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
    if detail.fine < SOFTER and detail.middle < SOFTER_TOO:
        found.append(("made softer: blurred, smoothed or enlarged from fewer pixels", SOFTER - detail.fine))
    if detail.fine > SHARPER or detail.middle > SHARPER_TOO:
        beyond = max(detail.fine / SHARPER, detail.middle / SHARPER_TOO) - 1
        found.append(("sharpened, or the contrast of its detail was raised", beyond))
    if detail.few > FEW_COLOURS:
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
            "few_colours": round(detail.few, 3),
            "light_at_corners": round(detail.falls_off, 3),
        },
        certainty=certainty_of(strongest, 0.1),
    )


def measure_detail(warped: WarpedPair, processing: Processing, unchanged: Mask) -> Detail | None:
    """Compares the query with the processed reference where `unchanged`; None: too little is."""
    ours, theirs = grey(warped.query), processing.luma_of(warped.reference)
    counted = cv2.erode(unchanged.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0)
    colours = counted[::COLOUR_STEP, ::COLOUR_STEP] > 0
    factor = 1 / max(1.0, warped.magnification)
    if factor < 1.0:
        size = max(16, round(ours.shape[1] * factor)), max(16, round(ours.shape[0] * factor))
        ours, theirs = (
            np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.float32)
            for one in (ours, theirs)
        )
        counted = cv2.resize(counted, size, interpolation=cv2.INTER_NEAREST)
    if np.count_nonzero(counted) < LEAST_PLACES or not colours.any():
        return None
    (our_fine, our_middle), (their_fine, their_middle) = _bands(ours), _bands(theirs)
    detail = cv2.boxFilter(np.abs(their_middle), -1, (7, 7))
    edges = (counted > 0) & (detail >= np.percentile(detail[counted > 0][::DETAIL_STEP], EDGES))
    few = _in_few_cells(warped.query[::COLOUR_STEP, ::COLOUR_STEP][colours])
    few_before = _in_few_cells(
        processing.apply(np.ascontiguousarray(warped.reference[::COLOUR_STEP, ::COLOUR_STEP]))[colours]
    )
    return Detail(
        fine=_kept(our_fine, their_fine, edges),
        middle=_kept(our_middle, their_middle, edges),
        few=few - few_before,
        falls_off=_falls_off(processing),
    )


def _bands(values: Grey) -> tuple[Grey, Grey]:
    """Returns (h, w) of the finest detail, and of the next."""
    blurs = [blurred(values, deviation) for deviation in BLURS]
    return blurs[0] - blurs[1], blurs[1] - blurs[2]


def _kept(ours: Grey, theirs: Grey, where: Mask) -> float:
    """Returns the slope of the query's detail on the reference's."""
    energy = float((theirs[where] ** 2).sum())
    return float((ours[where] * theirs[where]).sum()) / energy if energy > 0 else 1.0


def _in_few_cells(colours: npt.NDArray[Any]) -> float:
    """Returns the share of (n, 3) colours in the commonest cells, of the channel that has least."""
    cells = (colours.astype(np.float32).clip(0, 255) * LEVELS / 256).astype(np.int64)
    counts = (np.sort(np.bincount(channel, minlength=LEVELS))[::-1] for channel in cells.T)
    return float(min(one[:COMMONEST].sum() / one.sum() for one in counts))


def _falls_off(processing: Processing) -> float:
    if processing.light is None:
        return 1.0
    corners = np.array([1, 0, 0, 1, 1, 0, 4, 8], np.float64)  # the mean of the four, in terms of `light`
    return float(np.exp(processing.light @ corners - processing.light[0]))
