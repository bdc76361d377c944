"""Tells another moment of a scene from an edit: things moved that nobody touched.

Whatever was done to a copy, what was left alone lies where it lay. In another frame of the same footage, in
the next shot of a series, or in a picture that was bent, the same things lie a little further on. What
differs there, and what they hid or uncovered on their way, proves no edit.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.changes import ChangedRegion
from indexer.compare.content import ChangedPart
from indexer.compare.processing import commonest_colours_share
from indexer.compare.vocabulary import Operation, Quad
from indexer.compare.warping import (
    Grey,
    Mask,
    WarpedPair,
    blurred,
    correlate,
    flow_between,
    follow,
    grey,
    inside,
)
from indexer.operations import Degree, OperationType

WINDOW, SMOOTH = 15, 1.0  # px
BORDER = 21  # px of a window that must be shown: what comes in at the edge has no partner
DETAIL = 16.0  # variance in grey levels, below which nothing is read
ELSEWHERE, AGREES = 0.8, 0.9  # correlation of a window: at most before motion is followed, at least after
ALIKE = 0.8  # correlation of a window, from which on it shows the same
DRAWN = 0.8  # share of the three commonest colours: 0.66 at most in frames of videos, 0.95 in pages of text
# Of each side, what moved must span so much: a place that was pushed by hand spans 0.26 at most, a longer
# word moves the rest of its line. Of 118 pairs of frames 18 span less.
LEAST_SPAN = 0.3
LEAST_STEP = 1.0  # px
CONSISTENT = 1.0  # px between a place and where the way there and back leads
# Share of what has detail outside of heads that must have moved: at most 0.007 in 99 of 100 edited copies,
# 0.05 at the median of frames of one video up to two seconds apart.
ANOTHER_MOMENT = 0.015
# The same, of which a thing that moved as one has so much; or that much in all. Under a brush, as of an oil
# painting, many small edges move.
ONE_THING, IN_ALL = 0.01, 0.03
# Of what has detail: where it lies now must be known of so much, or anything may be seen from elsewhere.
LEAST_KNOWN = 0.65
FOUND = 0.13  # of what was laid over something 0.11 at most is found elsewhere, of what moved 0.16 and more
NEAR, REACH = 0.15, 31  # share of a region; px around what moved
STARK = 60.0  # grey levels: what was uncovered differs by 50 at most, without the edges of graphics
SOFTENED = 2.0  # px: noise and coding change from frame to frame as well
DIFFERS = 12.0  # levels of the colour that differs most
# What a camera does to a picture of its own, and time to its light.
DONE_BY_CAMERA = {
    OperationType.ROTATED,
    OperationType.STRETCHED,
    OperationType.CROPPED,
    OperationType.BORDERED,
    OperationType.RESIZED,
    OperationType.COLOUR,
    OperationType.FILTERED,
}
ALL_COLOUR_LOST = 0.3  # saturation, of what it was
THINGS_MOVED = (
    "Parts of it lie elsewhere than in the registered picture, as in another moment of one scene or in a "
    "picture that was bent. What may differ for that reason is not called an edit."
)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SceneMotion:
    """Where things moved between two pictures of one scene; each mask (h, w)."""

    known: float  # share of what has detail outside of heads: where it lies in both pictures, 0..1
    near: Mask  # what moved, and what it may have uncovered
    differs: Mask
    found: Mask  # what the query shows is in the reference, there or a little further on

    def left_of(self, parts: Iterable[ChangedPart]) -> list[ChangedPart]:
        """Returns what time alone did not change of the parts."""
        left = []
        for part in parts:
            regions = [one for one in part.regions if not self._explains(one, part.kind)]
            if regions:
                left.append(replace(part, regions=regions))
        return left

    def _explains(self, region: ChangedRegion, kind: OperationType) -> bool:
        if self.known < LEAST_KNOWN:
            return True  # seen from elsewhere
        is_soft = kind is not OperationType.OVERLAY and region.levels < STARK
        if is_soft and float(self.near[region.mask].mean()) >= NEAR:
            return True  # uncovered, or in another light
        differing = region.mask & self.differs
        return bool(differing.any()) and float(self.found[differing].mean()) >= FOUND


def scene_motion(warped: WarpedPair, expected: Floats, heads: Mask) -> SceneMotion | None:
    """Follows what moved outside of `heads` (h, w); None where too little did to be another moment.

    `expected`: (h, w, 3) the reference as processing alone would have left it.
    """
    reference, query = grey(expected), grey(warped.query)
    smooth, of_query = blurred(reference, SMOOTH), blurred(query, SMOOTH)
    before, detail = correlate(smooth, of_query, WINDOW)
    textured = inside(warped.shown, BORDER) & (detail > DETAIL)
    elsewhere = textured & (before < ELSEWHERE)
    outside = max(1, int((textured & ~heads).sum()))
    if (elsewhere & ~heads).sum() < ANOTHER_MOMENT * outside:
        return None
    there, back = flow_between(reference, query), flow_between(query, reference)
    returned = there + np.stack([follow(back[..., axis], there) for axis in (0, 1)], axis=2)
    after, _ = correlate(smooth, blurred(follow(query, there), SMOOTH), WINDOW)
    moved = elsewhere & (after > AGREES) & (_length(there) > LEAST_STEP) & (_length(returned) < CONSISTENT)
    share = float((moved & ~heads).sum()) / outside
    largest = _largest(moved & ~heads) / outside
    if share < ANOTHER_MOMENT or (largest < ONE_THING and share < IN_ALL):
        return None
    if min(_spans(moved & ~heads)) < LEAST_SPAN or _is_drawn(warped):
        return None
    known = float((textured & ~heads & (after > AGREES)).sum()) / outside
    kept, shown = softened(expected), softened(warped.query)
    differs = np.asarray(difference(shown, kept) > DIFFERS)
    near = cv2.dilate(moved.astype(np.uint8), np.ones((REACH, REACH), np.uint8)) > 0
    return SceneMotion(known, np.asarray(near), differs, found_in(kept, shown))


def _spans(places: Mask) -> tuple[float, float]:
    """Returns how far nearly all of (h, w) places reach down and across, as shares of the sides."""
    down, across = (np.subtract(*np.percentile(where, (95, 5))) for where in np.nonzero(places))
    height, width = places.shape
    return float(down) / height, float(across) / width


def _is_drawn(warped: WarpedPair) -> bool:
    """Whether the reference is a page or a drawing, in which what moves was moved by hand."""
    return commonest_colours_share(warped.reference.reshape(-1, 3)) >= DRAWN


def _largest(places: Mask) -> int:
    """Returns how many pixels the largest connected part has."""
    _, _, statistics, _ = cv2.connectedComponentsWithStats(places.astype(np.uint8))
    return int(statistics[1:, cv2.CC_STAT_AREA].max(initial=0))


def without_camera(operations: Iterable[Operation]) -> list[Operation]:
    """The operations but for those that another view of a scene looks like: not by far, if it was one."""
    return [one for one in operations if one.type not in DONE_BY_CAMERA or _is_by_hand(one)]


def _is_by_hand(operation: Operation) -> bool:
    is_without_colours = operation.measured.get("saturation", 1.0) < ALL_COLOUR_LOST
    return operation.degree is Degree.STRONG or is_without_colours


def softened(pixels: npt.NDArray[np.uint8] | Floats) -> Floats:
    """Returns (h, w, 3) without what noise and coding change from frame to frame."""
    return np.asarray(cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), SOFTENED), np.float32)


def difference(one: Floats, other: Floats) -> Floats:
    """Returns (h, w): grey levels between (h, w, 3) pictures, of the colour that differs most."""
    return np.asarray(np.abs(one - other).max(axis=2), np.float32)


def found_in(frame: Floats, still: Floats) -> Mask:
    """Returns (h, w): where a frame shows what the still shows there, once motion is followed."""
    flow = flow_between(grey(still), grey(frame))
    moved = follow(frame, flow)
    alike, detail = correlate(grey(still), grey(moved), WINDOW)
    return np.asarray(
        (difference(moved, still) <= DIFFERS) & ((alike >= ALIKE) | (detail < DETAIL)), np.bool_
    )


def inside_quad(quad: Quad, shape: tuple[int, ...]) -> Mask:
    """Returns (h, w): the places inside a quad, which is given in shares of the picture."""
    height, width = shape
    corners = np.round(np.asarray(quad) * (width, height)).astype(np.int32)
    places = np.zeros((height, width), np.uint8)
    cv2.fillPoly(places, [corners], 1)
    return np.asarray(places > 0, np.bool_)


def _length(steps: Grey) -> Grey:
    return np.asarray(np.hypot(steps[..., 0], steps[..., 1]), np.float32)
