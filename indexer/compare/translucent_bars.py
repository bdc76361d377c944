"""Finds bars that one sees through, across the whole width or height of a picture.

Such a bar keeps all the detail below it, so that it may pass for a filter that darkened those colours. Its
edge gives it away: along a straight line from side to side the difference from the registered picture
jumps, where that picture itself does not. No filter of the whole that was tried leaves such a line.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from indexer.compare.changes import ChangedRegion, ChangeMap, region_of
from indexer.compare.warping import Grey, Mask, WarpedPair, grey

ACROSS = 3  # px on either side of a line
JUMPS = 8.0  # grey levels
MOSTLY = 0.85  # of a line, in one direction
SHOWN = 0.6  # of a line
OWN_EDGE = 0.35  # of the jump, that the registered picture may have there by itself
LEAST_DEPTH, MOST_SHARE = 0.06, 0.6  # of the side; of the picture
DIFFERS_BY = 12.0  # grey levels, what became of colours in a bar from what became of them beside it
AT_ONCE = 0.6  # of that, which the jump at its edge must have
CELL = 32  # levels of a channel that are one cell of colours
LEAST_OF_CELL, LEAST_TOLD = 40, 0.2  # px on either side; of the bar, in such cells
UNEXPLAINED = 20.0  # grey levels of the typical residue, from which on no filter explains the whole
MOSTLY_INSIDE = 0.5  # of a region: then it is part of the bar, or of what is written on it


Cells = npt.NDArray[np.int64]  # (h, w): colours of the reference, coarsely


@dataclass(frozen=True)
class _Line:
    """A jump between two lines of pixels."""

    place: int  # the first line beyond it
    jump: float  # grey levels, of the difference between the pictures


def with_translucent_bar(warped: WarpedPair, changes: ChangeMap) -> ChangeMap:
    """Returns the changes with the largest such bar as a region, in place of what was found of it.

    A filter of the whole may seem to explain what it did to the colours below it.
    """
    is_explained = changes.typical_levels < UNEXPLAINED
    if is_explained and not (changes.regions or changes.left_by_filter):
        return changes
    # Not the residue: what is expected of the whole may be drawn towards what the bar did to a third of it.
    reference = grey(warped.reference)
    between = np.asarray(grey(warped.query) - reference, np.float32)
    cells: Cells = np.asarray((warped.reference // CELL).astype(np.int64) @ np.array([64, 8, 1]), np.int64)
    bars = []
    for turned in (np.array, np.transpose):
        rows = _bar(turned(between), turned(reference), turned(cells), turned(changes.compared))
        if rows is not None:
            mask = np.zeros(turned(between).shape, np.bool_)
            mask[rows] = True
            bars.append(turned(mask) & changes.compared)
    if not bars:
        return changes
    bar = region_of(max(bars, key=np.sum), changes.excess, between, is_bar=True)

    def outside(regions: Iterable[ChangedRegion]) -> tuple[ChangedRegion, ...]:
        return tuple(one for one in regions if bar.mask[one.mask].mean() < MOSTLY_INSIDE)

    regions = sorted((bar, *outside(changes.regions)), key=lambda region: -region.share)
    return replace(changes, regions=tuple(regions), left_by_filter=outside(changes.left_by_filter))


def _bar(between: Grey, reference: Grey, cells: Cells, compared: Mask) -> slice | None:
    """Returns the rows of a bar from the left to the right of (h, w) pictures."""
    height = len(between)
    lines = _lines(between, reference, compared)
    edges = [_Line(0, 0.0), *lines, _Line(height, 0.0)]
    best: slice | None = None
    for first, last in pairwise(edges):
        depth = last.place - first.place
        if not LEAST_DEPTH * height <= depth <= MOST_SHARE * height:
            continue
        # At each edge of it that lies in the picture the jump leads back where it came from.
        if first.jump * last.jump > 0 or (first.jump == 0.0 and last.jump == 0.0):
            continue
        rows = slice(first.place, last.place)
        jump = min(abs(line.jump) for line in (first, last) if line.jump)
        if (best is None or depth > best.stop - best.start) and _differs(
            between, cells, compared, rows, jump
        ):
            best = rows
    return best


def _differs(between: Grey, cells: Cells, compared: Mask, rows: slice, jump: float) -> bool:
    """Whether the same colours became others in the rows than beside them: no filter of the whole did that.

    `jump`: grey levels at the edge; light that fades there takes its time.
    """
    inside = np.zeros(compared.shape, np.bool_)
    inside[rows] = True
    known = compared & inside
    sums, count = np.zeros(2), 0
    for cell in np.unique(cells[known]):
        same = compared & (cells == cell)
        sides = between[same & inside], between[same & ~inside]
        if min(len(side) for side in sides) >= LEAST_OF_CELL:
            sums += len(sides[0]) * np.array([np.median(side) for side in sides])
            count += len(sides[0])
    if count < LEAST_TOLD * int(known.sum()):
        return False
    within, beside = sums / count
    by = abs(within - beside)
    return bool(by >= DIFFERS_BY and abs(within) > abs(beside) and jump >= AT_ONCE * by)


def _lines(between: Grey, reference: Grey, compared: Mask) -> list[_Line]:
    """Returns the lines at which the difference jumps from side to side, from the top."""
    jumps = between[2 * ACROSS :] - between[: -2 * ACROSS]
    own = reference[2 * ACROSS :] - reference[: -2 * ACROSS]
    shown = compared[2 * ACROSS :] & compared[: -2 * ACROSS]
    count = np.maximum(shown.sum(axis=1), 1)
    found: list[_Line] = []
    strengths: npt.NDArray[np.float64] = np.zeros(len(jumps))
    for sign in (1.0, -1.0):
        alike = ((sign * jumps >= JUMPS) & shown).sum(axis=1) / count
        for row in np.flatnonzero((alike >= MOSTLY) & (count >= SHOWN * shown.shape[1])):
            jump = float(np.median(jumps[row][shown[row]]))
            if abs(float(np.median(own[row][shown[row]]))) <= OWN_EDGE * abs(jump):
                strengths[row] = jump
    rows = np.flatnonzero(strengths)
    for group in np.split(rows, np.flatnonzero(np.diff(rows) > 2 * ACROSS) + 1) if len(rows) else ():
        strongest = int(group[np.abs(strengths[group]).argmax()])
        found.append(_Line(strongest + ACROSS, float(strengths[strongest])))
    return found
