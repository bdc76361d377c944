"""One face at one place of two aligned pictures: what of it is the same, and what is not.

Four kinds of evidence, each weak where another is strong: whose face it is (identity distance), where its
parts are (landmarks), whether it moved (flow), and whether its pixels are still those of the reference
(correlation and residue), inside the face against around it.
"""

from dataclasses import dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.faces.crops import compare_pixels
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
    FIVE,
    LIPS,
    OVAL,
    RIGID,
    Landmarks,
    landmarks_of,
)
from indexer.compare.warping import WarpedPair
from indexer.media.images import Pixels

POORER = 1.15  # magnification above which the reference is made as coarse as the query
CERTAINLY_SAME = 0.20  # identity distance below which it is not measured twice

Points = npt.NDArray[np.float32]
UPPER_LIP, LOWER_LIP = 13, 14
MOUTH_CORNERS, NOSE_TIP = (61, 291), 1
Mouth = tuple[float, float, float]  # opening, width, distance from the nose, in eye distances
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
    """One place with a face in at least one of the two pictures, in the frame of `WarpedPair`."""

    reference_box: FaceBox | None
    query_box: FaceBox | None
    oval: Points  # (36, 2) outline of the reference's face, else of the query's
    query_oval: Points | None
    measures: FaceMeasures | None  # None: only one of them shows a face
    confidence: float  # that there is a face at all, in the surer of the two, 0..1
    mouths: tuple[Mouth, Mouth] | None = None  # the query's and the reference's; None: only one is a face

    def scaled(self, factor: float) -> "FacePair":
        """The same pair in a frame of another size; measures have no size."""
        return FacePair(
            scaled_face(self.reference_box, factor) if self.reference_box else None,
            scaled_face(self.query_box, factor) if self.query_box else None,
            self.oval * np.float32(factor),
            None if self.query_oval is None else self.query_oval * np.float32(factor),
            self.measures,
            self.confidence,
            self.mouths,
        )


def pair_faces(
    reference: list[FaceBox], query: list[FaceBox], warped: WarpedPair
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
            pairs.append((face, find_face_near(warped.query, face)))
    return pairs + [(find_face_near(warped.reference, face), face) for face in left]


def compare_faces(warped: WarpedPair, reference: list[FaceBox], query: list[FaceBox]) -> list[FacePair]:
    """Faces that were found in the two pictures of `warped`, place by place. Raises MissingFaceModels."""
    return [_compare(warped, *pair) for pair in pair_faces(reference, query, warped)]


def _compare(warped: WarpedPair, first: FaceBox | None, second: FaceBox | None) -> FacePair:
    theirs = landmarks_of(warped.reference, first) if first else None
    ours = landmarks_of(warped.query, second) if second else None
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
    measures = _measure(warped, theirs, ours, min(sure), sure[0])
    mouths = mouth_of(ours), mouth_of(theirs)
    return FacePair(first, second, oval, query_oval, measures, max(sure), mouths)


def mouth_of(face: Landmarks) -> Mouth:
    """How a mouth is held: what a person says with it, not whose it is."""
    points, eye = face.points, max(face.eye_distance, 1e-6)
    left, right = points[MOUTH_CORNERS[0]], points[MOUTH_CORNERS[1]]
    middle = (points[UPPER_LIP] + points[LOWER_LIP]) / 2
    return (
        _opening(points) / eye,
        float(np.hypot(*(right - left))) / eye,
        float(np.hypot(*(middle - points[NOSE_TIP]))) / eye,
    )


def _measure(
    warped: WarpedPair, theirs: Landmarks, ours: Landmarks, confidence: float, reference_confidence: float
) -> FaceMeasures:
    own, in_place = _identity_distances(warped, theirs, ours)
    eye = theirs.eye_distance
    turn = similarity_transform(
        ours.points[list(RIGID)].astype(np.float64), theirs.points[list(RIGID)].astype(np.float64)
    )
    settled = (ours.points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)

    def moved(indices: tuple[int, ...], points: Points) -> float:
        steps = points[list(indices)] - theirs.points[list(indices)]
        return float(np.median(np.hypot(steps[:, 0], steps[:, 1]))) / eye

    return FaceMeasures(
        eye_px=min(eye / warped.reference_scale, ours.eye_distance / max(warped.magnification, 1e-6)),
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
        **compare_pixels(warped, theirs, ours),
    )


def _opening(points: Points) -> float:
    return float(np.hypot(*(points[UPPER_LIP] - points[LOWER_LIP])))


def _lids(points: Points) -> float:
    return float(sum(np.hypot(*(points[upper] - points[lower])) for upper, lower in LIDS)) / 2


def _identity_distances(warped: WarpedPair, theirs: Landmarks, ours: Landmarks) -> tuple[float, float]:
    """At each face's own landmarks, and at the reference's in both; mirror images too, if it matters."""
    reference = coarser(warped.reference, warped.magnification)
    five, own = theirs.points[list(FIVE)], ours.points[list(FIVE)]
    here, there = face_chip(reference, five), face_chip(warped.query, five)
    first = identity_vectors([here, there])
    quick = float(np.linalg.norm(first[0] - first[1]))
    if quick < CERTAINLY_SAME:
        return quick, quick
    elsewhere = face_chip(warped.query, own)
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
