"""Compares a query with its reference in place: the measurements that all findings stand on."""

from collections.abc import Callable
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
from indexer.compare.faces.judgement import is_remarkable
from indexer.compare.faces.pairs import FacePair, compare_faces, with_controls
from indexer.compare.processing import Processing, estimate_processing
from indexer.compare.translucent_bars import with_translucent_bar
from indexer.compare.warping import Mask, ScaledCopies, WarpedPair, warp
from indexer.compare.whole_filters import without_filters

FACE_WORKING_SIDE = 1024
# Shares of a face's box around it that may have been changed with the face: hair, chin, neck.
MARGIN_X, MARGIN_TOP, MARGIN_BOTTOM = 0.25, 0.35, 0.25
NOTHING_CHANGED = 0.985  # of the windows agree: then nothing could have pulled at the alignment
SMALL_REGION_SHARE = 0.08  # of the picture: small faces are looked for in changed regions below this
SMALL_REGIONS_SEARCHED = 6


@dataclass(frozen=True)
class PairComparison:
    """Everything that was measured of one pair."""

    warped: WarpedPair  # at the working size
    processing: Processing
    changes: ChangeMap
    faces: tuple[FacePair, ...]  # in pixels of the working size; measured at `FACE_WORKING_SIDE`


def compare_pair(
    pair: AlignedPair, *, with_faces: bool, needs_control: Callable[[FacePair], bool] = is_remarkable
) -> PairComparison:
    """Measures what differs between the two pictures, and releases the pair's statistics.

    `needs_control`: whether a face is held against controls, which takes as long as all the rest.

    Raises MissingFaceModels where faces are wanted and cannot be had.
    """
    reference_faces = _reference_faces(pair) if with_faces else []
    heads = mask_around(reference_faces, pair.warped)
    statistics = _align_by_unchanged_places(pair.statistics, pair.copies, heads)
    pair.release()
    warped, unusual = statistics.warped, heads | disagreeing_places(statistics)
    processing = estimate_processing(warped, unusual)
    changes = without_filters(warped, processing, find_changes(warped, processing, unusual), unusual)
    changes = with_translucent_bar(warped, changes)
    faces: list[FacePair] = []
    if with_faces:
        reference_faces = distinct_faces(reference_faces + _small_faces(warped, changes))
        large = _at_face_size(warped, pair)
        zoom = large.size[0] / warped.size[0]
        compared = compare_faces(
            large,
            [scaled_face(face, zoom) for face in reference_faces],
            [scaled_face(face, zoom) for face in find_faces(warped.query)],
        )
        if any(needs_control(face_pair) for face_pair in compared):
            expected = processing.apply(large.reference)
            compared = [
                with_controls(face_pair, large, expected) if needs_control(face_pair) else face_pair
                for face_pair in compared
            ]
        faces = [face_pair.scaled(1 / zoom) for face_pair in compared]
    return PairComparison(warped, processing, changes, tuple(faces))


def _align_by_unchanged_places(
    statistics: PairStatistics, query: ScaledCopies, heads: Mask
) -> PairStatistics:
    """Refines by all places, if all of them then agree; else by all but the heads, which may be new."""
    by_all = refine_alignment(statistics, query)
    if not heads.any() or agreeing_share(by_all) >= NOTHING_CHANGED:
        return by_all
    by_rest = refine_alignment(statistics, query, heads)
    return by_rest if agreeing_share(by_rest, heads) > agreeing_share(by_all, heads) else by_all


def agreement_outside_faces(pair: AlignedPair) -> DenseAgreement | None:
    """Measures how well the pictures agree outside their faces, after the alignment was refined there.

    Returns None where there is no face, or nothing else with detail. Raises MissingFaceModels.
    """
    warped = pair.warped
    faces = find_faces(warped.reference)
    if not faces:
        return None
    mask = np.zeros(warped.shown.shape, np.uint8)
    for face in faces:
        middle = int((face.left + face.right) / 2), int((face.top + face.bottom) / 2)
        cv2.ellipse(mask, middle, (int(0.5 * face.width), int(0.62 * face.height)), 0, 0, 360, 1, -1)
    homography = refine_alignment(pair.statistics, pair.copies, mask > 0).warped.homography
    height, width = pair.reference.shape[:2]
    to_reference = np.diag([width / warped.size[0], height / warped.size[1], 1.0])
    refined = pair.with_alignment(replace(pair.alignment, homography=to_reference @ homography))
    return dense_agreement(refined, mask > 0)


def mask_around(faces: list[FaceBox], warped: WarpedPair) -> Mask:
    """Returns (h, w): the faces with what belongs to their heads."""
    width, height = warped.size
    mask = np.zeros((height, width), np.bool_)
    for face in faces:
        left, right = face.left - MARGIN_X * face.width, face.right + MARGIN_X * face.width
        top, bottom = face.top - MARGIN_TOP * face.height, face.bottom + MARGIN_BOTTOM * face.height
        mask[max(0, int(top)) : max(0, int(bottom)), max(0, int(left)) : max(0, int(right))] = True
    return mask


def _reference_faces(pair: AlignedPair) -> list[FaceBox]:
    """Finds faces in the reference as it was handed in, where small ones show; in the warped frame."""
    return [scaled_face(face, pair.warped.reference_scale) for face in find_all_faces(pair.reference)]


def _small_faces(warped: WarpedPair, changes: ChangeMap) -> list[FaceBox]:
    """Finds faces that are too small to be seen in the whole picture, in regions that changed."""
    found: list[FaceBox] = []
    # Also where a filter explains the region: what it did to a face, the face's control tells.
    regions = (*changes.regions, *changes.left_by_filter)
    small = [region for region in regions if region.share < SMALL_REGION_SHARE]
    for region in small[:SMALL_REGIONS_SEARCHED]:
        x, y = (region.left + region.right) // 2, (region.top + region.bottom) // 2
        half = max(region.right - region.left, region.bottom - region.top)
        found += find_faces_in(warped.reference, x - half, y - half, x + half, y + half)
    return found


def _at_face_size(warped: WarpedPair, pair: AlignedPair) -> WarpedPair:
    """Returns the refined pair with the detail that faces need, as far as the reference has it."""
    reference = pair.reference
    height, width = reference.shape[:2]
    if max(height, width) <= WORKING_SIDE:
        return warped
    scale = min(1.0, FACE_WORKING_SIDE / max(height, width))
    size = round(width * scale), round(height * scale)
    zoom = np.diag([size[0] / warped.size[0], size[1] / warped.size[1], 1.0])
    if scale < 1.0:
        reference = np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_AREA), np.uint8)
    magnification = warped.magnification * size[0] / warped.size[0]
    homography = zoom @ warped.homography
    query, shown = warp(pair.copies, homography, size, magnification, warped.within)
    return replace(
        warped,
        query=query,
        reference=reference,
        shown=shown,
        homography=homography,
        magnification=magnification,
        reference_scale=scale,
    )
