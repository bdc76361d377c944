"""Tells what was done to a video in time, by its segments, and to its pictures, by its compared frames."""

from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from itertools import pairwise

from indexer.compare.vocabulary import Operation, Quad, certainty_of, degree_of
from indexer.operations import OPERATIONS, Certainty, Degree, OperationType
from indexer.timeline.temporal_segments import TemporalSegment

FACTOR_TOLERANCE = 0.02  # a segment of a few seconds does not tell its factor more exactly
SAME_FACTOR = 0.02  # relative difference up to which two factors are one
# Film, PAL and NTSC are converted into one another by playing them at another rate.
CONVERSIONS = (25 / 24, 24 / 25, 25 / 23.976, 23.976 / 25)
CONVERSION_TOLERANCE = 0.003
# Of the original more must be missing than both of these, at an end or within.
CLIPPED_S, CLIPPED_SHARE = 0.6, 0.02
# Of the upload more must come from elsewhere than both of these.
OTHER_FOOTAGE_S, OTHER_FOOTAGE_SHARE = 0.9, 0.02
LOOP_SHARE = 0.6  # of the shorter of two segments, which the other must show too
ORDER_TOLERANCE_S = 0.3
# A small face that is coarsely coded looks like another person's in some frames, a swapped face in all.
# Where fewer frames than this share show a swap, those that show it slightly do not count.
SLIGHT_SHARE = 0.8
OVERLAYS_SEEN = 0.15  # share of frames that must show an overlay before edits in its place are taken for it
NEIGHBOURS_FROM = 3  # compared frames, from which on neighbouring frames are asked about an edit
VERY_LIKELY_SHARE = 0.5  # of the compared frames: with so many that show it as very likely, it is
NEARBY = 0.15  # share of width and height within which two edits are in one place


@dataclass(frozen=True)
class Spans:
    """The lengths of both videos in seconds; a still image has no length."""

    query: float
    reference: float | None


def operations_in_time(segments: list[TemporalSegment], spans: Spans) -> list[Operation]:
    """Tells what was done in time, from segments in the order of the query's seconds."""
    found = []
    if spans.reference is not None:
        found = [*_retimed(segments), *_reversed(segments), *_reordered(segments), *_looped(segments)]
        found += _clipped(segments, spans.reference)
    return [*found, *_concatenated(segments, spans.query)]


def operations_of_segment(segment: TemporalSegment) -> list[Operation]:
    """Tells what was done in time within one segment."""
    return [*_retimed([segment]), *_reversed([segment])]


def over_frames(by_frame: Many[Many[Operation]]) -> list[Operation]:
    """Tells what was done to the pictures of a segment: what enough of its compared frames show.

    `by_frame` holds the operations of each compared frame, within one type the most distinct first.
    """
    shown: dict[OperationType, list[Operation]] = {}
    for operations in _without_fleeting_edits(_consistent_overlays(by_frame)):
        for operation_type in {operation.type for operation in operations}:
            of_type = (operation for operation in operations if operation.type is operation_type)
            shown.setdefault(operation_type, []).append(next(of_type))
    count = len(by_frame)
    kept = [
        _merged(found, count)
        for operation_type, found in shown.items()
        if _is_shown(operation_type, found, count)
    ]
    return in_order(kept)


def _is_shown(operation_type: OperationType, found: list[Operation], count: int) -> bool:
    """Whether enough of `count` frames show an operation; `found` are those of the frames that do."""
    least = max(OPERATIONS[operation_type].least_share * count, min(2, count))
    is_swap = operation_type is OperationType.FACE_SWAP
    if is_swap and count >= NEIGHBOURS_FROM and len(found) < SLIGHT_SHARE * count:
        return sum(operation.degree is not Degree.SLIGHT for operation in found) >= least
    return len(found) >= least


def _consistent_overlays(by_frame: Many[Many[Operation]]) -> Many[Many[Operation]]:
    """Renames edits to overlays in the places that other frames show an overlay in.

    A single frame does not always tell an overlay from an edit.
    """
    overlays = [
        operation
        for operations in by_frame
        for operation in operations
        if operation.type is OperationType.OVERLAY
    ]
    regions = [overlay.reference_region for overlay in overlays if overlay.reference_region]
    if not regions or len(regions) < OVERLAYS_SEEN * len(by_frame):
        return by_frame

    def renamed(operation: Operation) -> Operation:
        is_edit = operation.type is OperationType.LOCAL_EDIT
        if not is_edit or not _lies_in(operation.reference_region, regions):
            return operation
        return replace(operation, type=OperationType.OVERLAY, sentence=overlays[0].sentence)

    return [[renamed(operation) for operation in operations] for operations in by_frame]


def _without_fleeting_edits(by_frame: Many[Many[Operation]]) -> Many[Many[Operation]]:
    """Drops edits of single places that are not strong and that no neighbouring frame shows nearby."""
    if len(by_frame) < NEIGHBOURS_FROM:
        return by_frame

    def lasts(operation: Operation, frame: int) -> bool:
        region = operation.reference_region
        if operation.degree is Degree.STRONG or region is None or not _stays_in_place(operation):
            return True
        x, y = _middle(region)
        neighbours = [*by_frame[max(0, frame - 1) : frame], *by_frame[frame + 1 : frame + 2]]
        middles = [
            _middle(other.reference_region)
            for operations in neighbours
            for other in operations
            if other.reference_region is not None and _stays_in_place(other)
        ]
        return any(max(abs(x - other_x), abs(y - other_y)) <= NEARBY for other_x, other_y in middles)

    return [
        [operation for operation in operations if lasts(operation, frame)]
        for frame, operations in enumerate(by_frame)
    ]


def _stays_in_place(operation: Operation) -> bool:
    return OPERATIONS[operation.type].stays_in_place


def _middle(region: Quad) -> tuple[float, float]:
    x, y = (sum(corner[axis] for corner in region) / len(region) for axis in (0, 1))
    return x, y


def _lies_in(region: Quad | None, others: list[Quad]) -> bool:
    """Whether the middle of a region lies in one of the others."""
    if region is None:
        return False
    x, y = _middle(region)
    return any(
        min(c[0] for c in other) <= x <= max(c[0] for c in other)
        and min(c[1] for c in other) <= y <= max(c[1] for c in other)
        for other in others
    )


def in_order(operations: Iterable[Operation]) -> list[Operation]:
    """Sorts operations by severity, the most severe first."""
    return sorted(operations, key=lambda operation: OPERATIONS[operation.type].rank)


def _merged(found: list[Operation], count: int) -> Operation:
    """Returns the operation of median degree, with how many of `count` frames show it."""
    ranked = sorted(found, key=lambda operation: operation.degree.rank)
    typical = ranked[len(ranked) // 2]
    sentence = typical.sentence
    if len(found) < count:
        sentence += f" Seen in {len(found)} of {count} compared frames."
    measured = {**typical.measured, "frames": len(found), "frames_compared": count}
    sure = [operation for operation in found if operation.certainty is Certainty.VERY_LIKELY]
    certainty = certainty_of(len(sure), VERY_LIKELY_SHARE * count)
    return replace(typical, sentence=sentence, measured=measured, certainty=certainty)


def _retimed(segments: list[TemporalSegment]) -> list[Operation]:
    """One operation per factor, that of the most seconds first."""
    groups: dict[float, float] = {}  # seconds of the query by factor
    for segment in segments:
        factor = abs(segment.factor)
        if abs(factor - 1) <= FACTOR_TOLERANCE:
            continue
        near = (known for known in groups if abs(known - factor) <= SAME_FACTOR * max(known, factor))
        group = next(near, factor)
        groups[group] = groups.get(group, 0.0) + segment.end - segment.start
    return [_retimed_by(factor) for factor in sorted(groups, key=lambda factor: -groups[factor])]


def _retimed_by(factor: float) -> Operation:
    operation_type, percent = OperationType.RETIMED, f"{100 * factor:.0f} percent of its speed"
    if factor == 0.0:
        return Operation(operation_type, Degree.STRONG, "One frame is frozen.", factor=0.0)
    if any(abs(factor - conversion) < CONVERSION_TOLERANCE for conversion in CONVERSIONS):
        sentence = f"Played at {percent}, as conversion between frame rates does."
        return Operation(operation_type, Degree.SLIGHT, sentence, factor=round(factor, 3))
    word = "Slowed" if factor < 1 else "Sped up"
    degree = degree_of(abs(factor - 1), 0.06, 0.2)
    certainty = certainty_of(abs(factor - 1), 2 * FACTOR_TOLERANCE)
    sentence = f"{word} to {percent}."
    return Operation(operation_type, degree, sentence, factor=round(factor, 3), certainty=certainty)


def _reversed(segments: list[TemporalSegment]) -> list[Operation]:
    backwards = sum(segment.end - segment.start for segment in segments if segment.factor < 0)
    if not backwards:
        return []
    part = "" if all(segment.factor < 0 for segment in segments) else f" for {backwards:.1f} seconds"
    return [Operation(OperationType.REVERSED, Degree.STRONG, f"Played backwards{part}.")]


def _reordered(segments: list[TemporalSegment]) -> list[Operation]:
    moving = [segment for segment in segments if segment.factor > 0]
    earlier = sum(
        later.reference[1] < first.reference[0] + ORDER_TOLERANCE_S for first, later in pairwise(moving)
    )
    if not earlier:
        return []
    return [Operation(OperationType.REORDERED, Degree.STRONG, "Parts were put in another order.")]


def _looped(segments: list[TemporalSegment]) -> list[Operation]:
    moving = [segment for segment in segments if segment.factor]
    times = max((sum(_shows_same(segment, other) for other in moving) for segment in moving), default=1)
    if times < 2:
        return []
    return [Operation(OperationType.LOOPED, Degree.CLEAR, f"A part is shown {times} times.")]


def _shows_same(segment: TemporalSegment, other: TemporalSegment) -> bool:
    (start, end), (other_start, other_end) = segment.reference, other.reference
    shared = min(end, other_end) - max(start, other_start)
    return shared > LOOP_SHARE * min(end - start, other_end - other_start)


def _clipped(segments: list[TemporalSegment], reference: float) -> list[Operation]:
    shown = seconds_covered([segment.reference for segment in segments])
    missing = reference - shown
    if missing <= max(CLIPPED_S, CLIPPED_SHARE * reference):
        return []
    sentence = f"Cut in time: {shown:.1f} of {reference:.1f} seconds of the original are shown."
    degree = degree_of(missing / reference, 0.15, 0.5)
    return [Operation(OperationType.CLIPPED, degree, sentence, measured={"shown_s": round(shown, 2)})]


def _concatenated(segments: list[TemporalSegment], query: float) -> list[Operation]:
    other = query - seconds_covered([(segment.start, segment.end) for segment in segments])
    if other <= max(OTHER_FOOTAGE_S, OTHER_FOOTAGE_SHARE * query):
        return []
    sentence = f"Joined with other footage: {other:.1f} of {query:.1f} seconds come from elsewhere."
    degree = degree_of(other / query, 0.15, 0.5)
    return [Operation(OperationType.CONCATENATED, degree, sentence, measured={"other_s": round(other, 1)})]


def seconds_covered(spans: list[tuple[float, float]]) -> float:
    """Returns how many seconds at least one of the (start, end) spans covers."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
