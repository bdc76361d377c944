"""Do two pictures that share a frame show the same content? Measures what stands in one place and differs.

Posts of one application, cards of one office, charts of one series agree on hundreds of features: frame,
labels, brand. Features prove that geometry, and say nothing of the words, the portrait, the bars. So the
query is warped onto the reference, closely enough that letters can be compared, and every window in which
either picture has detail is looked at. In a copy, what differs was laid over it: new detail with a look of
its own, or a place that was covered. In another instance of the same layout the detail is of the same sort
in the same place, on the same ground, and is not the same: letters for letters, a bar that ends elsewhere.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.alignment_refinement import refine_alignment
from indexer.compare.dense import INVERTED, INVERTED_IN_PART
from indexer.compare.vocabulary import Quad, as_shares
from indexer.compare.warping import (
    Grey,
    Mask,
    WarpedPair,
    Windows,
    blurred,
    correlation,
    grey,
    inside,
    windows,
)
from indexer.media.images import Pixels

LONG_SIDE = 1024  # px of the reference, as it is kept: the letters of a page are still letters
LEAST_SIDE = 384  # px: a small query is not enlarged further than this
WINDOW = 15  # px: a letter or two
SMOOTHING = 1.0
LEAST_DETAIL = 60.0  # variance in grey levels of 256, below which a window shows nothing
SHIFT_PX = 2  # what the alignment may leave
AGREES, DIFFERS, NOT_THERE = 0.75, 0.55, 0.5  # normalised cross-correlation
SEARCHED_BELOW = 0.8  # the same: only such pictures are searched around their place
SURE = 0.9  # the same: windows that say how bright and how sharp one picture is beside the other
LEAST_SURE = 200  # windows
GROUND = 25  # px: the median of so wide a place is what letters stand on
SAME_GROUND = 24.0  # grey levels, of every colour
SAME_CONTRAST = 4.0  # ratio of the variances
FINE_BAND = 1.5  # px, deviation of the blur: what it removes is fine detail
AS_SHARP = 1.4  # ratio of the fine detail, below which nothing is evened out
TOO_SOFT = 4.0  # the same, from which on one picture shows no letters
BLURS = (1.0, 1.5, 2.2, 3.2, 4.5, 6.5)  # px
FIELD_REACH = (21, 41)  # px down and across, between letters of one field
FIELD_AREA = 0.0004  # of the picture: a short word
FIELD_SHARE = 0.25  # of the largest field


@dataclass(frozen=True)
class ContentAgreement:
    """Shares of the windows in which either picture has detail, 0..1."""

    agreeing: float
    differing: float  # both have detail, and not the same
    exchanged: float  # those of them with the same ground and contrast: letters for letters
    vanished: float  # detail of the reference on a ground that stayed
    appeared: float  # detail of the query on a ground that was there
    lost: float  # all detail of the reference that the query lacks
    gained: float  # all detail of the query that the reference lacks
    fields: int  # places of other detail on the same ground, apart from one another
    region: Quad | None  # around what differs, in shares of the query

    @property
    def rearranged(self) -> float:
        """Returns how much went and came: a bar that ends elsewhere, words of another length."""
        return 2 * min(self.vanished, self.appeared)

    @property
    def swapped(self) -> float:
        """Returns the same on any ground: another label on a pack."""
        return min(self.lost, self.gained)

    @property
    def replaced(self) -> float:
        """Returns how much of the content is another one of the same sort."""
        return self.exchanged + self.rearranged


def content_agreement(pair: AlignedPair) -> ContentAgreement | None:
    """Compares what the two pictures show in the same places; returns None where that cannot be told."""
    closely = _refined(pair)
    height, width = pair.reference.shape[:2]
    magnification = min(1.0, LONG_SIDE / max(height, width)) * pair.alignment.scale
    side = LONG_SIDE if magnification <= 1.0 else max(LEAST_SIDE, int(LONG_SIDE / magnification))
    return measure_content(closely.warped_at(side), pair.query.shape[1], pair.query.shape[0])


def _refined(pair: AlignedPair) -> AlignedPair:
    warped = refine_alignment(pair.statistics, pair.copies).warped
    height, width = pair.reference.shape[:2]
    to_reference = np.diag([width / warped.size[0], height / warped.size[1], 1.0])
    return pair.with_alignment(replace(pair.alignment, homography=to_reference @ warped.homography))


def measure_content(warped: WarpedPair, query_width: int, query_height: int) -> ContentAgreement | None:
    """Measures a warped pair; the size of the query in pixels is needed to say where it differs."""
    shown = inside(warped.shown, WINDOW + 2 * SHIFT_PX)
    even = _equally_sharp(
        blurred(grey(warped.reference), SMOOTHING), blurred(grey(warped.query), SMOOTHING), shown
    )
    if even is None:
        return None
    reference, query = even
    left, right = windows(reference, WINDOW), windows(query, WINDOW)
    agreement = correlation(left, right)
    sure = (agreement > SURE) & shown & (left.variance > LEAST_DETAIL)
    contrast = _contrast(left, right, sure)
    in_reference, in_query = left.variance > LEAST_DETAIL, right.variance > LEAST_DETAIL * contrast
    either = (in_reference | in_query) & shown
    count = int(either.sum())
    if count < WINDOW**2:
        return None
    if (agreement[either] < INVERTED).mean() >= INVERTED_IN_PART:
        agreement = np.abs(agreement)  # solarised: the same content, whose light and dark were exchanged
    if (either & (agreement < SEARCHED_BELOW)).any():
        agreement = _nearby(left, query, agreement)
    same_ground = _same_ground(warped, sure)
    differing = in_reference & in_query & shown & (agreement < DIFFERS)
    ratio = right.variance / (left.variance * contrast)
    exchanged = differing & same_ground & (ratio > 1 / SAME_CONTRAST) & (ratio < SAME_CONTRAST)
    lost = in_reference & ~in_query & shown & (agreement < NOT_THERE)
    gained = in_query & ~in_reference & shown & (agreement < NOT_THERE)
    other = exchanged | (same_ground & (lost | gained))
    return ContentAgreement(
        agreeing=float((either & (agreement > AGREES)).sum()) / count,
        differing=float(differing.sum()) / count,
        exchanged=float(exchanged.sum()) / count,
        vanished=float((lost & same_ground).sum()) / count,
        appeared=float((gained & same_ground).sum()) / count,
        lost=float(lost.sum()) / count,
        gained=float(gained.sum()) / count,
        fields=max(_fields(exchanged), _fields(other)),
        region=_region(other, warped, query_width, query_height),
    )


def _equally_sharp(reference: Grey, query: Grey, shown: Mask) -> tuple[Grey, Grey] | None:
    """Returns both with as much fine detail as the softer has: a blurred word is not another word.

    None where one is so soft that no words are left to compare.
    """
    left, right = windows(reference, WINDOW).variance, windows(query, WINDOW).variance
    counted = shown & (left > LEAST_DETAIL) & (right > LEAST_DETAIL)
    if counted.sum() < LEAST_SURE:
        return reference, query
    of_reference, of_query = _fine_share(reference, counted), _fine_share(query, counted)
    ratio = np.sqrt(of_query / max(of_reference, 1e-6))
    if not 1 / TOO_SOFT < ratio < TOO_SOFT:
        return None
    if 1 / AS_SHARP < ratio < AS_SHARP:
        return reference, query
    if ratio < 1.0:
        return _softened(reference, of_query, counted), query
    return reference, _softened(query, of_reference, counted)


def _softened(values: Grey, fine_share: float, counted: Mask) -> Grey:
    softer = values
    for deviation in BLURS:
        softer = blurred(values, deviation)
        if _fine_share(softer, counted) <= 1.1 * fine_share:
            break
    return softer


def _fine_share(values: Grey, counted: Mask) -> float:
    """Returns the median share of fine detail in the detail of the windows."""
    fine = windows(values - blurred(values, FINE_BAND), WINDOW).variance
    return float(np.median((fine / np.maximum(windows(values, WINDOW).variance, 1.0))[counted]))


def _contrast(left: Windows, right: Windows, sure: Mask) -> float:
    """Returns the ratio of the query's variance to the reference's where both show the same."""
    if sure.sum() < LEAST_SURE:
        return 1.0
    return float(np.clip(np.median(right.variance[sure] / left.variance[sure]), 0.04, 25.0))


def _nearby(reference: Windows, query: Grey, agreement: Grey) -> Grey:
    """Returns the best correlation within what the alignment may leave."""
    for down in (-SHIFT_PX, 0, SHIFT_PX):
        for across in (-SHIFT_PX, 0, SHIFT_PX):
            if down or across:
                moved = np.roll(query, (down, across), (0, 1))
                agreement = np.maximum(agreement, correlation(reference, windows(moved, WINDOW)))
    return agreement


def _same_ground(warped: WarpedPair, sure: Mask) -> Mask:
    """Returns (h, w): where both have one ground colour, once the light of the query is evened out."""
    reference, query = _ground(warped.reference), _ground(warped.query)
    if sure.sum() >= LEAST_SURE:
        query = query + np.median((reference - query)[sure], axis=0)
    return np.asarray(np.abs(reference - query).max(axis=2) < SAME_GROUND, np.bool_)


def _ground(pixels: Pixels) -> Grey:
    return np.asarray(cv2.medianBlur(np.ascontiguousarray(pixels), GROUND), np.float32)


def _fields(differing: Mask) -> int:
    """Counts places of such detail that lie apart and are of comparable size."""
    cleaned = cv2.morphologyEx(differing.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    places = cv2.morphologyEx(cleaned, cv2.MORPH_CLOSE, np.ones(FIELD_REACH, np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(places)
    areas = boxes[1:, cv2.CC_STAT_AREA]
    least = max(FIELD_AREA * differing.size, FIELD_SHARE * float(areas.max(initial=0)))
    return int((areas >= least).sum())


def _region(other: Mask, warped: WarpedPair, width: int, height: int) -> Quad | None:
    """Returns the box around what differs, as the query shows it."""
    y, x = np.nonzero(cv2.morphologyEx(other.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)))
    if not len(x):
        return None
    box = np.array([[[x.min(), y.min()], [x.max(), y.min()], [x.max(), y.max()], [x.min(), y.max()]]])
    back = np.linalg.inv(warped.homography)
    return as_shares(
        np.asarray(cv2.perspectiveTransform(box.astype(np.float64), back)[0], np.float32), width, height
    )
