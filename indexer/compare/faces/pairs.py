"""One face at one place of two aligned pictures: what of it is the same, and what is not.

Four kinds of evidence, each weak where another is strong: whose face it is (identity distance), where its
parts are (landmarks), whether it moved (flow), and whether its pixels are still those of the reference
(correlation and residue), inside the face against around it.
"""

from dataclasses import dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.faces.detection import (
    SAME_FACE_OVERLAP,
    FaceBox,
    find_face_near,
    overlap,
    scaled_face,
)
from indexer.compare.faces.identity import face_chip, identity_vectors, similarity_transform
from indexer.compare.faces.landmarks import (
    BROWS,
    EYES,
    FIVE,
    LIPS,
    OVAL,
    RIGID,
    Landmarks,
    landmarks_of,
)
from indexer.compare.laying import (
    Grey,
    Laid,
    Mask,
    as_bright,
    blurred,
    correlate,
    flow_between,
    follow,
    grey,
)
from indexer.compare.processing import few_colours, fit_colours, map_colours
from indexer.media.images import Pixels

SIDE, FACE_SIDE = 160, 72  # px of the crop that is compared, and of the face in it
INNER, OUTER = 0.85, 1.35  # of the face's oval: surely face, and surely around it
POORER = 1.15  # magnification above which the reference is made as coarse as the query
MOST_SETTLING, LEAST_STEADY = 4.0, 400  # px of the crop; places that must say so
PLAIN_STEP = 6.0  # of Sobel's gradient: grey levels, eightfold
KEPT = 0.95  # correlation above which nothing was done to a place
CERTAINLY_SAME = 0.20  # identity distance below which it is not measured twice

Points = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
UPPER_LIP, LOWER_LIP = 13, 14
LIDS = ((159, 145), (386, 374))


@dataclass(frozen=True)
class FaceMeasures:
    """Distances of landmarks in eye distances of the reference's face; correlations -1..1."""

    eye_px: float  # between the outer corners of the eyes, in the poorer picture's own pixels
    confidence: float  # that both show a face, by mesh and detector, 0..1
    reference_confidence: float  # that the reference does
    turned: float  # 0 towards the camera, 1 in profile
    identity: float  # L2 of dlib's vectors, read at each face's own landmarks
    identity_in_place: float  # read at the same place of both
    lips: float  # moved against the eyes and the nose
    opening: float  # of the mouth
    lids: float  # opening of the eyes
    brows: float
    outline: float
    pose: float  # how far eyes and nose themselves moved
    inside: float  # correlation of the pixels in the face
    kept: float  # share of the face that is still pixel for pixel the reference's
    mouth: float  # correlation around the mouth
    eyes: float  # correlation around the eyes
    inside_moved: float  # the same once motion is followed
    around: float  # correlation of the pixels around the face
    fine_inside: float  # of the finest detail
    fine_around: float
    residue_inside: float  # grey levels, colours evened out
    residue_around: float
    flow_inside: float  # motion, in eye distances
    flow_around: float
    flatness: float  # share of the query's face that its three commonest colours make up
    plain: float  # share of the query's face without gradient, beyond the reference's and the surroundings'
    sharpness: float  # of the query's face against the reference's, 1: as sharp as what is around it
    around_share: float  # of the crop that says what is around the face

    def numbers(self) -> dict[str, float]:
        """By name, rounded for reading."""
        return {one.name: round(float(getattr(self, one.name)), 4) for one in fields(self)}


@dataclass(frozen=True)
class FacePair:
    """One place with a face in at least one of the two pictures, in the frame of `Laid`."""

    reference_box: FaceBox | None
    query_box: FaceBox | None
    oval: Points  # (36, 2) outline of the reference's face, else of the query's
    query_oval: Points | None
    measures: FaceMeasures | None  # None: only one of them shows a face
    confidence: float  # that there is a face at all, in the surer of the two, 0..1

    def scaled(self, factor: float) -> "FacePair":
        """The same pair in a frame of another size; measures have no size."""
        return FacePair(
            scaled_face(self.reference_box, factor) if self.reference_box else None,
            scaled_face(self.query_box, factor) if self.query_box else None,
            self.oval * np.float32(factor),
            None if self.query_oval is None else self.query_oval * np.float32(factor),
            self.measures,
            self.confidence,
        )


def pair_faces(
    reference: list[FaceBox], query: list[FaceBox], laid: Laid
) -> list[tuple[FaceBox | None, FaceBox | None]]:
    """Faces at the same place of both; where one picture shows none, it is looked at closely there."""
    pairs: list[tuple[FaceBox | None, FaceBox | None]] = []
    left = list(query)
    for face in reference:
        best = max(left, key=lambda one: overlap(one, face), default=None)
        if best is not None and overlap(best, face) >= SAME_FACE_OVERLAP:
            left.remove(best)
            pairs.append((face, best))
        else:
            pairs.append((face, find_face_near(laid.query, face)))
    return pairs + [(find_face_near(laid.reference, face), face) for face in left]


def compare_faces(laid: Laid, reference: list[FaceBox], query: list[FaceBox]) -> list[FacePair]:
    """Faces that were found in the two pictures of `laid`, place by place. Raises MissingFaceModels."""
    return [_compare(laid, *pair) for pair in pair_faces(reference, query, laid)]


def _compare(laid: Laid, first: FaceBox | None, second: FaceBox | None) -> FacePair:
    theirs = landmarks_of(laid.reference, first) if first else None
    ours = landmarks_of(laid.query, second) if second else None
    known = theirs or ours
    assert known is not None
    oval = known.points[list(OVAL)]
    query_oval = ours.points[list(OVAL)] if ours else None
    sure = [
        min(box.confidence, mesh.confidence)
        for box, mesh in ((first, theirs), (second, ours))
        if box and mesh
    ]
    if theirs is None or ours is None:
        return FacePair(first, second, oval, query_oval, None, max(sure))
    measures = _measure(laid, theirs, ours, min(sure), sure[0])
    return FacePair(first, second, oval, query_oval, measures, max(sure))


def _measure(
    laid: Laid, theirs: Landmarks, ours: Landmarks, confidence: float, reference_confidence: float
) -> FaceMeasures:
    own, in_place = _identity_distances(laid, theirs, ours)
    eye = theirs.eye_distance
    turn = similarity_transform(
        ours.points[list(RIGID)].astype(np.float64), theirs.points[list(RIGID)].astype(np.float64)
    )
    settled = (ours.points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)

    def moved(indices: tuple[int, ...], points: Points) -> float:
        steps = points[list(indices)] - theirs.points[list(indices)]
        return float(np.median(np.hypot(steps[:, 0], steps[:, 1]))) / eye

    return FaceMeasures(
        eye_px=min(eye / laid.reference_scale, ours.eye_distance / max(laid.magnification, 1e-6)),
        confidence=confidence,
        reference_confidence=reference_confidence,
        turned=max(theirs.turned, ours.turned),
        identity=own,
        identity_in_place=in_place,
        lips=moved(LIPS, settled),
        opening=abs(_opening(ours.points) - _opening(theirs.points)) / eye,
        lids=abs(_lids(ours.points) - _lids(theirs.points)) / eye,
        brows=moved(BROWS, settled),
        outline=moved(OVAL, settled),
        pose=moved(RIGID, ours.points),
        **_compare_pixels(laid, theirs, ours),
    )


def _opening(points: Points) -> float:
    return float(np.hypot(*(points[UPPER_LIP] - points[LOWER_LIP])))


def _lids(points: Points) -> float:
    return float(sum(np.hypot(*(points[upper] - points[lower])) for upper, lower in LIDS)) / 2


def _identity_distances(laid: Laid, theirs: Landmarks, ours: Landmarks) -> tuple[float, float]:
    """At each face's own landmarks, and at the reference's in both; mirror images too, if it matters."""
    reference = coarser(laid.reference, laid.magnification)
    five, own = theirs.points[list(FIVE)], ours.points[list(FIVE)]
    here, there = face_chip(reference, five), face_chip(laid.query, five)
    first = identity_vectors([here, there])
    quick = float(np.linalg.norm(first[0] - first[1]))
    if quick < CERTAINLY_SAME:
        return quick, quick
    elsewhere = face_chip(laid.query, own)
    mirrored = [np.ascontiguousarray(chip[:, ::-1]) for chip in (here, there, elsewhere)]
    more = identity_vectors([elsewhere, *mirrored])
    left, middle, right = (first[0] + more[1]) / 2, (first[1] + more[2]) / 2, (more[0] + more[3]) / 2
    return float(np.linalg.norm(left - right)), float(np.linalg.norm(left - middle))


def coarser(pixels: Pixels, magnification: float) -> Pixels:
    """As coarse as a picture that was enlarged so much: a lack of detail makes faces strange."""
    if magnification < POORER:
        return pixels
    height, width = pixels.shape[:2]
    size = max(16, round(width / magnification)), max(16, round(height / magnification))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _compare_pixels(laid: Laid, theirs: Landmarks, ours: Landmarks) -> dict[str, float]:
    """Both faces cut out alike, colours evened out, inside against around."""
    to_crop, eye = _crop_matrix(theirs)
    reference, query = _cut(laid.reference, to_crop), _cut(laid.query, to_crop).astype(np.float32)
    seen = cv2.warpAffine(laid.shown.astype(np.uint8), to_crop, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    shown = cv2.erode(seen, np.ones((7, 7), np.uint8), borderValue=0) > 0
    ovals = [_moved(one.points[list(OVAL)], to_crop) for one in (theirs, ours)]
    inside = oval_mask(ovals[0], (SIDE, SIDE), INNER) & shown
    around = shown & ~(oval_mask(ovals[0], (SIDE, SIDE), OUTER) | oval_mask(ovals[1], (SIDE, SIDE), OUTER))
    query = _settled(reference, query, around, shown)
    evened = _evened(reference, query, around if around.mean() > 0.05 else shown)
    left, right = grey(reference), grey(query)
    coarse, detail = correlate(blurred(left, 1.0), blurred(right, 1.0), 11)
    known = inside & (detail > 16)
    fine, energy = correlate(left - blurred(left, 1.0), right - blurred(right, 1.0), 11)
    flow = flow_between(left, as_bright(right, left, shown))
    followed, _ = correlate(blurred(left, 1.0), blurred(follow(right, flow), 1.0), 11)
    if around.sum() > 200:
        flow -= np.median(flow[around], axis=0).astype(np.float32)
    length = np.asarray(np.hypot(flow[..., 0], flow[..., 1]) / eye, np.float32)
    smooth = cv2.GaussianBlur(evened, (0, 0), 1.5), cv2.GaussianBlur(query, (0, 0), 1.5)
    residue = np.asarray(np.abs(smooth[0] - smooth[1]).mean(axis=2), np.float32)
    return {
        "inside": _share(coarse, known, 50, 1.0),
        "kept": float((coarse[known] > KEPT).mean()) if known.sum() > 20 else 1.0,
        "mouth": _share(
            coarse,
            known & oval_mask(_moved(theirs.points[list(LIPS)], to_crop), (SIDE, SIDE), 1.5),
            50,
            1.0,
        ),
        "eyes": _share(
            coarse,
            known & oval_mask(_moved(theirs.points[list(EYES)], to_crop), (SIDE, SIDE), 1.4),
            50,
            1.0,
        ),
        "inside_moved": _share(followed, known, 50, 1.0),
        "around": _share(coarse, around & (detail > 16), 50, 1.0),
        "fine_inside": _share(fine, inside & (energy > 1), 50, 1.0),
        "fine_around": _share(fine, around & (energy > 1), 50, 1.0),
        "residue_inside": float(residue[inside].mean()) if inside.any() else 0.0,
        "residue_around": _share(residue, around, 50, 0.0),
        "flow_inside": _share(length, inside, 50, 0.0),
        "flow_around": _share(length, around, 50, 0.0),
        "flatness": few_colours(query[inside]) if inside.any() else 0.0,
        # Hard compression leaves plain blocks everywhere, a cover in the face only.
        "plain": _plainer(left, right, inside) - max(0.0, _plainer(left, right, around)),
        "sharpness": _sharpness(left, right, inside) / max(0.05, _sharpness(left, right, around)),
        "around_share": float(around.mean()),
    }


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
