"""Which of two pictures was made from the other, as far as the two themselves show it.

Evidence is what one of them cannot have from the other: the part of the picture that a crop lacks, the
things under an overlay, the detail that scaling and blurring took. Mirroring, colours and an edit as soft
as the picture look the same both ways and say nothing. Evidence for both directions is evidence for none:
the two may be copies of a third. What is registered and what publishers declare is known elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from indexer.compare.additions import Addition, Side, additions
from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.geometry import Matrix, coverage, project
from indexer.compare.pair import PairComparison
from indexer.compare.surroundings import Surroundings, surroundings
from indexer.compare.vocabulary import Frame
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred, grey, warp
from indexer.media.images import Pixels
from indexer.operations import Direction

SHOWS_MORE = 0.95  # of a picture that is shared: what shows less of the other shows more than it
SHOWS_ALL = 0.97  # of a picture: the alignment is good to about one percent of a side
DETAIL_SIDE = 1024  # px, as many as a preview has
FINE_PX = 1.0  # deviation of the blur: what it removes is the finest detail
WINDOW = 15  # px
STRONG_PERCENTILE = 60  # of the windows' detail: those above it are read
LEAST_ENERGY, LEAST_PIXELS = 2.0, 2000
# The finest detail is lost where little of its energy is left, and the rest is not that of the other
# picture: sharpening multiplies it and leaves it alike. Calibrated in both roles: docs/quality.md.
LOST, LOST_IS_UNLIKE = 0.17, 0.62
LEAST_STRUCTURE = 6.0  # kurtosis of detail; grain has about 3, edges have more
REDUCED, FULL_SIZE = 0.77, 1.05  # size of the smaller picture; of a file against its pixels at hand


@dataclass(frozen=True)
class DirectionFinding:
    """Which way, why in one sentence, and what every part of the picture says of it."""

    direction: Direction
    reason: str
    additions: tuple[Addition, ...]  # of every changed region, largest first
    is_by_detail: bool = False  # nothing tells but that one of the two has lost detail

    @property
    def only_laid_over_query(self) -> bool:
        """Whether every change is something laid over the query; also True where nothing changed."""
        return all(addition.laid_over is Side.QUERY for addition in self.additions)


def find_direction(
    pair: AlignedPair, comparison: PairComparison, query_frame: Frame, reference_frame: Frame
) -> DirectionFinding:
    """Says which picture of a compared pair was made from the other.

    The frames are the sizes of the files: pixels at hand may be fewer.
    """
    found = additions(comparison.warped, comparison.changes)
    by_content = [*_by_surroundings(pair, comparison.warped), *_by_additions(found)]
    evidence = [*by_content, *_by_detail(pair, comparison, query_frame, reference_frame)]
    directions = {direction for direction, _ in evidence}
    if not evidence:
        reason = "Nothing in the two pictures shows which of them was made from the other."
        return DirectionFinding(Direction.UNKNOWN, reason, found)
    if len(directions) > 1:
        reason = "Each of the two pictures lacks something that the other has; both may come from a third."
        return DirectionFinding(Direction.UNKNOWN, reason, found)
    direction, reason = evidence[0]
    return DirectionFinding(direction, reason, found, is_by_detail=not by_content)


def direction_by_surroundings(pair: AlignedPair, warped: WarpedPair) -> Direction:
    """Says the same by the frames alone: which was cut out of the other, or placed in it.

    For frames of videos, whose detail depends on the coding of the moment.
    """
    directions = {direction for direction, _ in _by_surroundings(pair, warped)}
    return directions.pop() if len(directions) == 1 else Direction.UNKNOWN


Evidence = tuple[Direction, str]
FROM, TO = Direction.FROM_REFERENCE, Direction.TO_REFERENCE


def _by_surroundings(pair: AlignedPair, warped: WarpedPair) -> Iterator[Evidence]:
    """Where one picture lies inside the other: was it cut out of it, or placed in it?"""
    if pair.alignment.bars:
        yield FROM, "Something was laid over the upload, which the other picture shows without it."
        return
    if pair.alignment.within is not None:
        yield FROM, "In the upload the registered picture stands in a frame of something else."
        return
    query, reference = _size(pair.query), _size(pair.reference)
    to_reference = _to_reference(warped, reference)
    back = np.asarray(np.linalg.inv(to_reference), np.float64)
    of_query, of_reference = _covered(back, reference, query), _covered(to_reference, query, reference)
    if of_reference < SHOWS_MORE and of_query > SHOWS_ALL:
        around = surroundings(pair.reference, back, query)
        if around is Surroundings.CONTINUES:
            yield FROM, "The upload is a crop: the registered picture continues beyond its border."
        elif around is Surroundings.FRAMED:
            yield TO, "The registered picture shows the upload in a frame of something else."
    elif of_query < SHOWS_MORE and of_reference > SHOWS_ALL:
        around = surroundings(pair.query, to_reference, reference)
        if around is Surroundings.CONTINUES:
            yield TO, "The registered picture is a crop: the upload continues beyond its border."
        elif around is Surroundings.FRAMED:
            yield FROM, "The upload shows the registered picture in a frame of something else."


def _by_additions(found: tuple[Addition, ...]) -> Iterator[Evidence]:
    sides = {addition.made_later for addition in found}
    if Side.QUERY in sides:
        yield FROM, _sentence(found, Side.QUERY, "upload")
    if Side.REFERENCE in sides:
        yield TO, _sentence(found, Side.REFERENCE, "registered picture")


def _sentence(found: tuple[Addition, ...], side: Side, name: str) -> str:
    if any(addition.laid_over is side for addition in found):
        return f"Something was laid over the {name}, which the other picture shows without it."
    return f"A part of the {name} is blurred or pixelated, which the other picture shows in detail."


def _by_detail(
    pair: AlignedPair, comparison: PairComparison, query_frame: Frame, reference_frame: Frame
) -> Iterator[Evidence]:
    """Where one picture has real detail that the other has lost by scaling or by blurring."""
    warped = comparison.warped
    changed = np.zeros(warped.shown.shape, np.bool_)
    for region in comparison.changes.regions:
        changed |= region.mask
    fine = _in_frame_of_reference(pair, warped)
    query_is_whole = query_frame.width <= FULL_SIZE * pair.query.shape[1]
    if query_is_whole or fine.magnification <= 1.0:  # else fewer pixels than the file has are at hand
        lost = _which_lost_detail(fine, changed)
        if lost is Side.QUERY:
            yield FROM, "The upload has lost detail that the registered picture shows."
        elif lost is Side.REFERENCE:
            yield TO, "The upload shows detail that the registered picture has lost."
            return
    reference_is_whole = reference_frame.width <= FULL_SIZE * pair.reference.shape[1]
    if reference_is_whole and fine.magnification / fine.reference_scale < REDUCED:
        turned, changed_there = _in_frame_of_query(pair, warped, changed)
        if _which_lost_detail(turned, changed_there) is Side.QUERY:  # here the reference takes its part
            yield TO, "The upload is larger, and shows detail that the registered picture has lost."


def _which_lost_detail(warped: WarpedPair, changed: Mask) -> Side:
    """Compares the finest detail outside of what was `changed`, (h, w) of any size."""
    kernel = np.ones((WINDOW, WINDOW), np.uint8)
    shown = cv2.erode(warped.shown.astype(np.uint8), kernel, borderValue=0) > 0
    counted = shown & ~(
        cv2.resize(changed.astype(np.uint8), warped.size, interpolation=cv2.INTER_NEAREST) > 0
    )
    if counted.sum() < LEAST_PIXELS:
        return Side.UNKNOWN
    query, reference = (_fine(grey(pixels)) for pixels in (warped.query, warped.reference))
    of_query, of_reference, common = (
        cv2.boxFilter(values, -1, (WINDOW, WINDOW))
        for values in (query * query, reference * reference, query * reference)
    )
    energy = np.maximum(of_query, of_reference)
    strong = counted & (energy > max(LEAST_ENERGY, np.percentile(energy[counted], STRONG_PERCENTILE)))
    if strong.sum() < LEAST_PIXELS / 4:
        return Side.UNKNOWN
    alike = np.median(common[strong] / np.sqrt(of_query[strong] * of_reference[strong] + 0.01))
    if alike > LOST_IS_UNLIKE:
        return Side.UNKNOWN
    for side, own, other, detail in (
        (Side.QUERY, of_query, of_reference, reference),
        (Side.REFERENCE, of_reference, of_query, query),
    ):
        left = float(np.median(own[strong] / (other[strong] + 0.3)))
        if left < LOST and _kurtosis(detail[counted]) > LEAST_STRUCTURE:
            return side
    return Side.UNKNOWN


def _fine(values: Grey) -> Grey:
    return np.asarray(values - blurred(values, FINE_PX), np.float32)


def _kurtosis(values: Grey) -> float:
    centred = values - values.mean()
    return float((centred**4).mean() / ((centred**2).mean() ** 2 + 1e-9))


def _in_frame_of_reference(pair: AlignedPair, warped: WarpedPair) -> WarpedPair:
    """Returns the refined pair with as much detail as the reference has at hand."""
    width, height = _size(pair.reference)
    scale = min(1.0, DETAIL_SIDE / max(width, height))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    if size == warped.size:
        return warped
    zoom = np.diag([size[0] / warped.size[0], size[1] / warped.size[1], 1.0])
    magnification = warped.magnification * size[0] / warped.size[0]
    homography = zoom @ warped.homography
    query, shown = warp(pair.copies, homography, size, magnification, warped.within)
    return replace(
        warped,
        query=query,
        reference=_reduced(pair.reference, size),
        shown=shown,
        homography=homography,
        magnification=magnification,
        reference_scale=scale,
    )


def _in_frame_of_query(pair: AlignedPair, warped: WarpedPair, changed: Mask) -> tuple[WarpedPair, Mask]:
    """Returns the refined pair with its roles exchanged, and `changed` of `warped` in that frame."""
    width, height = _size(pair.query)
    scale = min(1.0, DETAIL_SIDE / max(width, height))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    zoom = np.diag([size[0] / width, size[1] / height, 1.0])
    from_here = zoom @ np.linalg.inv(warped.homography)
    homography = zoom @ np.linalg.inv(_to_reference(warped, _size(pair.reference)))
    magnification = scale * warped.reference_scale / warped.magnification
    moved, shown = warp(pair.reference, homography, size, magnification)
    there = cv2.warpPerspective(changed.astype(np.uint8), from_here, size, flags=cv2.INTER_NEAREST)
    reference = _reduced(pair.query, size)
    turned = WarpedPair(moved, reference, shown, homography, magnification, scale)
    return turned, np.asarray(there > 0, np.bool_)


def _reduced(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    if size == _size(pixels):
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _to_reference(warped: WarpedPair, reference: tuple[int, int]) -> Matrix:
    """Returns (3, 3) pixels of the query -> pixels of the reference as handed in."""
    width, height = reference
    zoom = np.diag([width / warped.size[0], height / warped.size[1], 1.0])
    return np.asarray(zoom @ warped.homography, np.float64)


def _covered(homography: Matrix, source: tuple[int, int], target: tuple[int, int]) -> float:
    """Returns the share of a picture of size `target` that one of size `source` covers, 0..1."""
    right, bottom = source[0] - 1, source[1] - 1
    corners = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float32)
    quad = project(homography, corners)
    return 0.0 if quad is None else coverage(quad, *target)


def _size(pixels: Pixels) -> tuple[int, int]:
    """Returns width and height in pixels."""
    return pixels.shape[1], pixels.shape[0]
