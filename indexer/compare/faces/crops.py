"""Both faces cut out alike: what of their pixels is the same, inside the face against around it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.faces.landmarks import EYES, LIPS, OVAL, Landmarks
from indexer.compare.processing import few_colours, fit_colours, map_colours
from indexer.compare.warping import (
    Grey,
    Mask,
    WarpedPair,
    as_bright,
    blurred,
    correlate,
    flow_between,
    follow,
    grey,
)
from indexer.media.images import Pixels

SIDE, FACE_SIDE = 160, 72  # px of the crop that is compared, and of the face in it
INNER, OUTER = 0.85, 1.35  # of the face's oval: surely face, and surely around it
AROUND_MOUTH, AROUND_EYES = 1.5, 1.4  # of the outline of their landmarks
WINDOW = 11  # px
DETAIL, FINE_DETAIL = 16.0, 1.0  # variance in grey levels below which a window says nothing
MOST_SETTLING, LEAST_STEADY = 4.0, 400  # px of the crop; places that must say so
PLAIN_STEP = 6.0  # of Sobel's gradient: grey levels, eightfold
KEPT = 0.95  # correlation above which nothing was done to a place

Points = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Crops:
    """One face of each picture, 160 by 160, the face of the reference in the middle at 72."""

    reference: Pixels
    query: npt.NDArray[np.float32]  # (160, 160, 3), settled on the reference
    inside: Mask  # surely face
    around: Mask  # surely not
    shown: Mask
    mouth: Mask
    eyes: Mask
    eye_distance: float  # px of the crop


def compare_pixels(warped: WarpedPair, theirs: Landmarks, ours: Landmarks) -> dict[str, float]:
    """The quantities of `FaceMeasures` that are read from pixels."""
    crops = cut_out(warped, theirs, ours)
    inside, around = crops.inside, crops.around
    left, right = grey(crops.reference), grey(crops.query)
    coarse, detail = correlate(blurred(left, 1.0), blurred(right, 1.0), WINDOW)
    fine, energy = correlate(left - blurred(left, 1.0), right - blurred(right, 1.0), WINDOW)
    flow = flow_between(left, as_bright(right, left, crops.shown))
    followed, _ = correlate(blurred(left, 1.0), blurred(follow(right, flow), 1.0), WINDOW)
    known, elsewhere = inside & (detail > DETAIL), around & (detail > DETAIL)
    length, residue = _motion(flow, crops), _residue(crops)
    return {
        "inside": _share(coarse, known, 50, 1.0),
        "kept": float((coarse[known] > KEPT).mean()) if known.sum() > 20 else 1.0,
        "mouth": _share(coarse, known & crops.mouth, 50, 1.0),
        "eyes": _share(coarse, known & crops.eyes, 50, 1.0),
        "inside_moved": _share(followed, known, 50, 1.0),
        "around": _share(coarse, elsewhere, 50, 1.0),
        "fine_inside": _share(fine, inside & (energy > FINE_DETAIL), 50, 1.0),
        "fine_around": _share(fine, around & (energy > FINE_DETAIL), 50, 1.0),
        "residue_inside": float(residue[inside].mean()) if inside.any() else 0.0,
        "residue_around": _share(residue, around, 50, 0.0),
        "flow_inside": _share(length, inside, 50, 0.0),
        "flow_around": _share(length, around, 50, 0.0),
        "flatness": few_colours(crops.query[inside]) if inside.any() else 0.0,
        # Hard compression leaves plain blocks everywhere, a cover in the face only.
        "plain": _plainer(left, right, inside) - max(0.0, _plainer(left, right, around)),
        "sharpness": _sharpness(left, right, inside) / max(0.05, _sharpness(left, right, around)),
        "around_share": float(around.mean()),
    }


def cut_out(warped: WarpedPair, theirs: Landmarks, ours: Landmarks) -> Crops:
    """The same place of both pictures, and which part of it is what."""
    to_crop, eye_distance = _crop_matrix(theirs)
    reference, query = _cut(warped.reference, to_crop), _cut(warped.query, to_crop).astype(np.float32)
    seen = cv2.warpAffine(warped.shown.astype(np.uint8), to_crop, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    shown = cv2.erode(seen, np.ones((7, 7), np.uint8), borderValue=0) > 0

    def area(face: Landmarks, indices: tuple[int, ...], grown: float) -> Mask:
        return oval_mask(_moved(face.points[list(indices)], to_crop), (SIDE, SIDE), grown)

    around = shown & ~(area(theirs, OVAL, OUTER) | area(ours, OVAL, OUTER))
    return Crops(
        reference=reference,
        query=_settled(reference, query, around, shown),
        inside=area(theirs, OVAL, INNER) & shown,
        around=around,
        shown=shown,
        mouth=area(theirs, LIPS, AROUND_MOUTH),
        eyes=area(theirs, EYES, AROUND_EYES),
        eye_distance=eye_distance,
    )


def _motion(flow: Grey, crops: Crops) -> Grey:
    """(160, 160) in eye distances, against what is around the face."""
    if crops.around.sum() > 200:
        flow = flow - np.median(flow[crops.around], axis=0).astype(np.float32)
    return np.asarray(np.hypot(flow[..., 0], flow[..., 1]) / crops.eye_distance, np.float32)


def _residue(crops: Crops) -> Grey:
    """(160, 160) grey levels once the colours are evened out."""
    evened = _evened(
        crops.reference, crops.query, crops.around if crops.around.mean() > 0.05 else crops.shown
    )
    left, right = cv2.GaussianBlur(evened, (0, 0), 1.5), cv2.GaussianBlur(crops.query, (0, 0), 1.5)
    return np.asarray(np.abs(left - right).mean(axis=2), np.float32)


def _settled(
    reference: Pixels, query: npt.NDArray[np.float32], around: Mask, shown: Mask
) -> npt.NDArray[np.float32]:
    """The query's crop with the last fraction of a pixel taken out, as what is around the face has it.

    One homography for the whole picture leaves half a pixel here and there, as much as a small smile.
    """
    theirs, ours = grey(reference), grey(query)
    flow = flow_between(theirs, as_bright(ours, theirs, shown))
    agreement, detail = correlate(blurred(theirs, 1.0), blurred(follow(ours, flow), 1.0), 11)
    steady = (agreement > 0.9) & (detail > 16) & (np.hypot(flow[..., 0], flow[..., 1]) < MOST_SETTLING)
    places = around & steady if (around & steady).sum() > LEAST_STEADY else shown & steady
    y, x = np.nonzero(places)
    if len(y) < LEAST_STEADY:
        return query
    y, x = y[:: max(1, len(y) // 1000)], x[:: max(1, len(x) // 1000)]
    target = np.stack([x, y], axis=1).astype(np.float32)
    cv2.setRNGSeed(0)
    matrix, _ = cv2.estimateAffinePartial2D(
        target + flow[y, x], target, method=cv2.RANSAC, ransacReprojThreshold=0.5, maxIters=200
    )
    if matrix is None or np.abs(matrix[:, :2] - np.eye(2)).max() > MOST_SETTLING / SIDE * 2:
        return query
    moved = cv2.warpAffine(
        query, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)


def _evened(reference: Pixels, query: npt.NDArray[np.float32], where: Mask) -> npt.NDArray[np.float32]:
    """The reference in the query's colours, as what is around the face has them."""
    theirs = cv2.GaussianBlur(reference, (0, 0), 1.5)[where].astype(np.float32)
    ours = cv2.GaussianBlur(query, (0, 0), 1.5)[where].astype(np.float32)
    if len(theirs) < 100:
        return reference.astype(np.float32)
    return map_colours(fit_colours(theirs[::4], ours[::4]), reference)


def _plainer(reference: Grey, query: Grey, where: Mask) -> float:
    """Share of the place that does not change from one pixel to the next, more than in the reference."""

    def plain(values: Grey) -> float:
        steps = np.abs(cv2.Sobel(values, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(values, cv2.CV_32F, 0, 1))
        return float((steps[where] < PLAIN_STEP).mean()) if where.any() else 0.0

    return plain(query) - plain(reference)


def _sharpness(reference: Grey, query: Grey, where: Mask) -> float:
    """Fine detail of the query in units of the reference's, 1 where there is none to compare."""
    theirs, ours = (np.abs(one - blurred(one, 1.5))[where] for one in (reference, query))
    if where.sum() < 100 or theirs.mean() < 0.5:
        return 1.0
    return float(ours.mean() / theirs.mean())


def _share(values: Grey, where: Mask, percentile: int, otherwise: float) -> float:
    chosen = values[where]
    return float(np.percentile(chosen, percentile)) if chosen.size > 20 else otherwise


def _crop_matrix(face: Landmarks) -> tuple[Matrix, float]:
    """(2, 3) that brings the face to the middle of the crop, and the eye distance there."""
    oval = face.points[list(OVAL)]
    low, high = oval.min(axis=0), oval.max(axis=0)
    scale = FACE_SIDE / max(1.0, float((high - low).max()))
    x, y = (low + high) / 2
    matrix = np.array([[scale, 0, SIDE / 2 - scale * x], [0, scale, SIDE / 2 - scale * y]], np.float64)
    return matrix, face.eye_distance * scale


def _cut(pixels: Pixels, to_crop: Matrix) -> Pixels:
    scale = to_crop[0, 0]
    matrix, source = to_crop, pixels
    if scale < 0.5:
        factor = 1.5 * scale
        source = np.asarray(
            cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
        )
        matrix = to_crop @ np.diag(
            [pixels.shape[1] / source.shape[1], pixels.shape[0] / source.shape[0], 1.0]
        )
    return np.asarray(cv2.warpAffine(source, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8)


def _moved(points: Points, matrix: Matrix) -> Points:
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def oval_mask(oval: Points, shape: tuple[int, int], grown: float = 1.0) -> Mask:
    """(h, w) the inside of a face's outline, grown about its middle."""
    hull = cv2.convexHull(oval)
    middle = hull.mean(axis=0)
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, ((hull - middle) * grown + middle).astype(np.int32), 1)
    return mask > 0
