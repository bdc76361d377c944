"""Lays a whole query on a whole reference, in one of eight orientations, where no features join the two.

A blurred copy, or one under a pattern, has no feature left, and its PDQ value still says that it fills the
same frame. Whether it does is measured afterwards (`dense.py`): this only says where everything would be.
"""

import numpy as np

from indexer.compare.geometry import Alignment, Matrix, Points, project

# By the number of an orientation (fingerprints/pdq.py): where a place (x, y, 1) of the query, as shares of
# its sides, lies once it is turned so.
TURNS: tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...] = (
    ((1, 0, 0), (0, 1, 0)),
    ((0, 1, 0), (-1, 0, 1)),
    ((-1, 0, 1), (0, -1, 1)),
    ((0, -1, 1), (1, 0, 0)),
    ((1, 0, 0), (0, -1, 1)),
    ((-1, 0, 1), (0, 1, 0)),
    ((0, 1, 0), (1, 0, 0)),
    ((0, -1, 1), (-1, 0, 1)),
)
FIRST_MIRRORED = 4
MOST_STRETCH = 1.6  # between the two aspect ratios; beyond it the two do not fill one frame


def whole_on_whole(
    query_size: tuple[int, int], reference_size: tuple[int, int], orientation: int
) -> Alignment | None:
    """Returns the alignment of two frames, given as width and height; None where their shapes differ."""
    mirror = np.diag([-1.0, 1.0, 1.0])
    mirror[0, 2] = query_size[0] - 1
    homography = _to_pixels(reference_size) @ _turn(orientation) @ np.linalg.inv(_to_pixels(query_size))
    is_mirrored = orientation >= FIRST_MIRRORED
    plain = homography @ mirror if is_mirrored else homography
    across, down = (float(np.hypot(*plain[:2, axis])) for axis in (0, 1))
    if not 1 / MOST_STRETCH <= across / down <= MOST_STRETCH:
        return None
    query_quad = project(np.asarray(np.linalg.inv(homography), np.float64), _corners(reference_size))
    reference_quad = project(homography, _corners(query_size))
    assert query_quad is not None, "it is affine"
    assert reference_quad is not None, "it is affine"
    return Alignment(
        homography=homography,
        inliers=0,
        pairs=0,
        is_mirrored=is_mirrored,
        scale=float(np.sqrt(across * down)),
        rotation_degrees=float(np.degrees(np.arctan2(-plain[0, 1], plain[0, 0]))),
        query_quad=query_quad,
        reference_quad=reference_quad,
        query_coverage=1.0,
        reference_coverage=1.0,
        spread=1.0,
    )


def turned_to_upright(orientation: int, side: int) -> Matrix:
    """Returns (3, 3): pixels of a square query -> pixels of the square it fills once it is turned."""
    square = _to_pixels((side, side))
    return np.asarray(square @ _turn(orientation) @ np.linalg.inv(square), np.float64)


def _to_pixels(size: tuple[int, int]) -> Matrix:
    """Returns (3, 3): shares of a frame's sides -> its pixels."""
    return np.diag([size[0] - 1.0, size[1] - 1.0, 1.0])


def _turn(orientation: int) -> Matrix:
    return np.vstack([np.array(TURNS[orientation], np.float64), [0.0, 0.0, 1.0]])


def _corners(size: tuple[int, int]) -> Points:
    right, bottom = size[0] - 1, size[1] - 1
    return np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float32)
