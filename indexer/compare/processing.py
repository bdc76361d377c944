"""Estimates what ordinary processing did to the whole picture, so that the comparison can take it out.

Exposure, white balance, saturation, gamma and grey are one smooth map of colours. Scaling, blur and
compression cost detail and leave a residue that grows with the detail that was there. Both are estimated
from the pair by what most places say: a caption or a new face is outvoted.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.tone_curves import Curves, curved, median_curves
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred, grey
from indexer.media.images import Pixels

SAMPLES = 3000
ROUNDS = 4
SMOOTHING = 1.5  # px; colours are read from areas, not from noise
LEAST_SAMPLES = 200
LEVELS = 256.0
CLIPPED, LEAST_UNCLIPPED = 3, 0.2  # grey levels from either end; share of the samples
CURVE_SAMPLES, CURVE_SMOOTHING = 60_000, 0.7  # px
CURVES_EXPLAIN, LEAST_FOR_CURVES, OUTLIER = 0.85, 1.0, 25.0  # share of the residue; grey levels
LIGHT_ROUNDS = 4
LIGHT_EXPLAINS, LEAST_LEFT_OVER = 0.6, 2.5  # share of the residue that a gain may leave; grey levels
BLUR_STEPS = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # standard deviations that are tried, px

Matrix = npt.NDArray[np.float64]
Colours = npt.NDArray[np.float32]  # (n, 3)


@dataclass(frozen=True)
class Processing:
    """What turns the reference into something like the query, wherever nothing was changed."""

    colours: Matrix  # (8, 3): from 1, R, G, B and four functions of the luma to R, G, B
    light: Matrix | None  # (8,) over `_places`: the logarithm of a gain that varies slowly in the picture
    blur: float  # standard deviation in pixels of the working size; 0: equally sharp
    query_is_sharper: bool  # the blur belongs on the query, not on the reference
    shift_levels: float  # median change of a colour, in grey levels
    before: Curves | None = None  # of tone, before `colours`
    after: Curves | None = None  # the same after `colours`

    def apply(self, reference: Pixels) -> npt.NDArray[np.float32]:
        """Returns (h, w, 3) float32: the reference as processing alone would have left it."""
        mapped = map_colours(self.colours, curved(self.before, reference))
        if self.light is not None:
            size = reference.shape[:2]
            everywhere = np.mgrid[: size[0], : size[1]]
            mapped *= np.exp(_places(everywhere[0], everywhere[1], size) @ self.light).astype(np.float32)[
                ..., None
            ]
        return np.asarray(curved(self.after, mapped.clip(0, 255)).clip(0, 255), np.float32)

    def gain(self, height: int, width: int) -> Grey:
        """Returns (height, width): the factor by which light was changed from place to place, coarsely."""
        if self.light is None:
            return np.ones((height, width), np.float32)
        y, x = np.mgrid[:height, :width]
        return np.asarray(np.exp(_places(y, x, (height, width)) @ self.light), np.float32)

    def luma_of(self, reference: Pixels) -> Grey:
        """Returns (h, w): the luma of `apply` without curves, at a fraction of its cost, not clipped."""
        weights = self.colours @ np.array([0.299, 0.587, 0.114])
        of_colours = cv2.transform(reference.astype(np.float32), weights[None, 1:4] / LEVELS)
        level = np.arange(256) / LEVELS
        bends = (level**2, level**3, np.maximum(level - 0.75, 0), np.maximum(0.25 - level, 0))
        of_luma = weights[0] + sum(weight * bend for weight, bend in zip(weights[4:], bends, strict=True))
        table = np.asarray(of_luma, np.float32)
        luma = of_colours + table[cv2.cvtColor(reference, cv2.COLOR_RGB2GRAY)]
        if self.light is not None:
            height, width = luma.shape
            y, x = np.mgrid[: max(2, height // 8), : max(2, width // 8)]
            gain = np.exp(_places(y, x, y.shape) @ self.light).astype(np.float32)
            luma *= cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(luma.clip(0, 255), np.float32)


def estimate_processing(warped: WarpedPair, excluded: Mask | None = None) -> Processing:
    """Estimates from the places that agree best after a few rounds; `excluded` places have no vote."""
    voting = cv2.erode(warped.shown.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0) > 0
    if excluded is not None and (voting & ~excluded).sum() >= LEAST_SAMPLES:
        voting &= ~excluded
    y, x = np.nonzero(voting)
    if len(y) < LEAST_SAMPLES:
        return Processing(_identity(), None, 0.0, False, 0.0)
    y, x = (axis[:: max(1, len(axis) // SAMPLES)] for axis in (y, x))
    reference = cv2.GaussianBlur(warped.reference, (0, 0), SMOOTHING)[y, x].astype(np.float32)
    query = cv2.GaussianBlur(warped.query, (0, 0), SMOOTHING)[y, x].astype(np.float32)
    colours, light = _fit_colours_and_light(reference, query, _places(y, x, voting.shape))
    shift = float(np.median(np.abs(reference - query)))
    evened = Processing(colours, light, 0.0, False, shift)
    blur, query_is_sharper = _estimate_blur(warped, evened, voting)
    return replace(evened, blur=blur, query_is_sharper=query_is_sharper)


def with_curves(plain: Processing, warped: WarpedPair, excluded: Mask) -> Processing:
    """Adds curves of tone before or after the map of colours, where they explain more.

    `excluded` places have no vote. A level that occurs in them alone is read from its neighbours.
    """
    voting = warped.shown & ~excluded
    if plain.light is not None or voting.sum() < LEAST_SAMPLES:
        return plain
    y, x = np.nonzero(voting)
    y, x = (axis[:: max(1, len(axis) // CURVE_SAMPLES)] for axis in (y, x))
    reference, query = (
        cv2.GaussianBlur(pixels, (0, 0), CURVE_SMOOTHING)[y, x].astype(np.float32)
        for pixels in (warped.reference, warped.query)
    )
    few = np.s_[:: max(1, len(y) // SAMPLES)]
    left_over = _error(_terms(reference[few]) @ plain.colours, query[few])
    if left_over < LEAST_FOR_CURVES:
        return plain
    best, least = plain, CURVES_EXPLAIN * left_over
    for before in (None, median_curves(reference, query)):
        bent = curved(before, reference)
        colours = plain.colours if before is None else fit_colours(bent[few], query[few])
        mapped = np.asarray((_terms(bent) @ colours).clip(0, 255), np.float32)
        after = median_curves(mapped, query)
        error = _error(curved(after, mapped[few]), query[few])
        if error < least:
            best, least = replace(plain, colours=colours, before=before, after=after), error
    return best


def _error(mapped: npt.NDArray[Any], query: Colours) -> float:
    """Returns the mean absolute difference, to which no sample adds more than an outlier."""
    return float(np.minimum(np.abs(mapped.clip(0, 255) - query), OUTLIER).mean())


def _places(y: npt.NDArray[Any], x: npt.NDArray[Any], size: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Returns (..., 8) per place: a constant, slopes, bowls, and the steeper bowl of a vignette."""
    y, x = (2 * place / max(1, side - 1) - 1 for place, side in zip((y, x), size, strict=True))
    radius = x * x + y * y
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, radius**2, radius**3], axis=-1)


def _fit_colours_and_light(
    reference: Colours, query: Colours, places: Matrix
) -> tuple[Matrix, Matrix | None]:
    """Fits colours alone, unless a gain that varies slowly over the picture explains far more."""
    alone = fit_colours(reference, query)
    left_over = float(np.median(np.abs(_terms(reference) @ alone - query)))
    colours, light = _identity(), np.zeros(places.shape[1])
    for _ in range(LIGHT_ROUNDS):
        light = _fit_light(places, _terms(reference) @ colours, query)
        gain = np.exp(places @ light)[:, None]
        colours = fit_colours(reference, (query / gain).astype(np.float32))
        explained = float(np.median(np.abs(_terms(reference) @ colours * gain - query)))
        if not explained < LIGHT_EXPLAINS * left_over:
            break
    gain = np.exp(places @ light)[:, None]
    with_light = float(np.median(np.abs(_terms(reference) @ colours * gain - query)))
    if left_over > LEAST_LEFT_OVER and with_light < LIGHT_EXPLAINS * left_over:
        return colours, light
    return alone, None


def _fit_light(places: Matrix, mapped: Matrix, query: Colours) -> Matrix:
    """Returns (8,) over `_places`: the logarithm of the gain. Dark places are left out."""
    before, after = mapped.mean(axis=1), query.mean(axis=1)
    usable = (before > 12) & (after > 2)
    if usable.sum() < LEAST_SAMPLES:
        return np.zeros(places.shape[1])
    left, ratio = places[usable], np.log((after[usable] + 1) / (before[usable] + 1))
    weights, light = np.ones(len(left)), np.zeros(places.shape[1])
    for _ in range(ROUNDS):
        weighted = left * weights[:, None]
        normal = weighted.T @ weighted + 1e-5 * len(left) * np.eye(places.shape[1])
        light = np.linalg.solve(normal, weighted.T @ (ratio * weights))
        error = np.abs(left @ light - ratio)
        weights = 1.0 / (1.0 + (error / (2.5 * np.median(error) + 0.01)) ** 2)
    return light


def _terms(colours: Colours) -> npt.NDArray[np.float32]:
    """Returns (n, 8) float32: enough for exposure, contrast, gamma, white balance, saturation and grey."""
    terms = np.empty((len(colours), 8), np.float32)
    terms[:, 0] = 1.0
    terms[:, 1:4] = colours / np.float32(LEVELS)
    luma = terms[:, 1:4] @ np.array([0.299, 0.587, 0.114], np.float32)
    terms[:, 4] = luma * luma
    terms[:, 5] = terms[:, 4] * luma
    terms[:, 6] = np.maximum(luma - 0.75, 0)
    terms[:, 7] = np.maximum(0.25 - luma, 0)
    return terms


def _identity() -> Matrix:
    colours = np.zeros((8, 3))
    colours[1:4] = LEVELS * np.eye(3)
    return colours


def map_colours(colours: Matrix, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Returns (h, w, 3) float32, not clipped."""
    mapped = _terms(pixels.reshape(-1, 3).astype(np.float32)) @ colours.astype(np.float32)
    return np.asarray(mapped, np.float32).reshape(pixels.shape)


def fit_colours(reference: Colours, query: Colours) -> Matrix:
    """Returns (8, 3) that maps the (n, 3) colours of the reference on those of the query.

    Iteratively reweighted least squares with Geman and McClure's weights: outliers lose their vote.
    """
    terms, wanted = _terms(reference).astype(np.float64), query.astype(np.float64)
    # Drawn a little towards no change at all, so that nothing is invented for colours the picture lacks.
    prior = _identity()
    ridge = 5e-5 * len(terms) * np.eye(8)
    # A value clipped to white or black says only that the true one lies beyond.
    usable = np.asarray(((query > CLIPPED) & (query < 255 - CLIPPED)).all(axis=1), np.float64)
    if float(usable.mean()) < LEAST_UNCLIPPED:
        usable = np.ones(len(terms))
    weights, colours = usable, prior.copy()
    for _ in range(ROUNDS):
        weighted = terms * weights[:, None]
        solved = np.linalg.solve(terms.T @ weighted + ridge, weighted.T @ wanted + ridge @ prior)
        colours = np.asarray(solved, np.float64)
        error = np.abs(terms @ colours - wanted).mean(axis=1)
        spread = 2.5 * float(np.median(error[usable > 0])) + 1.0
        # Of the clipped samples, those take part that this fit does not put beyond the range.
        inside = ((terms @ colours > 0) & (terms @ colours < 255)).all(axis=1)
        weights = np.maximum(usable, inside) / (1.0 + (error / spread) ** 2) ** 2
    return colours


def _estimate_blur(warped: WarpedPair, evened: Processing, voting: Mask) -> tuple[float, bool]:
    """Returns the blur that makes the sharper picture as soft as the other; whether that is the query."""
    height, width = voting.shape
    middle = np.s_[height // 4 : height - height // 4, width // 4 : width - width // 4]
    if evened.light is not None or voting[middle].sum() < LEAST_SAMPLES:
        middle = np.s_[:, :]  # a slow gain shows only in the whole picture
    reference, query = grey(evened.apply(warped.reference[middle])), grey(warped.query[middle])
    sampled = voting[middle][::2, ::2]

    def sharpness(values: Grey) -> float:
        edges = cv2.Laplacian(blurred(values, 0.6), cv2.CV_32F)[::2, ::2]
        return float(np.median(np.abs(edges[sampled]))) if sampled.any() else 0.0

    reference_sharpness, query_sharpness = sharpness(reference), sharpness(query)
    query_is_sharper = query_sharpness > reference_sharpness
    sharper = query if query_is_sharper else reference
    wanted = min(reference_sharpness, query_sharpness)
    best, least_error = 0.0, float("inf")
    for step in BLUR_STEPS:
        error = abs(sharpness(blurred(sharper, step)) - wanted)
        if error >= least_error:
            break  # sharpness only falls with the blur
        best, least_error = step, error
    return best, query_is_sharper


def commonest_colours_share(colours: npt.NDArray[Any]) -> float:
    """Returns the share of (n, 3) colours 0..255 that fall in the three commonest of 512 cells."""
    cells = (colours.clip(0, 255).astype(np.int32) + 16) // 36
    counts = np.bincount(cells[:, 0] * 64 + cells[:, 1] * 8 + cells[:, 2], minlength=512)
    return float(np.sort(counts)[-3:].sum() / max(1, len(cells)))
