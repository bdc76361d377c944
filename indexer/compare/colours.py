"""Names what was done to the colours of the whole picture: brightness, contrast, saturation, white balance.

Both pictures are averaged over 15 by 15 pixels, so that neither noise nor coding counts, and compared where
both show the same. A caption or a logo hardly moves the medians and the slopes that are read here.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.geometry import Alignment
from indexer.compare.vocabulary import FULL, Operation, certainty_of, degree_of
from indexer.compare.warping import Mask
from indexer.media.images import Pixels
from indexer.operations import OperationType

STEP, AVERAGED = (
    4,
    15,
)  # px between the places whose colours are compared, and the side of their surroundings
LEAST_PLACES = 1000  # px that both show
LEAST_LEFT = 0.3  # of them, beside what was edited: with less, what is there counts as well
# What JPEG at quality 12 leaves stays below: median differences of 3, saturation of 0.91, shifts of 2.3.
LEAST_DIFFERENCE = 8.0  # median, in grey levels of 256
LEAST_LIGHT = 4.0  # grey levels, of a picture that differs
LEAST_SHIFT = 4.5  # grey levels by which one channel moved against the others
LESS_SATURATED, MORE_SATURATED = 0.8, 1.2
LESS_CONTRAST, MORE_CONTRAST = 0.8, 1.2
# Grey levels by which a place differs from the typical colour of its picture, and the share of such places.
LEAST_COLOURFUL, LEAST_COLOURED = 6.0, 0.03
GREY = 3.0  # mean range of the channels, below which nobody sees a colour
ONE_TONE = 0.3  # of what tells colours apart, with which one colour is left

Colours = npt.NDArray[np.float32]  # (n, 3), 0..255


@dataclass(frozen=True)
class ColourChange:
    """How the colours of one picture differ from those of another, place by place."""

    difference: float  # median absolute difference, grey levels
    light: float  # median change of the lightness, grey levels
    contrast: float  # slope of the lightness over the reference's
    # Beyond what light and contrast explain: how much of what tells the reference's colours apart is left,
    # in the same hues and in any (both 1 where it has no colours).
    saturation: float
    any_hue: float
    shift: tuple[float, float, float]  # median change of R, G, B against the lightness beyond all that
    is_grey: bool  # nothing coloured is left of coloured places
    is_coloured: bool  # the reference is grey, and this is not


def name_colour_change(
    alignment: Alignment, query: Pixels, reference: Pixels, edited: Mask | None = None
) -> Operation | None:
    """Returns what was done to the colours of the (h, w, 3) reference; None: nothing that one sees.

    `edited`: in the frame of the reference, of any size: what is there now says nothing of the whole.
    """
    places = _colours_of_both(alignment, query, reference, edited)
    if places is None:
        return None
    change = measure_colours(*places)
    words = _words(change)
    if not words:
        return None
    amount = max(
        change.difference,
        30 * min(1.0, abs(change.saturation - 1)),
        1.5 * max(map(abs, change.shift)),
    )
    measured = {
        "median_difference_levels": round(change.difference, 1),
        "saturation": round(change.saturation, 2),
        "contrast": round(change.contrast, 2),
    }
    sentence = f"Colours were {' and '.join(words)}."
    return Operation(
        OperationType.COLOUR,
        degree_of(amount, 16, 40),
        sentence,
        FULL,
        FULL,
        measured,
        certainty=certainty_of(amount, 1.5 * LEAST_DIFFERENCE),
    )


def _colours_of_both(
    alignment: Alignment, query: Pixels, reference: Pixels, edited: Mask | None
) -> tuple[Colours, Colours] | None:
    height, width = reference.shape[:2]
    warped = cv2.warpPerspective(query, alignment.homography, (width, height))
    counted, part = np.full(query.shape[:2], 255, np.uint8), alignment.within
    if part is not None:
        counted[:] = 0
        counted[part.top : part.bottom, part.left : part.right] = 255
    shown = cv2.warpPerspective(counted, alignment.homography, (width, height))
    mask = cv2.erode(shown, np.ones((9, 9), np.uint8)) > 0
    if edited is not None and edited.any():
        at_size = cv2.resize(edited.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        left = mask & (cv2.dilate(at_size, np.ones((AVERAGED, AVERAGED), np.uint8)) == 0)
        mask = left if left.sum() >= max(LEAST_PLACES, LEAST_LEFT * mask.sum()) else mask
    if mask.sum() < LEAST_PLACES:
        return None
    sampled = np.s_[::STEP, ::STEP]
    ours, theirs = (
        cv2.blur(pixels, (AVERAGED, AVERAGED))[sampled][mask[sampled]].astype(np.float32)
        for pixels in (warped, reference)
    )
    return ours, theirs


def measure_colours(query: Colours, reference: Colours) -> ColourChange:
    """Compares the colours of the same places in two pictures."""
    light, light_before = query.mean(axis=1), reference.mean(axis=1)
    tint, tint_before = query - light[:, None], reference - light_before[:, None]
    contrast = _slope(light - light.mean(), light_before - light_before.mean())
    tint_before = contrast * tint_before  # light and contrast are changed in all channels alike
    typical, typical_before = np.median(tint, axis=0), np.median(tint_before, axis=0)
    saturation, any_hue = _ratios(tint - typical, tint_before - typical_before)
    shift = typical - saturation * typical_before
    ranges = [float(np.mean(np.ptp(colours, axis=1))) for colours in (query, reference)]
    return ColourChange(
        difference=float(np.median(np.abs(query - reference))),
        light=float(np.median(light - light_before)),
        contrast=contrast,
        saturation=saturation,
        any_hue=any_hue,
        shift=(float(shift[0]), float(shift[1]), float(shift[2])),
        is_grey=ranges[0] < GREY and ranges[1] > LEAST_COLOURFUL,
        is_coloured=ranges[1] < GREY and ranges[0] > LEAST_COLOURFUL,
    )


def _ratios(values: Colours, before: Colours) -> tuple[float, float]:
    """Medians over coloured places, of which a sticker covers some: along the same hues, and along any.

    Both are taken about the typical colour: a white balance, which moves all of them, does not count.
    """
    squares = (before * before).sum(axis=1)
    coloured = squares >= LEAST_COLOURFUL**2
    if coloured.mean() < LEAST_COLOURED:
        return 1.0, 1.0
    along = (values * before).sum(axis=1)[coloured] / squares[coloured]
    sizes = np.sqrt((values * values).sum(axis=1)[coloured] / squares[coloured])
    return float(np.median(along)), float(np.median(sizes))


def _slope(values: npt.NDArray[np.float32], before: npt.NDArray[np.float32]) -> float:
    size = float((before * before).sum())
    return float((values * before).sum()) / size if size > 1.0 else 1.0


def _words(change: ColourChange) -> list[str]:
    """What was done, in the order in which a person would see it."""
    if change.is_grey:
        return ["taken away: it is black and white"]
    if change.is_coloured:
        return ["added: the original is black and white"]
    words = []
    red, _, blue = change.shift
    is_shifted = max(map(abs, change.shift)) >= LEAST_SHIFT
    if change.any_hue < ONE_TONE and is_shifted:
        words.append("made one tone, as in sepia")
    elif change.saturation < LESS_SATURATED <= change.any_hue:
        words.append("given other hues")
    elif is_shifted and red * blue < 0 and min(abs(red), abs(blue)) >= LEAST_SHIFT / 2:
        words.append("made warmer" if red > 0 else "made cooler")
    elif is_shifted:
        words.append("shifted")
    if change.saturation > MORE_SATURATED:
        words.append("made stronger")
    elif change.any_hue < LESS_SATURATED and not (change.any_hue < ONE_TONE and is_shifted):
        words.append("made paler")
    if change.difference >= LEAST_DIFFERENCE and abs(change.light) >= LEAST_LIGHT:
        words.append("brightened" if change.light > 0 else "darkened")
    if change.difference >= LEAST_DIFFERENCE and change.contrast > MORE_CONTRAST:
        words.append("given more contrast")
    elif change.difference >= LEAST_DIFFERENCE and change.contrast < LESS_CONTRAST:
        words.append("given less contrast")
    if not words and change.difference >= LEAST_DIFFERENCE:
        words.append("changed")
    return words[:2]
