"""Parts of a frame that are worth a look of their own: pictures inside the picture, and tiles.

A photograph in a screenshot, a meme or a collage has four straight sides. Along each of them neighbouring
pixels differ at nearly every step, which texture does not do. Rectangles are the best combinations of two
upright and two level lines of such steps; a side may be the frame's own.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.media.images import Pixels

WORKING_LONG_SIDE = 400
LEAST_STEP = 6.0  # grey levels of 256 between neighbours
LINES = 24  # of each direction, the straightest
LEAST_LINE = 0.75  # share of steps along the best eighth of a line
LEAST_SIDE = 0.12  # of the frame's
# Share of steps along the weakest side of a rectangle. At 0.65 a plain photograph has 2.6 rectangles, at
# 0.75 it has 1.2, at 0.85 it has 0.3, but then a third of the real ones is lost.
LEAST_SUPPORT = 0.75
FRAME_SUPPORT = 0.75  # of a side that is the frame's own edge: possible, but no evidence
LEAST_AREA, LARGEST_AREA = LEAST_SIDE**2, 0.92  # share of the frame
SAME_OVERLAP = 0.7  # intersection over union of two rectangles that are one
FLAT_RANGE = 12  # grey levels within which a row or column is a plain bar
TILE_SIDE = 0.6
TILE_PLACES = ((0.2, 0.2), (0.0, 0.0), (0.0, 0.4), (0.4, 0.0), (0.4, 0.4))  # left, top

Steps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """A part of a frame, in its pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, pixels: Pixels) -> Pixels:
        """The part itself."""
        return np.ascontiguousarray(pixels[self.top : self.bottom, self.left : self.right])

    def scaled(self, across: float, down: float) -> "Region":
        """The same part of a larger frame."""
        return Region(
            round(self.left * across),
            round(self.top * down),
            round(self.right * across),
            round(self.bottom * down),
        )

    @property
    def area(self) -> int:
        """Pixels in it."""
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)


def tiles(pixels: Pixels) -> list[Region]:
    """Five overlapping tiles of 60 percent of each side, in which something embedded fills more."""
    height, width = pixels.shape[:2]
    side_w, side_h = int(width * TILE_SIDE), int(height * TILE_SIDE)
    corners = [(round(x * width), round(y * height)) for x, y in TILE_PLACES]
    return [Region(left, top, left + side_w, top + side_h) for left, top in corners]


def inner_rectangles(pixels: Pixels, most: int = 3) -> list[Region]:
    """Pictures inside (h, w, 3) uint8 sRGB pixels, the clearest first, without plain bars around them."""
    height, width = pixels.shape[:2]
    scale = min(1.0, WORKING_LONG_SIDE / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    reduced = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    grey = np.asarray(reduced, np.uint8)
    found: list[Region] = []
    for combination in _best_combinations(grey):
        one = _without_bars(grey, combination)
        if one is not None and all(_overlap(one, other) < SAME_OVERLAP for other in found):
            found.append(one)
        if len(found) == most:
            break
    return [one.scaled(width / size[0], height / size[1]) for one in found]


def _best_combinations(grey: Pixels) -> list[Region]:
    """Rectangles of (h, w) uint8 grey levels whose four sides are lines of steps, best first."""
    height, width = grey.shape
    across = np.abs(np.diff(grey.astype(np.float32), axis=1))
    upright = _running_counts(_steps(across))  # (h + 1, w - 1)
    level = _running_counts(_steps(np.abs(np.diff(grey.astype(np.float32), axis=0)).T))  # (w + 1, h - 1)
    xs, ys = _straightest(upright), _straightest(level)
    x_pairs, y_pairs = _pairs(xs, width), _pairs(ys, height)
    if not len(x_pairs) or not len(y_pairs):
        return []
    beside = _support(upright, xs, ys[y_pairs] + 1)  # (lines, pairs of the other direction)
    above = _support(level, ys, xs[x_pairs] + 1)
    sides = np.stack(
        [
            beside[x_pairs[:, 0]],
            beside[x_pairs[:, 1]],
            above[y_pairs[:, 0]].T,
            above[y_pairs[:, 1]].T,
        ]
    )  # (4, pairs of x, pairs of y)
    areas = np.outer(np.diff(xs[x_pairs]).ravel(), np.diff(ys[y_pairs]).ravel()) / (width * height)
    merit = sides.mean(axis=0) + 0.15 * np.minimum(1.0, areas / 0.25)
    merit[(sides.min(axis=0) < LEAST_SUPPORT) | (areas < LEAST_AREA) | (areas > LARGEST_AREA)] = 0.0
    order = np.argsort(-merit, axis=None)[:200]
    return [
        Region(
            int(xs[x_pairs[x, 0]]) + 1,
            int(ys[y_pairs[y, 0]]) + 1,
            int(xs[x_pairs[x, 1]]) + 1,
            int(ys[y_pairs[y, 1]]) + 1,
        )
        for x, y in zip(*np.unravel_index(order, merit.shape), strict=True)
        if merit[x, y] > 0
    ]


def _steps(differences: Steps) -> Steps:
    """Where a difference across a line is the largest nearby; (length, positions) of 0 and 1."""
    padded = np.pad(differences, ((0, 0), (2, 2)))
    count = differences.shape[1]
    nearby = np.maximum.reduce([padded[:, place : place + count] for place in (0, 1, 3, 4)])
    steps = ((differences >= nearby) & (differences > LEAST_STEP)).astype(np.float32)
    return np.asarray(cv2.dilate(steps, np.ones((1, 3), np.uint8)), np.float32)  # a pixel of slack


def _running_counts(steps: Steps) -> Steps:
    return np.vstack([np.zeros((1, steps.shape[1]), np.float32), np.cumsum(steps, axis=0)])


def _straightest(counts: Steps) -> npt.NDArray[np.int64]:
    """Positions of the clearest lines, and of the frame's two edges (-1 and the last), ascending."""
    length, positions = counts.shape[0] - 1, counts.shape[1]
    window = min(length, max(8, length // 8))
    best = (counts[window:] - counts[:-window]).max(axis=0) / window
    kept: list[int] = []
    for place in np.argsort(-best):
        if best[place] < LEAST_LINE or len(kept) == LINES:
            break
        if all(abs(int(place) - other) > 2 for other in kept):
            kept.append(int(place))
    return np.array([-1, *sorted(kept), positions], np.int64)


def _pairs(lines: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    """(n, 2) indices of two lines that are far enough apart."""
    first, second = np.triu_indices(len(lines), 1)
    apart = lines[second] - lines[first] >= LEAST_SIDE * length
    return np.stack([first[apart], second[apart]], axis=1)


def _support(counts: Steps, lines: npt.NDArray[np.int64], spans: npt.NDArray[np.int64]) -> Steps:
    """(lines, spans): share of steps along each line within each span."""
    inside = counts[:, lines[1:-1]]
    shares = (inside[spans[:, 1]] - inside[spans[:, 0]]) / (spans[:, 1] - spans[:, 0])[:, None]
    edge = np.full((len(spans), 1), FRAME_SUPPORT, np.float32)
    return np.concatenate([edge, shares, edge], axis=1).T


def _without_bars(grey: Pixels, region: Region) -> Region | None:
    """Cut off plain rows and columns at the sides; None if little is left."""
    inside = region.cut(grey)
    # A tenth at either end of a row may be anything: rounded corners, neighbours of the rectangle.
    rows = np.flatnonzero(np.ptp(np.percentile(inside, (10, 90), axis=1), axis=0) > FLAT_RANGE)
    columns = np.flatnonzero(np.ptp(np.percentile(inside, (10, 90), axis=0), axis=0) > FLAT_RANGE)
    height, width = grey.shape
    if len(rows) < LEAST_SIDE * height / 2 or len(columns) < LEAST_SIDE * width / 2:
        return None
    return Region(
        region.left + int(columns[0]),
        region.top + int(rows[0]),
        region.left + int(columns[-1]) + 1,
        region.top + int(rows[-1]) + 1,
    )


def _overlap(one: Region, other: Region) -> float:
    """Intersection over union."""
    common = Region(
        max(one.left, other.left),
        max(one.top, other.top),
        min(one.right, other.right),
        min(one.bottom, other.bottom),
    ).area
    return common / max(1, one.area + other.area - common)
