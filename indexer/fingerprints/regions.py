"""Region proposals: parts of a frame to be searched by themselves, pictures inside the picture and tiles.

A photograph in a screenshot, a meme or a collage has four straight sides. Along each of them neighbouring
pixels differ at nearly every position, as texture does not. Rectangles are the best combinations of two
vertical and two horizontal lines of such steps; the frame's own edge may serve as a side.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.media.images import Pixels

WORKING_LONG_SIDE = 400
LEAST_STEP = 6.0  # of 256 grey levels, between neighbouring pixels
LINES = 24  # the straightest of each direction are tried
LEAST_LINE = 0.75  # share of steps along the best eighth of a line
LEAST_SIDE = 0.12  # share of the frame's side
# Share of steps along the weakest side of a rectangle. In an ordinary photograph 0.65 finds 2.6 rectangles,
# 0.75 finds 1.2, and 0.85 finds 0.3 but loses a third of the real ones.
LEAST_SUPPORT = 0.75
FRAME_SUPPORT = 0.75  # of the frame's own edge, which may be a side but is no evidence
LEAST_AREA, LARGEST_AREA = LEAST_SIDE**2, 0.92  # share of the frame
SAME_OVERLAP = 0.7  # intersection over union from which two rectangles are the same
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
        """Returns the pixels of the region."""
        return np.ascontiguousarray(pixels[self.top : self.bottom, self.left : self.right])

    def scaled(self, across: float, down: float) -> "Region":
        """Returns the same part of a larger frame."""
        return Region(
            round(self.left * across),
            round(self.top * down),
            round(self.right * across),
            round(self.bottom * down),
        )

    @property
    def area(self) -> int:
        """The number of its pixels."""
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)


def tiles(pixels: Pixels) -> list[Region]:
    """Returns five overlapping tiles of 60 percent of each side; an embedded picture fills more of one."""
    height, width = pixels.shape[:2]
    side_w, side_h = int(width * TILE_SIDE), int(height * TILE_SIDE)
    corners = [(round(x * width), round(y * height)) for x, y in TILE_PLACES]
    return [Region(left, top, left + side_w, top + side_h) for left, top in corners]


def inner_rectangles(pixels: Pixels, most: int = 3) -> list[Region]:
    """Finds pictures inside (h, w, 3) uint8 sRGB pixels, the clearest first, without plain bars around."""
    height, width = pixels.shape[:2]
    scale = min(1.0, WORKING_LONG_SIDE / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    reduced = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    grey = np.asarray(reduced, np.uint8)
    regions: list[Region] = []
    for combination in _best_combinations(grey):
        region = _without_bars(grey, combination)
        if region is not None and all(_overlap(region, other) < SAME_OVERLAP for other in regions):
            regions.append(region)
        if len(regions) == most:
            break
    return [region.scaled(width / size[0], height / size[1]) for region in regions]


def _best_combinations(grey: Pixels) -> list[Region]:
    """Finds rectangles in (h, w) uint8 grey levels whose four sides are lines of steps, the best first."""
    height, width = grey.shape
    across = np.abs(np.diff(grey.astype(np.float32), axis=1))
    vertical = _running_counts(_steps(across))  # (h + 1, w - 1)
    horizontal = _running_counts(
        _steps(np.abs(np.diff(grey.astype(np.float32), axis=0)).T)
    )  # (w + 1, h - 1)
    xs, ys = _straightest(vertical), _straightest(horizontal)
    x_pairs, y_pairs = _pairs(xs, width), _pairs(ys, height)
    if not len(x_pairs) or not len(y_pairs):
        return []
    beside = _support(vertical, xs, ys[y_pairs] + 1)  # (lines, pairs of the other direction)
    above = _support(horizontal, ys, xs[x_pairs] + 1)
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
    """Marks by 1 where a difference across a line is the largest nearby; (length, positions), else 0."""
    padded = np.pad(differences, ((0, 0), (2, 2)))
    count = differences.shape[1]
    nearby = np.maximum.reduce([padded[:, place : place + count] for place in (0, 1, 3, 4)])
    steps = ((differences >= nearby) & (differences > LEAST_STEP)).astype(np.float32)
    return np.asarray(cv2.dilate(steps, np.ones((1, 3), np.uint8)), np.float32)  # one pixel of slack


def _running_counts(steps: Steps) -> Steps:
    return np.vstack([np.zeros((1, steps.shape[1]), np.float32), np.cumsum(steps, axis=0)])


def _straightest(counts: Steps) -> npt.NDArray[np.int64]:
    """Returns the positions of the clearest lines and the frame's edges (-1 and the last), ascending."""
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
    """Returns (n, 2) indices of pairs of lines that are far enough apart."""
    first, second = np.triu_indices(len(lines), 1)
    apart = lines[second] - lines[first] >= LEAST_SIDE * length
    return np.stack([first[apart], second[apart]], axis=1)


def _support(counts: Steps, lines: npt.NDArray[np.int64], spans: npt.NDArray[np.int64]) -> Steps:
    """Returns the (lines, spans) share of steps along each line within each span."""
    inside = counts[:, lines[1:-1]]
    shares = (inside[spans[:, 1]] - inside[spans[:, 0]]) / (spans[:, 1] - spans[:, 0])[:, None]
    edge = np.full((len(spans), 1), FRAME_SUPPORT, np.float32)
    return np.concatenate([edge, shares, edge], axis=1).T


def _without_bars(grey: Pixels, region: Region) -> Region | None:
    """Cuts off plain rows and columns at the sides; None if little is left."""
    inside = region.cut(grey)
    # A tenth at either end of a row may be anything, such as rounded corners or what lies beside it.
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


def _overlap(region: Region, other: Region) -> float:
    """Returns the intersection over union of two regions."""
    common = Region(
        max(region.left, other.left),
        max(region.top, other.top),
        min(region.right, other.right),
        min(region.bottom, other.bottom),
    ).area
    return common / max(1, region.area + other.area - common)
