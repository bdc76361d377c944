"""Cuts both faces out alike and compares their pixels, inside the face against around it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.faces.landmarks import EYES, LIPS, OVAL, Landmarks
from indexer.compare.processing import commonest_colours_share, fit_colours, map_colours
from indexer.compare.warping import (
    Grey,
    Mask,
    WarpedPair,
    blurred,
    correlate,
    flow_between,
    follow,
    grey,
    with_brightness_of,
)
from indexer.media.images import Pixels

SIDE, FACE_SIDE = 160, 72  # px of the crop that is compared, and of the face in it
INNER, OUTER = 0.85, 1.35  # scales of the face's oval: inside surely face, outside surely not
AROUND_MOUTH, AROUND_EYES = 1.5, 1.4  # of the outline of their landmarks
WINDOW = 11  # px
DETAIL, FINE_DETAIL = 16.0, 1.0  # variance in grey levels, below which a window says nothing
MOST_CORRECTION, LEAST_STEADY = 4.0, 400  # px of the crop; pixels that must agree on it
PLAIN_STEP = 6.0  # of Sobel's gradient, which is eight times the grey levels
KEPT = 0.95  # correlation above which a place was left as it was

Points = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Crops:
    """One face of each picture, 160 by 160 pixels, with the reference's face in the middle at 72."""

    reference: Pixels
    query: npt.NDArray[np.float32]  # (160, 160, 3), aligned with the reference
    inside: Mask  # surely face
    around: Mask  # surely no face
    shown: Mask
    mouth: Mask
    eyes: Mask
    eye_distance: float  # px of the crop


def compare_pixels(
    warped: WarpedPair, reference_face: Landmarks, query_face: Landmarks
) -> dict[str, float]:
    """Measures the quantities of `FaceMeasures` that are read from pixels."""
    crops = cut_out(warped, reference_face, query_face)
    inside, around = crops.inside, crops.around
    reference, query = grey(crops.reference), grey(crops.query)
    smooth = blurred(reference, 1.0), blurred(query, 1.0)
    coarse, detail = correlate(*smooth, WINDOW)
    fine, energy = correlate(reference - smooth[0], query - smooth[1], WINDOW)
    flow = flow_between(reference, with_brightness_of(reference, query, crops.shown))
    followed, _ = correlate(smooth[0], blurred(follow(query, flow), 1.0), WINDOW)
    known, elsewhere = inside & (detail > DETAIL), around & (detail > DETAIL)
    length, residue = _motion(flow, crops), _residue(crops)
    return {
        "inside": _percentile(coarse, known, 50, 1.0),
        "kept": float((coarse[known] > KEPT).mean()) if known.sum() > 20 else 1.0,
        "mouth": _percentile(coarse, known & crops.mouth, 50, 1.0),
        "eyes": _percentile(coarse, known & crops.eyes, 50, 1.0),
        "inside_moved": _percentile(followed, known, 50, 1.0),
        "around": _percentile(coarse, elsewhere, 50, 1.0),
        "fine_inside": _percentile(fine, inside & (energy > FINE_DETAIL), 50, 1.0),
        "fine_around": _percentile(fine, around & (energy > FINE_DETAIL), 50, 1.0),
        "residue_inside": float(residue[inside].mean()) if inside.any() else 0.0,
        "residue_around": _percentile(residue, around, 50, 0.0),
        "flow_inside": _percentile(length, inside, 50, 0.0),
        "flow_around": _percentile(length, around, 50, 0.0),
        "flatness": commonest_colours_share(crops.query[inside]) if inside.any() else 0.0,
        # Hard compression leaves plain blocks everywhere, a cover only in the face.
        "plain": _plainer(reference, query, inside) - max(0.0, _plainer(reference, query, around)),
        "sharpness": _sharpness(reference, query, inside) / max(0.05, _sharpness(reference, query, around)),
        "around_share": float(around.mean()),
    }


def cut_out(warped: WarpedPair, reference_face: Landmarks, query_face: Landmarks) -> Crops:
    """Cuts the same place out of both pictures, with masks of its parts."""
    to_crop, eye_distance = _crop_matrix(reference_face)
    reference, query = cut(warped.reference, to_crop), cut(warped.query, to_crop).astype(np.float32)
    visible = cv2.warpAffine(warped.shown.astype(np.uint8), to_crop, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    shown = cv2.erode(visible, np.ones((7, 7), np.uint8), borderValue=0) > 0

    def area(face: Landmarks, indices: tuple[int, ...], grown: float) -> Mask:
        return oval_mask(moved(face.points[list(indices)], to_crop), (SIDE, SIDE), grown)

    around = shown & ~(area(reference_face, OVAL, OUTER) | area(query_face, OVAL, OUTER))
    return Crops(
        reference=reference,
        query=_aligned_by_surroundings(reference, query, around, shown),
        inside=area(reference_face, OVAL, INNER) & shown,
        around=around,
        shown=shown,
        mouth=area(reference_face, LIPS, AROUND_MOUTH),
        eyes=area(reference_face, EYES, AROUND_EYES),
        eye_distance=eye_distance,
    )


def _motion(flow: Grey, crops: Crops) -> Grey:
    """Returns (160, 160): motion in eye distances, against what is around the face."""
    if crops.around.sum() > 200:
        flow = flow - np.median(flow[crops.around], axis=0).astype(np.float32)
    return np.asarray(np.hypot(flow[..., 0], flow[..., 1]) / crops.eye_distance, np.float32)


def _residue(crops: Crops) -> Grey:
    """Returns (160, 160): the difference in grey levels once the colours are evened out."""
    evened = _evened(
        crops.reference, crops.query, crops.around if crops.around.mean() > 0.05 else crops.shown
    )
    reference, query = cv2.GaussianBlur(evened, (0, 0), 1.5), cv2.GaussianBlur(crops.query, (0, 0), 1.5)
    return np.asarray(np.abs(reference - query).mean(axis=2), np.float32)


def _aligned_by_surroundings(
    reference: Pixels, query: npt.NDArray[np.float32], around: Mask, shown: Mask
) -> npt.NDArray[np.float32]:
    """Returns the query's crop without the last fraction of a pixel by which its surroundings are off.

    One homography for the whole picture leaves half a pixel here and there, as much as a small smile moves.
    """
    reference_grey, query_grey = grey(reference), grey(query)
    flow = flow_between(reference_grey, with_brightness_of(reference_grey, query_grey, shown))
    followed = blurred(follow(query_grey, flow), 1.0)
    agreement, detail = correlate(blurred(reference_grey, 1.0), followed, WINDOW)
    steady = (agreement > 0.9) & (detail > 16) & (np.hypot(flow[..., 0], flow[..., 1]) < MOST_CORRECTION)
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
    if matrix is None or np.abs(matrix[:, :2] - np.eye(2)).max() > MOST_CORRECTION / SIDE * 2:
        return query
    moved = cv2.warpAffine(
        query, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)


def _evened(reference: Pixels, query: npt.NDArray[np.float32], where: Mask) -> npt.NDArray[np.float32]:
    """Returns the reference in the query's colours, as they are around the face."""
    known = cv2.GaussianBlur(reference, (0, 0), 1.5)[where].astype(np.float32)
    wanted = cv2.GaussianBlur(query, (0, 0), 1.5)[where].astype(np.float32)
    if len(known) < 100:
        return reference.astype(np.float32)
    return map_colours(fit_colours(known[::4], wanted[::4]), reference)


def _plainer(reference: Grey, query: Grey, where: Mask) -> float:
    """Returns the share of the place without gradient, beyond that of the reference."""

    def plain(values: Grey) -> float:
        steps = np.abs(cv2.Sobel(values, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(values, cv2.CV_32F, 0, 1))
        return float((steps[where] < PLAIN_STEP).mean()) if where.any() else 0.0

    return plain(query) - plain(reference)


def _sharpness(reference: Grey, query: Grey, where: Mask) -> float:
    """Returns the query's fine detail in units of the reference's; 1 where there is none to compare."""
    known, left = (np.abs(values - blurred(values, 1.5))[where] for values in (reference, query))
    if where.sum() < 100 or known.mean() < 0.5:
        return 1.0
    return float(left.mean() / known.mean())


def _percentile(values: Grey, where: Mask, percentile: int, otherwise: float) -> float:
    chosen = values[where]
    return float(np.percentile(chosen, percentile)) if chosen.size > 20 else otherwise


def _crop_matrix(face: Landmarks) -> tuple[Matrix, float]:
    """Returns (2, 3) that brings the face to the middle of the crop, and the eye distance in the crop."""
    oval = face.points[list(OVAL)]
    low, high = oval.min(axis=0), oval.max(axis=0)
    scale = FACE_SIDE / max(1.0, float((high - low).max()))
    x, y = (low + high) / 2
    matrix = np.array([[scale, 0, SIDE / 2 - scale * x], [0, scale, SIDE / 2 - scale * y]], np.float64)
    return matrix, face.eye_distance * scale


def cut(
    pixels: Pixels,
    to_crop: Matrix,
    side: int = SIDE,
    *,
    averaged_below: float = 0.5,
    oversampled: float = 1.5,
) -> Pixels:
    """Returns (side, side, 3) uint8: the part of a picture that a (2, 3) matrix brings into the square.

    Below a scale of `averaged_below` it is first reduced, to `oversampled` times the size that is wanted.
    """
    scale = to_crop[0, 0]
    matrix, source = to_crop, pixels
    if scale < averaged_below:
        factor = oversampled * scale
        source = np.asarray(
            cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
        )
        matrix = to_crop @ np.diag(
            [pixels.shape[1] / source.shape[1], pixels.shape[0] / source.shape[0], 1.0]
        )
    return np.asarray(cv2.warpAffine(source, matrix, (side, side), flags=cv2.INTER_LINEAR), np.uint8)


def moved(points: Points, matrix: Matrix) -> Points:
    """Returns (n, 2): the points as a (2, 3) matrix moves them."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def oval_mask(oval: Points, shape: tuple[int, int], grown: float = 1.0) -> Mask:
    """Returns (h, w): the inside of a face's outline, scaled by `grown` about its middle."""
    hull = cv2.convexHull(oval)
    middle = hull.mean(axis=0)
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, ((hull - middle) * grown + middle).astype(np.int32), 1)
    return mask > 0
