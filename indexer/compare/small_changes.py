"""Says what the comparison at full resolution found, and the size below which it can find nothing."""

import numpy as np

from indexer.compare.fine_changes import BEYOND_USUAL, FineComparison, SmallChange
from indexer.compare.geometry import Points, project
from indexer.compare.vocabulary import (
    Frame,
    Operation,
    as_shares,
    certainty_of,
    degree_of,
    where_in_words,
)
from indexer.operations import Degree, OperationType

# A glyph of so many pixels of the compared size is found: docs/quality.md.
LEAST_GLYPH_PX = 12
UNSAID_FROM = 0.6  # of the registered picture's size: with more left, a reader misses little
HIDES_GLYPHS = 24.0  # grey levels that coding leaves around letters, in which they cannot be told
ONE_LINE = 3.0  # times their height: changes that lie so near are told as one
VERY_LIKELY_FROM = 1.6  # times what names a small change
STRONG = 80.0  # grey levels
AS_A_GLYPH = 2.5  # times as wide as high, at most; and no larger than this share of the picture's height
LARGEST_GLYPH = 0.06


CROWDED = "It differs in so many small places that a changed letter or figure would not be told."
LITTLE_LEFT = "Too little is left beside what was changed to tell whether letters or figures were, too."


def small_changes(found: FineComparison, query_size: tuple[int, int], reference: Frame) -> list[Operation]:
    """Returns all changed places, most of a difference first; those of one line or word as one.

    `query_size`: width and height of the picture that `found` compared with the reference, in pixels.
    """
    groups: list[list[SmallChange]] = []
    for change in found.changes:
        near = next((group for group in groups if any(_is_near(change, other) for other in group)), None)
        if near is None:
            groups.append([change])
        else:
            near.append(change)
    return [_operation(group, found, query_size, reference) for group in groups]


def more_in_words(number: int) -> str:
    """Says that so many changed places more are not listed."""
    places = "one more small place" if number == 1 else f"{number} more small places"
    return f"It was changed in {places}, which {'is' if number == 1 else 'are'} not listed."


def unseen_in_words(found: FineComparison | None, reference: Frame) -> str | None:
    """Says below which size nothing can be told of the registered picture; None where that hides little."""
    if found is None:
        return "It is too small here to tell whether letters or figures in it were changed."
    if found.is_crowded:
        return CROWDED
    if found.usual_levels > HIDES_GLYPHS:
        return "It is coded too coarsely to tell whether single letters or figures in it were changed."
    left = found.size[0] / reference.width
    if left >= UNSAID_FROM:
        return None
    return (
        f"Changes of less than about {_rounded(LEAST_GLYPH_PX / left)} pixels of the registered picture "
        f"({reference.width} x {reference.height}) cannot be seen: the two could be compared at "
        f"{found.size[0]} x {found.size[1]} pixels only."
    )


def _is_near(one: SmallChange, other: SmallChange) -> bool:
    reach = ONE_LINE * max(one.bottom - one.top, other.bottom - other.top)
    across = max(one.left, other.left) - min(one.right, other.right)
    down = max(one.top, other.top) - min(one.bottom, other.bottom)
    return across < reach and down < reach / 3


def _operation(
    group: list[SmallChange], found: FineComparison, query_size: tuple[int, int], reference: Frame
) -> Operation:
    left, top = min(one.left for one in group), min(one.top for one in group)
    right, bottom = max(one.right for one in group), max(one.bottom for one in group)
    corners: Points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    in_query = project(np.asarray(np.linalg.inv(found.homography), np.float64), corners)
    region = as_shares(corners, *found.size)
    scale = reference.width / found.size[0]
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    strongest = max(group, key=lambda one: one.beyond_usual)
    is_glyph = bottom - top < LARGEST_GLYPH * found.size[1] and right - left < AS_A_GLYPH * (bottom - top)
    like = ", about as large as a letter or a figure" if is_glyph else ""
    degree = degree_of(strongest.levels, 0.0, STRONG)
    return Operation(
        OperationType.LOCAL_EDIT,
        max(degree, Degree.CLEAR, key=lambda one: one.rank),
        f"A small part of it {where_in_words(region)} was changed, {width} by {height} pixels of the "
        f"registered picture{like}: coding alone does not leave such a difference.",
        None if in_query is None else as_shares(in_query, *query_size),
        region,
        {
            "share": round((right - left) * (bottom - top) / (found.size[0] * found.size[1]), 6),
            "levels": round(strongest.levels, 1),
            "excess": round(strongest.beyond_usual, 1),
            "width_px": float(width),
            "height_px": float(height),
        },
        certainty=certainty_of(strongest.beyond_usual, VERY_LIKELY_FROM * BEYOND_USUAL),
    )


def _rounded(pixels: float) -> int:
    """To five pixels, from twenty on."""
    return round(pixels) if pixels < 20 else 5 * round(pixels / 5)
