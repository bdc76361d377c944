"""Finds solid bars that were laid over the edges of a registered picture, inside its own frame.

A bar and a letterbox look alike in the upload: a flat area that ends in a straight line. What tells them
apart is the registered picture. A letterbox surrounds it, or lies on flat bars of its own; a bar lies on
what it shows, and begins where it begins. A picture that was cropped and set into a larger frame is
surrounded: there the flat area does not end where the registered picture does.

What is under a bar is not compared with anything, so that it changes nothing else that is said.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.geometry import Alignment, Matrix, Points, project
from indexer.compare.processing import estimate_processing
from indexer.compare.vocabulary import Operation, as_shares, degree_of, where_in_words
from indexer.compare.warping import Mask, WarpedPair, blurred, grey, warp
from indexer.fingerprints.regions import Region
from indexer.media.images import Pixels
from indexer.operations import OperationType

LONG_SIDE = 384  # px of the reference
BEYOND = 0.06  # share of a side that is looked at beyond the reference's edge
EDGE_TOLERANCE = 0.03  # share of a side by which the upload's edge may lie elsewhere than the reference's
ONE_COLOUR = 18  # grey levels of a channel within which a pixel has the bar's colour; coding moves it
DIFFERS = 32  # grey levels of a channel from which on a pixel is not what the reference has there
FLAT_DIFFERS = 60  # the same where the reference is flat too: its own bars change a little with all colours
LEAST_DEPTH, LARGEST_DEPTH = 0.04, 0.55  # share of a side
LARGEST_SHARE = 0.62  # of the reference, under all bars together
EDGE_ROWS = 0.02  # share of a side from which the bar's colour is read
MOSTLY = 0.5  # of a row or of the bar: writing on it takes the rest
SHOWN = 0.8  # of a row, from which on it is one of the upload
MIXED_ROWS = 2  # px at the upload's edge, where the warp mixes in black
LEAST_ROWS = 3  # px, of which fine detail can be told
LEAST_HIDDEN = 0.03  # of a bar: reference of another colour than its own commonest there
AGREES_COUNTS = 2.0  # times as much as what is hidden: beyond the bar the reference goes on
MOST_BEYOND_SEAM = 0.2  # of the rows behind the bar: what is hidden there was no bar
LEAST_DIFFERENT, DIFFERENT = 0.4, 20  # of a bar; grey levels: a sky without its caption is no bar
FLAT, NOT_FLAT = 2.0, 3.5  # deviation in grey levels: black over a night sky differs by its flatness alone
SHINES_THROUGH = 0.3  # correlation of fine detail under a bar with the reference's
FINE_PX, LEAST_ENERGY = 2.0, 0.05  # deviation of the blur; squared grey levels

Channels = npt.NDArray[np.int16]  # (h, w, 3)


@dataclass(frozen=True)
class _Side:
    """The pair in the reference's frame, with what the query shows around it, turned to one side."""

    query: Channels
    expected: Channels  # the reference as processing alone would have left it; black beyond it
    shown: Mask
    before: int  # rows beyond the reference's edge
    beside: int  # columns beyond it, on either hand

    def turned(self, turns: int) -> "_Side":
        """Returns the same with another side at the top."""
        query, expected = np.rot90(self.query, turns), np.rot90(self.expected, turns)
        before, beside = (self.beside, self.before) if turns % 2 else (self.before, self.beside)
        return _Side(query, expected, np.rot90(self.shown, turns), before, beside)

    @property
    def inside(self) -> tuple[Channels, Channels, Mask]:
        """Returns query, expected and shown within the reference's frame."""
        height, width = self.shown.shape
        box = np.s_[self.before : height - self.before, self.beside : width - self.beside]
        return self.query[box], self.expected[box], self.shown[box]


@dataclass(frozen=True)
class _Flat:
    """A flat area at the upper edge, and what it hides there."""

    depth: int  # rows of the reference's frame
    colour: Channels  # (3,)
    is_at_edge: bool  # whether it begins where the reference does


def without_bars(pair: AlignedPair) -> AlignedPair | None:
    """Returns the pair restricted to what no bar covers, its alignment naming the bars; None if none does.

    Where the pair is restricted to a part already, that is given up: parts are found without their bars.
    """
    warped, side = _framed(pair)
    flats = [_flat(side.turned(turns)) for turns in range(4)]
    if not any(flats):
        return None
    side = _as_processed(side, warped, flats)
    flats = [_flat(side.turned(turns)) for turns in range(4)]
    covered = _covered(flats, warped.size)
    if not all(flat.is_at_edge for flat in flats if flat):
        return None  # it was cropped and set into a frame
    bars = [
        flat if flat and _is_bar(side.turned(turns), flat, np.rot90(covered, turns)) else None
        for turns, flat in enumerate(flats)
    ]
    left_over = ~_covered(bars, warped.size)
    if not any(bars) or left_over.mean() < 1 - LARGEST_SHARE:
        return None
    size = pair.query.shape[1], pair.query.shape[0]
    y, x = np.nonzero(left_over)
    # One pixel less on every side: there the warp mixes both.
    rest = (int(x.min()) + 1, int(y.min()) + 1, int(x.max()), int(y.max()))
    within = _in_query(rest, warped.homography, size)
    places = [_in_query(box, warped.homography, size) for box in _boxes(bars, warped.size)]
    if within is None:
        return None
    found = tuple(place for place in places if place is not None)
    return pair.with_alignment(replace(pair.alignment, within=within, bars=found))


def bars_laid_over(alignment: Alignment, query: Pixels, reference: Pixels) -> list[Operation]:
    """Names the bars of an alignment of (h, w, 3) uint8 `query` with `reference`, the largest first."""
    height, width = reference.shape[:2]
    found = []
    for bar in alignment.bars:
        corners: Points = np.array(
            [[bar.left, bar.top], [bar.right, bar.top], [bar.right, bar.bottom], [bar.left, bar.bottom]],
            np.float32,
        )
        there = project(alignment.homography, corners)
        if there is None:
            continue
        place = as_shares(there, width, height)
        across, down = (np.ptp([corner[axis] for corner in place]) for axis in (0, 1))
        share = float(across * down)
        where = where_in_words(place)
        found.append(
            Operation(
                OperationType.OVERLAY,
                degree_of(share, 0.0, 0.15),
                f"A solid bar was laid over it {where}: it hides about {100 * share:.0f} percent of it.",
                as_shares(corners, query.shape[1], query.shape[0]),
                place,
                {"share": round(share, 4)},
            )
        )
    return sorted(found, key=lambda operation: -operation.measured["share"])


def _framed(pair: AlignedPair) -> tuple[WarpedPair, _Side]:
    """Returns the whole query warped onto the reference, and the same with what is beyond its edges."""
    warped = pair.with_alignment(replace(pair.alignment, within=None)).warped_at(LONG_SIDE)
    width, height = warped.size
    beside, before = round(BEYOND * width), round(BEYOND * height)
    expected = _padded(warped.reference, before, beside)
    move = np.array([[1.0, 0.0, beside], [0.0, 1.0, before], [0.0, 0.0, 1.0]])
    size = width + 2 * beside, height + 2 * before
    query, shown = warp(pair.copies, move @ warped.homography, size, warped.magnification)
    return warped, _Side(query.astype(np.int16), expected, shown, before, beside)


def _padded(pixels: npt.NDArray[np.generic], before: int, beside: int) -> Channels:
    return np.pad(pixels.astype(np.int16), ((before, before), (beside, beside), (0, 0)))


def _as_processed(side: _Side, warped: WarpedPair, flats: list[_Flat | None]) -> _Side:
    """Returns the side with colours of the reference as the rest of the query shows them."""
    processing = estimate_processing(warped, _covered(flats, warped.size))
    expected = _padded(np.rint(processing.apply(warped.reference)), side.before, side.beside)
    return replace(side, expected=expected)


def _flat(side: _Side) -> _Flat | None:
    """Finds a flat area at the upper edge of what both show that hides what the reference has there."""
    query, expected, shown = side.inside
    height = len(query)
    visible = shown.mean(axis=1) >= SHOWN
    first = int(np.argmax(visible)) + MIXED_ROWS
    if not visible.any() or first + EDGE_ROWS * height > LARGEST_DEPTH * height:
        return None
    start = query[first : first + max(3, round(EDGE_ROWS * height))]
    colour = np.asarray(np.median(start.reshape(-1, 3), axis=0), np.int16)
    if (_distance(start, colour) <= ONE_COLOUR).mean() < MOSTLY:
        return None
    near, distance = (_distance(query, colour) <= ONE_COLOUR) & shown, _distance(query, expected)
    hidden, agrees = near & (distance > DIFFERS), shown & ~near & (distance <= DIFFERS)
    gain = np.cumsum(hidden.sum(axis=1) - AGREES_COUNTS * agrees.sum(axis=1))
    depth = int(np.argmax(gain)) + 1
    least = max(first + 2.0, LEAST_DEPTH * height)
    if gain[depth - 1] <= 0 or not least <= depth <= LARGEST_DEPTH * height:
        return None
    inside = np.s_[first:depth]
    if near[inside].mean() < MOSTLY:
        return None
    under = expected[inside]
    commonest = np.asarray(np.median(under.reshape(-1, 3), axis=0), np.int16)
    ground = _distance(under, commonest) <= ONE_COLOUR
    is_flatter = bool(
        ground.any()
        and query[inside][near[inside]].std(axis=0).mean() < FLAT
        and under[ground].std(axis=0).mean() > NOT_FLAT
    )
    if not is_flatter and (distance[inside] > DIFFERENT).mean() < LEAST_DIFFERENT:
        return None
    if (_distance(under, commonest) > DIFFERS).mean() >= LEAST_HIDDEN:
        hides = hidden[inside].mean() >= LEAST_HIDDEN
    else:  # the reference is flat there too, which may be a letterbox of its own in colours of today
        hides = (distance[inside] > FLAT_DIFFERS).mean() >= MOSTLY
    is_at_edge = first <= EDGE_TOLERANCE * height + MIXED_ROWS and not _goes_on(side, colour)
    return _Flat(depth, colour, is_at_edge) if hides else None


def _goes_on(side: _Side, colour: Channels) -> bool:
    """Whether the query shows the same colour beyond the upper edge of the reference."""
    height, width = side.shown.shape
    last = side.before - round(EDGE_TOLERANCE * (height - 2 * side.before))
    if last <= 0:
        return True  # too narrow to know
    beyond = np.s_[:last, side.beside : width - side.beside]
    shown = side.shown[beyond]
    if shown.mean() < MOSTLY:
        return False
    return bool((_distance(side.query[beyond], colour) <= ONE_COLOUR)[shown].mean() >= MOSTLY)


def _is_bar(side: _Side, flat: _Flat, covered: Mask) -> bool:
    """Whether the flat area ends in a straight line, and is no part of the picture that lost its detail.

    `covered`: (h, w) by flat areas at any edge, turned as the side is.
    """
    query, expected, shown = side.inside
    behind = np.s_[flat.depth + 1 : flat.depth + 1 + max(4, round(EDGE_TOLERANCE * len(query)))]
    counted = (shown & ~covered)[behind]
    if not counted.any():
        return True
    hidden = (_distance(query, flat.colour) <= ONE_COLOUR) & (_distance(query, expected) > DIFFERS)
    if hidden[behind][counted].mean() > MOST_BEYOND_SEAM:
        return False
    under = np.s_[MIXED_ROWS + 1 : flat.depth - MIXED_ROWS]
    return _shared_detail(query[under], expected[under]) <= SHINES_THROUGH


def _shared_detail(one: Channels, other: Channels) -> float:
    """Returns the correlation of the fine detail of two (h, w, 3) areas, -1..1; 0 where there is none."""
    if len(one) < LEAST_ROWS:
        return 0.0
    left, right = (
        values - blurred(values, FINE_PX)
        for values in (grey(area.clip(0, 255).astype(np.uint8)) for area in (one, other))
    )
    energy = float(np.sqrt((left * left).mean() * (right * right).mean()))
    return float((left * right).mean()) / energy if energy > LEAST_ENERGY else 0.0


def _distance(one: Channels, other: Channels) -> Channels:
    """Returns (...): the largest difference of a channel, of (..., 3)."""
    return np.asarray(np.abs(one - other).max(axis=-1), np.int16)


def _boxes(flats: list[_Flat | None], size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Returns (left, top, right, bottom) of the areas at the upper, right, lower and left edge."""
    width, height = size
    top, right, bottom, left = (0 if flat is None else flat.depth for flat in flats)
    boxes = [
        (0, 0, width, top),
        (width - right, 0, width, height),
        (0, height - bottom, width, height),
        (0, 0, left, height),
    ]
    return [box for box, flat in zip(boxes, flats, strict=True) if flat is not None]


def _covered(flats: list[_Flat | None], size: tuple[int, int]) -> Mask:
    """Returns (h, w): where the areas are."""
    mask = np.zeros((size[1], size[0]), np.bool_)
    for left, top, right, bottom in _boxes(flats, size):
        mask[top:bottom, left:right] = True
    return mask


def _in_query(box: tuple[int, int, int, int], homography: Matrix, size: tuple[int, int]) -> Region | None:
    """Returns the part of the query, of `size`, that a box of the reference's frame lies on."""
    left, top, right, bottom = box
    corners: Points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    there = project(np.asarray(np.linalg.inv(homography), np.float64), corners)
    if there is None:
        return None
    low = np.rint(there.min(axis=0).clip(0, size)).astype(int)
    high = np.rint(there.max(axis=0).clip(0, size)).astype(int)
    region = Region(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    return region if region.area else None
