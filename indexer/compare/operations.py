"""Names what was done to the whole picture, as far as the alignment, the sizes and the colours prove it."""

from dataclasses import replace

import numpy as np

from indexer.compare.colours import name_colour_change
from indexer.compare.geometry import Alignment, Points, coverage, project
from indexer.compare.proportions import Stretch, measure_stretch, stretched
from indexer.compare.vocabulary import FULL, Frame, Operation, as_shares, certainty_of, degree_of
from indexer.compare.warping import Mask
from indexer.media.images import Pixels
from indexer.operations import Degree, OperationType

# The alignment is good to about one percent of a side; what is less cannot be told from noise.
CROP_TOLERANCE = 0.03
BORDER_TOLERANCE = 0.04
HIDDEN_TOLERANCE = 0.12  # share of what is shown: parts of a query are found a little small
ROTATION_TOLERANCE_DEGREES = 1.5
RESIZE_TOLERANCE = 0.03
COARSE = 60  # JPEG quality at and below which blocks can be seen
EMBEDDED_BELOW = 0.55  # share of the query that the reference fills


def operations_found(
    alignment: Alignment,
    query: Pixels,
    reference: Pixels,
    query_frame: Frame,
    reference_frame: Frame,
    edited: Mask | None = None,
) -> list[Operation]:
    """Returns what the alignment of (h, w, 3) uint8 `query` with `reference` shows, in reading order.

    `edited`: places in the frame of the reference, of any size, that say nothing of the whole.
    """
    alignment = _as_restricted(alignment, query, reference)
    stretch = measure_stretch(alignment.homography, _size(query), _size(reference))
    found = [
        _mirrored(alignment),
        _rotated(alignment),
        None if stretch is None else stretched(stretch),
        _cropped(alignment, reference),
        _surrounded(alignment, query),
        _resized(alignment, stretch, query, reference, query_frame, reference_frame),
        name_colour_change(alignment, query, reference, edited),
    ]
    return [operation for operation in found if operation is not None]


def _as_restricted(alignment: Alignment, query: Pixels, reference: Pixels) -> Alignment:
    """Returns the alignment with what its part of the query shows, where that is clearly less than all.

    What surrounds a picture may lie on a good deal of it: then that is not shown, nor was it compared.
    """
    part = alignment.within
    if part is None or alignment.bars:  # bars are named by themselves
        return alignment
    corners: Points = np.array(
        [
            [part.left, part.top],
            [part.right - 1, part.top],
            [part.right - 1, part.bottom - 1],
            [part.left, part.bottom - 1],
        ],
        np.float32,
    )
    quad = project(alignment.homography, corners)
    if quad is None:
        return alignment
    shown = coverage(quad, *_size(reference))
    if shown > (1 - HIDDEN_TOLERANCE) * alignment.reference_coverage:
        return alignment
    return replace(
        alignment,
        reference_quad=quad,
        reference_coverage=shown,
        query_quad=corners,
        query_coverage=min(alignment.query_coverage, coverage(corners, *_size(query))),
    )


def inverted() -> Operation:
    """Says that light and dark were exchanged; everything else is compared with them changed back."""
    return Operation(OperationType.COLOUR, Degree.STRONG, "Colours were inverted.", FULL, FULL)


def re_encoded(jpeg_quality: int | None) -> Operation:
    """Says that the bytes are others. `jpeg_quality`, 1 to 100, is that of an upload that is a JPEG."""
    if jpeg_quality is None or jpeg_quality > COARSE:
        sentence = "The same picture in another file: re-encoded."
        return Operation(OperationType.RE_ENCODED, Degree.SLIGHT, sentence, FULL, FULL)
    degree = degree_of(100 - jpeg_quality, 50, 75)
    sentence = f"Saved as a JPEG of quality {jpeg_quality}: fine detail was lost."
    measured = {"jpeg_quality": float(jpeg_quality)}
    return Operation(OperationType.RE_ENCODED, degree, sentence, FULL, FULL, measured)


def _mirrored(alignment: Alignment) -> Operation | None:
    if not alignment.is_mirrored:
        return None
    return Operation(OperationType.MIRRORED, Degree.STRONG, "Mirrored left to right.", FULL, FULL)


def _rotated(alignment: Alignment) -> Operation | None:
    degrees = alignment.rotation_degrees
    if abs(degrees) < ROTATION_TOLERANCE_DEGREES:
        return None
    degree = Degree.STRONG if abs(degrees) > 20 else Degree.CLEAR
    return Operation(
        OperationType.ROTATED,
        degree,
        f"Rotated by about {abs(degrees):.0f} degrees.",
        FULL,
        FULL,
        {"degrees": round(degrees, 1)},
        certainty=certainty_of(abs(degrees), 2 * ROTATION_TOLERANCE_DEGREES),
    )


def _cropped(alignment: Alignment, reference: Pixels) -> Operation | None:
    kept = alignment.reference_coverage
    if kept > (1 - CROP_TOLERANCE) ** 2:
        return None
    return Operation(
        OperationType.CROPPED,
        degree_of(1 - kept, 0.15, 0.5),
        f"Cropped: about {100 * kept:.0f} percent of the original is left.",
        reference_region=as_shares(alignment.reference_quad, *_size(reference)),
        measured={"kept_share": round(kept, 3)},
        certainty=certainty_of(1 - kept, 2 * (1 - (1 - CROP_TOLERANCE) ** 2)),
    )


def _surrounded(alignment: Alignment, query: Pixels) -> Operation | None:
    share = alignment.query_coverage
    if share > (1 - BORDER_TOLERANCE) ** 2:
        return None
    region = as_shares(alignment.query_quad, *_size(query))
    measured = {"query_share": round(share, 3)}
    if share < EMBEDDED_BELOW:
        sentence = f"Placed inside another picture, of which it fills about {100 * share:.0f} percent."
        return Operation(OperationType.EMBEDDED, Degree.STRONG, sentence, region, measured=measured)
    sentence = f"Surrounded by something new; the original fills about {100 * share:.0f} percent."
    return Operation(
        OperationType.BORDERED,
        degree_of(1 - share, 0.1, 0.3),
        sentence,
        region,
        measured=measured,
        certainty=certainty_of(1 - share, 2 * (1 - (1 - BORDER_TOLERANCE) ** 2)),
    )


def _resized(
    alignment: Alignment,
    stretch: Stretch | None,
    query: Pixels,
    reference: Pixels,
    query_frame: Frame,
    reference_frame: Frame,
) -> Operation | None:
    # The alignment joins reduced pictures, so the sizes of the files themselves are taken into account.
    query_reduction = query_frame.width / query.shape[1]
    reference_reduction = reference_frame.width / reference.shape[1]
    shown_at = 1 / alignment.scale if stretch is None else stretch.least_resized
    factor = query_reduction * shown_at / reference_reduction
    if abs(factor - 1) < RESIZE_TOLERANCE:
        return None
    word = "Reduced" if factor < 1 else "Enlarged"
    return Operation(
        OperationType.RESIZED,
        degree_of(abs(np.log2(factor)), 0.5, 1.5),
        f"{word} to about {100 * factor:.0f} percent of the original's size.",
        FULL,
        FULL,
        {"factor": round(factor, 3)},
        certainty=certainty_of(abs(factor - 1), 2 * RESIZE_TOLERANCE),
    )


def _size(pixels: Pixels) -> tuple[int, int]:
    """Returns width and height in pixels."""
    return pixels.shape[1], pixels.shape[0]
