"""Finds bars that one sees through, across the whole width or height of a picture.

Such a bar keeps all the detail below it, so that it may pass for a filter that darkened those colours. Its
edge gives it away: along a straight line from side to side the difference from the registered picture
jumps, where that picture itself does not. No filter and no coding of the whole leaves such a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from indexer.compare.changes import ChangedRegion, ChangeMap
from indexer.compare.content import ChangedPart, part_operation
from indexer.compare.vocabulary import Operation
from indexer.compare.warping import Grey, Mask, WarpedPair, grey
from indexer.operations import OperationType

ACROSS = 3  # px on either side of a line
JUMPS = 8.0  # grey levels
MOSTLY = 0.85  # of a line, in one direction
SHOWN = 0.6  # of a line
OWN_EDGE = 0.35  # of the jump, that the registered picture may have there by itself
LEAST_DEPTH, MOST_SHARE = 0.06, 0.6  # of the side; of the picture
DARKER_BY = 8.0  # grey levels by which the bar differs from what is beside it


@dataclass(frozen=True)
class _Line:
    """A jump between two lines of pixels."""

    place: int  # the first line beyond it
    jump: float  # grey levels, of the difference between the pictures


def translucent_bars(
    warped: WarpedPair, changes: ChangeMap, named: Sequence[Operation], query_size: tuple[int, int]
) -> list[Operation]:
    """Names the largest bar across the picture that nothing else names yet, if there is one."""
    if any(one.type in (OperationType.OVERLAY, OperationType.COMPOSITE) for one in named):
        return []
    # Not the residue: what is expected of the whole may be drawn towards what the bar did to a third of it.
    reference = grey(warped.reference)
    between = np.asarray(grey(warped.query) - reference, np.float32)
    masks = []
    for turned in (np.array, np.transpose):
        found = _bar(turned(between), turned(reference), turned(changes.compared))
        if found is not None:
            mask = np.zeros(turned(between).shape, np.bool_)
            mask[found] = True
            masks.append(turned(mask))
    if not masks:
        return []
    mask = max(masks, key=lambda one: int(one.sum()))
    y, x = np.nonzero(mask)
    region = ChangedRegion(
        mask,
        int(x.min()),
        int(y.min()),
        int(x.max()) + 1,
        int(y.max()) + 1,
        float(np.median(changes.excess[mask])),
        float(np.abs(between[mask]).mean()),
        float(mask.mean()),
    )
    return [part_operation(ChangedPart(OperationType.OVERLAY, [region]), warped, query_size)]


def _bar(between: Grey, reference: Grey, compared: Mask) -> slice | None:
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
        if best is None or depth > best.stop - best.start:
            best = slice(first.place, last.place)
    if best is None or not _differs(between, compared, best):
        return None
    return best


def _differs(between: Grey, compared: Mask, rows: slice) -> bool:
    inside = np.zeros(compared.shape, np.bool_)
    inside[rows] = True
    if not (compared & inside).any() or not (compared & ~inside).any():
        return False
    within, beside = (float(np.median(between[compared & side])) for side in (inside, ~inside))
    return abs(within - beside) >= DARKER_BY and abs(within) > abs(beside)


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
