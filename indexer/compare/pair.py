"""Upload and reference, laid on one another and compared: the measurements that all findings stand on."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from indexer.compare.aligned_pair import WORKING_SIDE, AlignedPair
from indexer.compare.alignment_refinement import (
    PairStatistics,
    agreeing_share,
    disagreeing_places,
    refine_alignment,
)
from indexer.compare.changes import ChangeMap, find_changes
from indexer.compare.dense import DenseAgreement, dense_agreement
from indexer.compare.faces.detection import (
    FaceBox,
    distinct_faces,
    find_all_faces,
    find_faces,
    find_faces_in,
    scaled_face,
)
from indexer.compare.faces.pairs import FacePair, compare_faces
from indexer.compare.processing import Processing, estimate_processing
from indexer.compare.warping import Mask, WarpedPair, warp
from indexer.media.images import Pixels

FACE_WORKING_SIDE = 1024
# Around a face that was found, what may have been changed with it: hair, chin, neck.
MARGIN_X, MARGIN_TOP, MARGIN_BOTTOM = 0.25, 0.35, 0.25
NOTHING_CHANGED = 0.985  # of the windows agree: there is nothing that could pull at the alignment
CLOSER_LOOK_SHARE = 0.08  # of the picture: in changed places smaller than this, small faces are looked for
CLOSER_LOOKS = 6


@dataclass(frozen=True)
class PairComparison:
    """Everything that was measured of one pair."""

    warped: WarpedPair  # at the working size
    processing: Processing
    changes: ChangeMap
    faces: tuple[FacePair, ...]  # in pixels of the working size; measured at `FACE_WORKING_SIDE`


def compare_pair(pair: AlignedPair, *, with_faces: bool) -> PairComparison:
    """Measures what differs between the two pictures, and releases the pair's statistics.

    Raises MissingFaceModels where faces are wanted and cannot be had.
    """
    query, reference = pair.query, pair.reference
    theirs = _faces_of(reference, pair.warped) if with_faces else []
    around = mask_around(theirs, pair.warped)
    statistics = _align_by_unchanged_places(pair.statistics, query, around)
    pair.release()
    warped, unusual = statistics.warped, around | disagreeing_places(statistics)
    processing = estimate_processing(warped, unusual)
    changes = find_changes(warped, processing, unusual)
    faces: list[FacePair] = []
    if with_faces:
        theirs = distinct_faces(theirs + _small_faces(warped, changes))
        large = _at_face_size(warped, query, reference)
        zoom = large.size[0] / warped.size[0]
        ours = [scaled_face(one, zoom) for one in find_faces(warped.query)]
        found = compare_faces(large, [scaled_face(one, zoom) for one in theirs], ours)
        faces = [one.scaled(1 / zoom) for one in found]
    return PairComparison(warped, processing, changes, tuple(faces))


def _align_by_unchanged_places(statistics: PairStatistics, query: Pixels, heads: Mask) -> PairStatistics:
    """Refined by everything, if everything then agrees; else by all but the heads, which may be new."""
    by_all = refine_alignment(statistics, query)
    if not heads.any() or agreeing_share(by_all) >= NOTHING_CHANGED:
        return by_all
    by_rest = refine_alignment(statistics, query, heads)
    return by_rest if agreeing_share(by_rest, heads) > agreeing_share(by_all, heads) else by_all


def agreement_outside_faces(pair: AlignedPair) -> DenseAgreement | None:
    """How well the pictures agree but for their faces, after the alignment was put right by the rest.

    None: no face, or nothing else with detail. Raises MissingFaceModels.
    """
    warped = pair.warped
    faces = find_faces(warped.reference)
    if not faces:
        return None
    mask = np.zeros(warped.shown.shape, np.uint8)
    for face in faces:
        middle = int((face.left + face.right) / 2), int((face.top + face.bottom) / 2)
        cv2.ellipse(mask, middle, (int(0.5 * face.width), int(0.62 * face.height)), 0, 0, 360, 1, -1)
    better = refine_alignment(pair.statistics, pair.query, mask > 0).warped
    height, width = pair.reference.shape[:2]
    back = np.diag([width / warped.size[0], height / warped.size[1], 1.0])
    refined = pair.with_alignment(replace(pair.alignment, homography=back @ better.homography))
    return dense_agreement(refined, mask > 0)


def mask_around(faces: list[FaceBox], warped: WarpedPair) -> Mask:
    """(h, w) where heads are."""
    width, height = warped.size
    mask = np.zeros((height, width), np.bool_)
    for face in faces:
        left, right = face.left - MARGIN_X * face.width, face.right + MARGIN_X * face.width
        top, bottom = face.top - MARGIN_TOP * face.height, face.bottom + MARGIN_BOTTOM * face.height
        mask[max(0, int(top)) : max(0, int(bottom)), max(0, int(left)) : max(0, int(right))] = True
    return mask


def _faces_of(reference: Pixels, warped: WarpedPair) -> list[FaceBox]:
    """In the reference as it is kept, for small faces; in the frame of `warped`."""
    return [scaled_face(one, warped.reference_scale) for one in find_all_faces(reference)]


def _small_faces(warped: WarpedPair, changes: ChangeMap) -> list[FaceBox]:
    """Faces too small to be found in the whole picture, at places that changed."""
    found: list[FaceBox] = []
    places = [one for one in changes.regions if one.share < CLOSER_LOOK_SHARE]
    for place in places[:CLOSER_LOOKS]:
        x, y = (place.left + place.right) // 2, (place.top + place.bottom) // 2
        half = max(place.right - place.left, place.bottom - place.top)
        found += find_faces_in(warped.reference, x - half, y - half, x + half, y + half)
    return found


def _at_face_size(warped: WarpedPair, query: Pixels, reference: Pixels) -> WarpedPair:
    """The same pair with all the detail that the reference has."""
    height, width = reference.shape[:2]
    if max(height, width) <= WORKING_SIDE:
        return warped
    scale = min(1.0, FACE_WORKING_SIDE / max(height, width))
    size = round(width * scale), round(height * scale)
    zoom = np.diag([size[0] / warped.size[0], size[1] / warped.size[1], 1.0])
    theirs = reference
    if scale < 1.0:
        theirs = np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_AREA), np.uint8)
    magnification = warped.magnification * size[0] / warped.size[0]
    homography = zoom @ warped.homography
    ours, shown = warp(query, homography, size, magnification, warped.within)
    return replace(
        warped,
        query=ours,
        reference=theirs,
        shown=shown,
        homography=homography,
        magnification=magnification,
        reference_scale=scale,
    )
