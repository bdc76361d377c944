"""Lays two pictures on each other at the full resolution that both have, and makes them look alike.

The alignment of the working size is good to a third of one of its pixels, which is a pixel or more here, so
it is corrected once more. Sharpening, blur and scaling are one weighted sum of a picture and its blurred
copies; colours and light are those that the comparison at the working size found.

Luma only: coding halves the resolution of colours.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.geometry import Matrix, project
from indexer.compare.processing import Processing
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred, grey
from indexer.fingerprints.regions import Region
from indexer.media.images import Pixels

FINE_SIDE = 2048  # px of the long side of the reference: more is not compared
NEARLY_WHOLE = 0.97  # of a size: then nothing is resized, which costs sharpness
LEAST_SIDE = 96  # px of the short side, below which there are no figures to be read
ALIASES = 0.9  # px per px: below, a warp that reads single pixels would alias
IN_PLACE_PX = 0.08  # a warp that moves no corner further changes nothing but the sharpness
BORDER = 6  # px at the edge of what is shown, and of what is left out, that are not compared
# The last correction of the alignment: a point of much detail in each cell, looked for in the other one.
CELL, LEAST_POINT_DETAIL, LEAST_POINTS, SEARCHED = 40, 12.0, 24, (15, 15)  # px; grey levels; number; px
MOST_CORRECTION_PX, LEAST_KEPT, AGREE_PX = 5.0, 0.4, 0.5
SOFTNESSES = (3, 5, 11)  # px of the windows of the blurred copies
SAMPLES, LEAST_SAMPLES, SAMPLED_EVERY, ROUNDS = 6000, 300, 3, 6
CLIPPED = 3  # grey levels from either end
TONE_LEVELS, LEAST_OF_A_TONE, LEAST_SHIFT = 16, 60, 2.0  # grey levels; places; grey levels
LEAST_DETAIL, DETAILED = 4.0, 60  # grey levels; percentile: sharpness shows only where there is detail


@dataclass(frozen=True)
class FinePair:
    """Two pictures of one size, each (h, w) float32 luma, in the frame of the reference."""

    expected: Grey  # the reference as processing alone would have left it
    query: Grey  # as `expected` where it shows nothing
    shown: Mask  # where it shows something, and its neighbours too
    homography: Matrix  # (3, 3) pixels of the query as handed in -> pixels here

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.expected.shape[1], self.expected.shape[0]


def lay_finely(
    query: Pixels,
    reference: Pixels,
    homography: Matrix,
    processing: Processing,
    within: Region | None,
    left_out: Mask | None = None,
) -> FinePair | None:
    """Lays (h, w, 3) uint8 `query` on `reference`; returns None where too little is left to compare.

    `homography`: pixels of the query -> of the reference, good to a few pixels; `within`: the part of the
    query that counts; `left_out`: (h, w) of any size, in the frame of the reference: known to differ.
    """
    magnification = max(magnification_of(homography, query), 1e-6)
    scale = min(1.0, FINE_SIDE / max(reference.shape[:2]), 1.0 / magnification)
    scale = 1.0 if scale > NEARLY_WHOLE else scale
    size = round(reference.shape[1] * scale), round(reference.shape[0] * scale)
    if min(size) < LEAST_SIDE:
        return None
    to_here = resizing(reference, size) @ homography
    if size != (reference.shape[1], reference.shape[0]):
        reference = np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_AREA), np.uint8)
    after, shown = _laid_on(query, to_here, size, within, left_out)
    # A page of few colours may tell too little of a map of colours: then none fits better.
    toned = (processing.luma_of(reference), grey(reference))
    before = min(toned, key=lambda luma: _unlike(luma, after, shown))
    correction = _last_correction(before, after, shown)
    if correction is not None and not _is_in_place(correction, size):
        to_here = correction @ to_here
        after, shown = _laid_on(query, to_here, size, within, left_out)
    if shown.sum() < LEAST_SIDE**2:
        return None
    expected = _as_toned(_as_sharp(before, after, shown), after, shown)
    cv2.copyTo(expected, (~shown).astype(np.uint8), after)  # or the edge of what is shown would differ
    return FinePair(expected, after, shown, to_here / to_here[2, 2])


def _unlike(before: Grey, after: Grey, shown: Mask) -> float:
    """Returns by how many grey levels two pictures differ, at most 40 in any place."""
    sampled = np.s_[::SAMPLED_EVERY, ::SAMPLED_EVERY]
    differing = np.abs(before[sampled] - after[sampled])[shown[sampled]]
    return float(np.minimum(differing, 40.0).mean()) if differing.size else 0.0


def homography_in_detail(pair: AlignedPair, warped: WarpedPair, query: Pixels, reference: Pixels) -> Matrix:
    """Returns (3, 3): pixels of `query` -> of `reference`, the pictures of the pair at other sizes.

    `warped`: the pair as it was refined, which tells how they lie.
    """
    to_reference = np.linalg.inv(resizing(reference, warped.size)) @ warped.homography
    return to_reference @ resizing(query, (pair.query.shape[1], pair.query.shape[0]))


def resizing(picture: Pixels, size: tuple[int, int]) -> Matrix:
    """Returns (3, 3): where pixels of a picture lie once it is of `size`. A pixel is an area."""
    across, down = size[0] / picture.shape[1], size[1] / picture.shape[0]
    return np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]], np.float64)


def magnification_of(homography: Matrix, query: Pixels) -> float:
    """Returns pixels of the other picture per pixel of the query, in the middle of it."""
    y, x = query.shape[0] / 2, query.shape[1] / 2
    moved = project(homography, np.array([[x, y], [x + 1, y], [x, y + 1]], np.float32))
    if moved is None:
        return 1.0
    across, down = moved[1] - moved[0], moved[2] - moved[0]
    return float(np.sqrt(abs(across[0] * down[1] - across[1] * down[0])))


def _laid_on(
    query: Pixels,
    homography: Matrix,
    size: tuple[int, int],
    within: Region | None,
    left_out: Mask | None,
) -> tuple[Grey, Mask]:
    """Returns (h, w) luma of the query in the frame of the reference, and where a whole pixel is shown."""
    luma, magnification = cv2.cvtColor(query, cv2.COLOR_RGB2GRAY), magnification_of(homography, query)
    matrix = homography
    if magnification < ALIASES:
        reduced = tuple(max(1, round(side * magnification)) for side in (query.shape[1], query.shape[0]))
        luma = cv2.resize(luma, reduced, interpolation=cv2.INTER_AREA)
        matrix = homography @ np.linalg.inv(resizing(query, (reduced[0], reduced[1])))
    if size != (luma.shape[1], luma.shape[0]) or not _is_in_place(matrix, size):
        luma = cv2.warpPerspective(luma, matrix, size, flags=cv2.INTER_CUBIC)
    return np.asarray(luma, np.float32), _shown(query, homography, size, within, left_out)


def _shown(
    query: Pixels,
    homography: Matrix,
    size: tuple[int, int],
    within: Region | None,
    left_out: Mask | None,
) -> Mask:
    part = within or Region(0, 0, query.shape[1], query.shape[0])
    left, top, right, bottom = (side - 0.5 for side in (part.left, part.top, part.right, part.bottom))
    quad = project(
        homography, np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    )
    shown = np.zeros((size[1], size[0]), np.uint8)
    if quad is not None:
        cv2.fillConvexPoly(shown, np.round(quad).astype(np.int32), (1.0,))
    if left_out is not None:
        shown[cv2.resize(left_out.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR_EXACT) > 0] = 0
    kernel = np.ones((2 * BORDER + 1,) * 2, np.uint8)
    whole = cv2.erode(shown, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0.0,))
    return np.asarray(whole > 0, np.bool_)


def _is_in_place(homography: Matrix, size: tuple[int, int]) -> bool:
    corners = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], np.float32)
    moved = project(homography, corners)
    return moved is not None and float(np.abs(moved - corners).max()) < IN_PLACE_PX


def _last_correction(before: Grey, after: Grey, shown: Mask) -> Matrix | None:
    """Returns (3, 3) that moves the query to where it belongs; None where too few points say so.

    The points are found again by Lucas and Kanade's method (1981), in a pyramid of two steps.
    """
    points = _points(before, shown)
    if len(points) < LEAST_POINTS:
        return None
    first, second = (blurred(one, 0.8).clip(0, 255).astype(np.uint8) for one in (before, after))
    start = points.copy()
    found, status, _ = cv2.calcOpticalFlowPyrLK(first, second, points, start, winSize=SEARCHED, maxLevel=1)
    near = (status.ravel() > 0) & (np.abs(found - points).max(axis=1) < MOST_CORRECTION_PX)
    if near.sum() < LEAST_POINTS:
        return None
    cv2.setRNGSeed(0)
    homography, kept = cv2.findHomography(
        found[near], points[near], cv2.USAC_MAGSAC, AGREE_PX, maxIters=500
    )
    least = max(LEAST_POINTS, LEAST_KEPT * near.sum())
    if homography is None or not np.isfinite(homography).all() or kept.sum() < least:
        return None
    return np.asarray(homography, np.float64)


def _points(picture: Grey, shown: Mask) -> npt.NDArray[np.float32]:
    """Returns (n, 2): in every cell the place with most detail, where that is enough to find it again."""
    small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    kernel = np.ones((3, 3), np.uint8)
    detail: Grey = np.asarray(cv2.morphologyEx(small, cv2.MORPH_GRADIENT, kernel), np.float32)
    side = CELL // 2
    rows, columns = detail.shape[0] // side, detail.shape[1] // side
    blocks = detail[: rows * side, : columns * side].reshape(rows, side, columns, side)
    cells = blocks.transpose(0, 2, 1, 3).reshape(rows * columns, side * side)
    best, number = cells.argmax(axis=1), np.arange(rows * columns)
    y = 2 * ((number // columns) * side + best // side)
    x = 2 * ((number % columns) * side + best % side)
    usable = (cells.max(axis=1) > LEAST_POINT_DETAIL) & shown[y, x]
    return np.stack([x[usable], y[usable]], axis=1).astype(np.float32) + np.float32(0.5)


def _as_sharp(before: Grey, after: Grey, shown: Mask) -> Grey:
    """Returns the reference with the sharpness and the contrast of the query."""
    copies = [before, *(cv2.boxFilter(before, -1, (side, side)) for side in SOFTNESSES)]
    step = SAMPLED_EVERY
    detail = np.abs(before[::step, ::step] - copies[-1][::step, ::step])
    least = max(LEAST_DETAIL, float(np.percentile(detail[::2, ::2], DETAILED)))
    y, x = np.nonzero(shown[::step, ::step] & (detail > least))
    if len(y) < LEAST_SAMPLES:
        return before
    thinned = max(1, len(y) // SAMPLES)
    y, x = step * y[::thinned], step * x[::thinned]
    columns = [*(one[y, x] for one in copies), np.ones(len(y), np.float32)]
    weights = _weights(np.stack(columns, axis=1).astype(np.float64), after[y, x].astype(np.float64))
    made = np.full(before.shape, weights[-1], np.float32)
    for weight, one in zip(weights[:-1], copies, strict=True):
        cv2.scaleAdd(one, float(weight), made, made)
    return np.clip(made, 0, 255, out=made)  # as sharpening and brightness end at white


def _as_toned(expected: Grey, after: Grey, shown: Mask) -> Grey:
    """Returns the reference with what is left of a tone curve, which colours of few levels do not tell."""
    step = SAMPLED_EVERY
    known, wanted = (one[::step, ::step][shown[::step, ::step]] for one in (expected, after))
    bins = (known / TONE_LEVELS).astype(np.int32)
    levels, shifts = [], []
    for number in range(int(256 / TONE_LEVELS) + 1):
        members = bins == number
        if members.sum() >= LEAST_OF_A_TONE:
            levels.append(float(np.median(known[members])))
            shifts.append(float(np.median(wanted[members] - known[members])))
    if not shifts or max(abs(shift) for shift in shifts) < LEAST_SHIFT:
        return expected
    table = np.interp(np.arange(256), levels, shifts).astype(np.float32)
    shift = cv2.LUT(np.rint(expected).astype(np.uint8), table)
    return np.asarray((expected + shift).clip(0, 255), np.float32)


def _weights(terms: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns (k,) for (n, k) terms, by reweighted least squares: what was changed loses its vote."""
    trust, prior = np.ones(len(wanted)), np.eye(terms.shape[1])[0]
    solved = prior
    for _ in range(ROUNDS):
        trusted = terms * trust[:, None]
        ridge = 1e-3 * len(wanted) * np.eye(terms.shape[1])
        solved = np.linalg.solve(terms.T @ trusted + ridge, trusted.T @ wanted + ridge @ prior)
        made = terms @ solved
        error = np.abs(made.clip(0, 255) - wanted)
        trust = 1.0 / (1.0 + (error / (2.5 * float(np.median(error)) + 1.0)) ** 2) ** 2
        # A value that was cut off at white or black says only that the true one lies beyond.
        trust[((wanted >= 255 - CLIPPED) & (made > wanted)) | ((wanted <= CLIPPED) & (made < wanted))] = 0.0
    return np.asarray(solved, np.float64)
