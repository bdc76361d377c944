"""Measures what is the same, and what is not, of one face at one place of two aligned pictures.

Four kinds of evidence, each weak where another is strong: whose face it is (identity distance), where its
parts are (landmarks), whether it moved (flow), and whether its pixels are still those of the reference
(correlation and residue), inside the face against around it.
"""

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.faces.control import control_pictures
from indexer.compare.faces.crops import compare_pixels
from indexer.compare.faces.detection import (
    SAME_FACE_OVERLAP,
    FaceBox,
    find_face_near,
    overlap,
    scaled_face,
)
from indexer.compare.faces.head_motion import HeadMotion, head_motion
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

POORER = 1.15  # magnification, above which the reference is made as coarse as the query
CERTAINLY_SAME = 0.20  # identity distance, below which it is not measured a second time

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
    reference_confidence: float  # that the reference shows one
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
    inside_moved: float  # correlation of the pixels in the face once motion is followed
    around: float  # correlation of the pixels around the face
    fine_inside: float  # correlation of the finest detail in the face
    fine_around: float  # and around it
    residue_inside: float  # grey levels once the colours are evened out
    residue_around: float
    flow_inside: float  # motion, in eye distances
    flow_around: float
    flatness: float  # share of the query's face that its three commonest colours make up
    plain: float  # share of the query's face without gradient, beyond the reference's and the surroundings'
    sharpness: float  # of the query's face against the reference's; 1: as that of what is around it
    around_share: float  # of the crop that shows what is around the face

    def numbers(self) -> dict[str, float]:
        """Returns the measures by name, rounded for reading."""
        return {field.name: round(float(getattr(self, field.name)), 4) for field in fields(self)}


@dataclass(frozen=True)
class FacePair:
    """One place with a face in at least one of the two pictures, in the frame of the warped pair."""

    reference_box: FaceBox | None
    query_box: FaceBox | None
    oval: Points  # (36, 2) outline of the reference's face, else of the query's
    query_oval: Points | None
    measures: FaceMeasures | None  # None where only one of them shows a face
    confidence: float  # that there is a face at all, in the surer of the two, 0..1
    mouths: tuple[Mouth, Mouth] | None = None  # the query's and the reference's; None: only one has a face
    # Of the reference's own face after what was done to the whole picture, as `control_pictures` returns
    # them, made where a change seems to be; None: nothing is left of it that could be measured.
    controls: tuple[FaceMeasures | None, ...] = ()
    head_motion: HeadMotion | None = None  # measured where controls are

    def scaled(self, factor: float) -> "FacePair":
        """Returns the same pair in a frame of another size; the measures do not depend on it."""
        return replace(
            self,
            reference_box=scaled_face(self.reference_box, factor) if self.reference_box else None,
            query_box=scaled_face(self.query_box, factor) if self.query_box else None,
            oval=self.oval * np.float32(factor),
            query_oval=None if self.query_oval is None else self.query_oval * np.float32(factor),
        )


def pair_faces(
    reference: list[FaceBox], query: list[FaceBox], warped: WarpedPair
) -> list[tuple[FaceBox | None, FaceBox | None]]:
    """Pairs faces at the same place; where one picture shows none, it is searched closely there."""
    pairs: list[tuple[FaceBox | None, FaceBox | None]] = []
    unpaired = list(query)
    for face in reference:
        best = max(unpaired, key=lambda other: overlap(other, face), default=None)
        if best is not None and overlap(best, face) >= SAME_FACE_OVERLAP:
            unpaired.remove(best)
            pairs.append((face, best))
        else:
            pairs.append((face, find_face_near(warped.query, face)))
    return pairs + [(find_face_near(warped.reference, face), face) for face in unpaired]


def compare_faces(warped: WarpedPair, reference: list[FaceBox], query: list[FaceBox]) -> list[FacePair]:
    """Compares the faces of the two warped pictures, place by place. Raises MissingFaceModels."""
    return [_compare(warped, *pair) for pair in pair_faces(reference, query, warped)]


def with_controls(pair: FacePair, warped: WarpedPair, expected: npt.NDArray[np.float32]) -> FacePair:
    """Returns the pair with the measures of its controls, and with how what is around the face moved.

    `warped`: what the pair was measured in; `expected`: its reference in the query's colours, (h, w, 3).
    """
    if pair.reference_box is None:
        return pair
    measured = []
    for picture in control_pictures(warped, expected, pair.oval):
        box = find_face_near(picture, pair.reference_box)
        measured.append(_compare(replace(warped, query=picture), pair.reference_box, box).measures)
    motion = None if pair.query_oval is None else head_motion(warped, pair.oval, pair.query_oval)
    return replace(pair, controls=tuple(measured), head_motion=motion)


def _compare(warped: WarpedPair, reference_box: FaceBox | None, query_box: FaceBox | None) -> FacePair:
    reference_face = landmarks_of(warped.reference, reference_box) if reference_box else None
    query_face = landmarks_of(warped.query, query_box) if query_box else None
    known = reference_face or query_face
    assert known is not None
    oval = known.points[list(OVAL)]
    query_oval = query_face.points[list(OVAL)] if query_face else None
    confidences = [
        min(box.confidence, mesh.confidence)
        for box, mesh in ((reference_box, reference_face), (query_box, query_face))
        if box and mesh
    ]
    if reference_face is None or query_face is None:
        return FacePair(reference_box, query_box, oval, query_oval, None, max(confidences))
    measures = _measure(warped, reference_face, query_face, min(confidences), confidences[0])
    mouths = mouth_of(query_face), mouth_of(reference_face)
    return FacePair(reference_box, query_box, oval, query_oval, measures, max(confidences), mouths)


def mouth_of(face: Landmarks) -> Mouth:
    """Returns how a mouth is held, which depends on what a person says and not on who it is."""
    points, eye = face.points, max(face.eye_distance, 1e-6)
    left, right = points[MOUTH_CORNERS[0]], points[MOUTH_CORNERS[1]]
    middle = (points[UPPER_LIP] + points[LOWER_LIP]) / 2
    return (
        _opening(points) / eye,
        float(np.hypot(*(right - left))) / eye,
        float(np.hypot(*(middle - points[NOSE_TIP]))) / eye,
    )


def _measure(
    warped: WarpedPair,
    reference_face: Landmarks,
    query_face: Landmarks,
    confidence: float,
    reference_confidence: float,
) -> FaceMeasures:
    own, in_place = _identity_distances(warped, reference_face, query_face)
    reference, query = reference_face.points, query_face.points
    eye = reference_face.eye_distance
    pose = similarity_transform(
        query[list(RIGID)].astype(np.float64), reference[list(RIGID)].astype(np.float64)
    )
    posed = (query @ pose[:, :2].T + pose[:, 2]).astype(np.float32)  # as the reference holds the head

    def moved(indices: tuple[int, ...], points: Points) -> float:
        steps = points[list(indices)] - reference[list(indices)]
        return float(np.median(np.hypot(steps[:, 0], steps[:, 1]))) / eye

    return FaceMeasures(
        eye_px=min(eye / warped.reference_scale, query_face.eye_distance / max(warped.magnification, 1e-6)),
        confidence=confidence,
        reference_confidence=reference_confidence,
        turned=max(reference_face.turned, query_face.turned),
        identity=own,
        identity_in_place=in_place,
        lips=moved(LIPS, posed),
        opening=abs(_opening(query) - _opening(reference)) / eye,
        lids=abs(_lids(query) - _lids(reference)) / eye,
        brows=moved(BROWS, posed),
        outline=moved(OVAL, posed),
        pose=moved(RIGID, query),
        **compare_pixels(warped, reference_face, query_face),
    )


def _opening(points: Points) -> float:
    return float(np.hypot(*(points[UPPER_LIP] - points[LOWER_LIP])))


def _lids(points: Points) -> float:
    return float(sum(np.hypot(*(points[upper] - points[lower])) for upper, lower in LIDS)) / 2


def _identity_distances(
    warped: WarpedPair, reference_face: Landmarks, query_face: Landmarks
) -> tuple[float, float]:
    """Returns the distance at each face's own landmarks, and at the reference's landmarks in both.

    Unless the faces are certainly one person's, vectors are averaged with those of the mirror images.
    """
    reference = coarser(warped.reference, warped.magnification)
    five, own = reference_face.points[list(FIVE)], query_face.points[list(FIVE)]
    reference_chip, in_place_chip = face_chip(reference, five), face_chip(warped.query, five)
    straight = identity_vectors([reference_chip, in_place_chip])
    quick = float(np.linalg.norm(straight[0] - straight[1]))
    if quick < CERTAINLY_SAME:
        return quick, quick
    own_chip = face_chip(warped.query, own)
    flipped = [np.ascontiguousarray(chip[:, ::-1]) for chip in (reference_chip, in_place_chip, own_chip)]
    more = identity_vectors([own_chip, *flipped])
    known, in_place, at_own = (
        (straight[0] + more[1]) / 2,
        (straight[1] + more[2]) / 2,
        (more[0] + more[3]) / 2,
    )
    return float(np.linalg.norm(known - at_own)), float(np.linalg.norm(known - in_place))


def coarser(pixels: Pixels, magnification: float) -> Pixels:
    """Makes a picture as coarse as one enlarged so much: lack of detail alone makes faces differ."""
    if magnification < POORER:
        return pixels
    height, width = pixels.shape[:2]
    size = max(16, round(width / magnification)), max(16, round(height / magnification))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
