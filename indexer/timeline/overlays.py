"""Tells overlays that are moving pictures of their own from those that stay the same, such as a logo."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np

from indexer.compare.vocabulary import Operation, Quad, where_in_words
from indexer.media.images import Pixels
from indexer.operations import OperationType

MAY_MOVE = (OperationType.OVERLAY, OperationType.LOCAL_EDIT, OperationType.COMPOSITE)
LEAST_AREA = 0.02  # of the frame
SIDE = 32  # px at which regions are compared
# Mean correlation of the region from frame to frame, above which it stays the same: a logo reaches 0.95.
STAYS = 0.85
# Mean correlation with the same region of the original, above which it follows the original, as a part that
# was blurred or brightened still does.
FOLLOWS = 0.5
LEAST_FRAMES = 4
FLAT = 4.0  # deviation of a region in grey levels, up to which it has nothing that could move


def named_by_motion(operations: list[Operation], frames: list[tuple[Pixels, Pixels]]) -> list[Operation]:
    """Renames overlays that are moving pictures of their own to `frame_overlay`.

    `frames` are (h, w, 3) pairs of the upload's frame and the registered frame of the same moment.
    """
    if len(frames) < LEAST_FRAMES:
        return operations
    return [
        _as_frame_overlay(operation) if _moves_by_itself(operation, frames) else operation
        for operation in operations
    ]


def _as_frame_overlay(operation: Operation) -> Operation:
    where = where_in_words(operation.region) if operation.region else "over it"
    sentence = f"Other moving pictures lie over it {where}."
    return replace(operation, type=OperationType.FRAME_OVERLAY, sentence=sentence)


def _moves_by_itself(operation: Operation, frames: list[tuple[Pixels, Pixels]]) -> bool:
    region, reference_region = operation.region, operation.reference_region
    if (
        operation.type not in MAY_MOVE
        or region is None
        or reference_region is None
        or _area(region) < LEAST_AREA
    ):
        return False
    query_patches = [_patch(query, region) for query, _ in frames]
    if np.median([patch.std() for patch in query_patches]) < FLAT:
        return False  # a solid bar
    reference_patches = [_patch(reference, reference_region) for _, reference in frames]
    between_frames = np.mean([_correlation(*neighbours) for neighbours in pairwise(query_patches)])
    with_reference = np.mean(list(map(_correlation, query_patches, reference_patches)))
    return bool(between_frames < STAYS and with_reference < FOLLOWS)


def _area(region: Quad) -> float:
    xs, ys = [x for x, _ in region], [y for _, y in region]
    return (max(xs) - min(xs)) * (max(ys) - min(ys))


def _patch(pixels: Pixels, region: Quad) -> Pixels:
    height, width = pixels.shape[:2]
    xs, ys = [x for x, _ in region], [y for _, y in region]
    left, right = int(min(xs) * width), max(int(min(xs) * width) + 2, int(max(xs) * width))
    top, bottom = int(min(ys) * height), max(int(min(ys) * height) + 2, int(max(ys) * height))
    part = cv2.cvtColor(np.ascontiguousarray(pixels[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _correlation(first: Pixels, second: Pixels) -> float:
    left, right = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    left, right = left - left.mean(), right - right.mean()
    return float(left @ right / max(1e-6, np.linalg.norm(left) * np.linalg.norm(right)))
