"""Is what lies over a video a picture of its own that moves, or a logo that stays?"""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np

from indexer.compare.vocabulary import Operation, Quad, where_in_words
from indexer.media.images import Pixels
from indexer.operations import OperationType

LAID_OVER = (OperationType.OVERLAY, OperationType.LOCAL_EDIT, OperationType.COMPOSITE)
LEAST_AREA = 0.02  # of the frame
SIDE = 32  # px at which regions are compared
# Mean correlation from frame to frame: a logo stays at 0.95 and more. And with what lies under it: a part
# that was blurred or brightened still follows the original.
STAYS, FOLLOWS = 0.85, 0.5
LEAST_FRAMES = 4


def named_by_motion(operations: list[Operation], frames: list[tuple[Pixels, Pixels]]) -> list[Operation]:
    """Overlays with pictures of their own become `frame_overlay`.

    `frames`: (h, w, 3) pairs of the upload's and the registered frame of one moment.
    """
    if len(frames) < LEAST_FRAMES:
        return operations
    return [_as_frame_overlay(one) if _moves_by_itself(one, frames) else one for one in operations]


def _as_frame_overlay(operation: Operation) -> Operation:
    where = where_in_words(operation.region) if operation.region else "over it"
    sentence = f"Other moving pictures lie over it {where}."
    return replace(operation, type=OperationType.FRAME_OVERLAY, sentence=sentence)


def _moves_by_itself(operation: Operation, frames: list[tuple[Pixels, Pixels]]) -> bool:
    region, there = operation.region, operation.reference_region
    if operation.type not in LAID_OVER or region is None or there is None or _area(region) < LEAST_AREA:
        return False
    ours = [_patch(query, region) for query, _ in frames]
    theirs = [_patch(reference, there) for _, reference in frames]
    from_frame_to_frame = np.mean([_alike(one, other) for one, other in pairwise(ours)])
    with_the_original = np.mean([_alike(one, other) for one, other in zip(ours, theirs, strict=True)])
    return bool(from_frame_to_frame < STAYS and with_the_original < FOLLOWS)


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


def _alike(one: Pixels, other: Pixels) -> float:
    left, right = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    left, right = left - left.mean(), right - right.mean()
    return float(left @ right / max(1e-6, np.linalg.norm(left) * np.linalg.norm(right)))
