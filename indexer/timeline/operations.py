"""What was done to a video in time, as its lines prove it, and to its pictures, over its frames."""

from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from itertools import pairwise

from indexer.compare.vocabulary import Operation, Quad, degree_of
from indexer.operations import OPERATIONS, Degree, OperationType
from indexer.timeline.temporal_segments import TemporalSegment

FACTOR_TOLERANCE = 0.02  # a line of a few seconds is not surer of its factor
SAME_FACTOR = 0.02
# Film, PAL and NTSC are converted by playing them at another rate.
CONVERSIONS = (25 / 24, 24 / 25, 25 / 23.976, 23.976 / 25)
CONVERSION_TOLERANCE = 0.003
CLIPPED_S, CLIPPED_SHARE = 0.6, 0.02  # missing at either end, or within
FOREIGN_S, FOREIGN_SHARE = 0.9, 0.02
LOOP_SHARE = 0.6  # of the shorter of two stretches that show the same
ORDER_TOLERANCE_S = 0.3
# A small face, coarsely coded, looks like another person's now and then; a swapped one in every frame.
SLIGHT_SHARE = 0.8
OVERLAYS_SEEN = 0.15  # share of the frames in which it is taken for one
LASTING_FRAMES, LASTING_REACH = 3, 0.15  # compared frames; of width and height between neighbours


@dataclass(frozen=True)
class Spans:
    """How long both videos are, in seconds; a still image has no length."""

    query: float
    reference: float | None


def operations_in_time(lines: list[TemporalSegment], spans: Spans) -> list[Operation]:
    """Of lines in the order of the query's seconds."""
    found = []
    if spans.reference is not None:
        found = [*_retimed(lines), *_reversed(lines), *_reordered(lines), *_looped(lines)]
        found += _clipped(lines, spans.reference)
    return [*found, *_concatenated(lines, spans.query)]


def operations_of_segment(line: TemporalSegment) -> list[Operation]:
    """What was done in time within one stretch."""
    return [*_retimed([line]), *_reversed([line])]


def over_frames(by_frame: Many[Many[Operation]]) -> list[Operation]:
    """What was done to the pictures of a stretch: operations that enough of its compared frames show."""
    shown: dict[OperationType, list[Operation]] = {}
    for operations in _lasting(_as_overlays(by_frame)):
        for kind in {one.type for one in operations}:
            # The first of a kind in a frame is its strongest.
            shown.setdefault(kind, []).append(next(one for one in operations if one.type is kind))
    count = len(by_frame)
    kept = [_joined(found, count) for kind, found in shown.items() if _is_shown(kind, found, count)]
    return in_order(kept)


def _is_shown(kind: OperationType, found: list[Operation], count: int) -> bool:
    """Whether enough of `count` frames show it."""
    least = max(OPERATIONS[kind].least_share * count, min(2, count))
    if kind is OperationType.FACE_SWAP and count >= LASTING_FRAMES and len(found) < SLIGHT_SHARE * count:
        return sum(one.degree is not Degree.SLIGHT for one in found) >= least
    return len(found) >= least


def _as_overlays(by_frame: Many[Many[Operation]]) -> Many[Many[Operation]]:
    """What is an overlay in some frames is one in all: one frame does not always tell it from an edit."""
    seen = [
        one.reference_region
        for operations in by_frame
        for one in operations
        if one.type is OperationType.OVERLAY and one.reference_region
    ]
    if not seen or len(seen) < OVERLAYS_SEEN * len(by_frame):
        return by_frame

    def renamed(one: Operation, like: Operation) -> Operation:
        return replace(one, type=like.type, sentence=like.sentence)

    like = next(one for ones in by_frame for one in ones if one.type is OperationType.OVERLAY)
    return [
        [
            renamed(one, like)
            if one.type is OperationType.LOCAL_EDIT and _meets(one.reference_region, seen)
            else one
            for one in operations
        ]
        for operations in by_frame
    ]


def _lasting(by_frame: Many[Many[Operation]]) -> Many[Many[Operation]]:
    """Without weak edits of single places that neither neighbouring frame shows thereabouts."""
    if len(by_frame) < LASTING_FRAMES:
        return by_frame

    def lasts(one: Operation, place: int) -> bool:
        if one.degree is Degree.STRONG or one.reference_region is None or not _stays_in_place(one):
            return True
        x, y = _middle(one.reference_region)
        around = [*by_frame[max(0, place - 1) : place], *by_frame[place + 1 : place + 2]]
        there = [
            _middle(other.reference_region)
            for operations in around
            for other in operations
            if other.reference_region is not None and _stays_in_place(other)
        ]
        return any(max(abs(x - their_x), abs(y - their_y)) <= LASTING_REACH for their_x, their_y in there)

    return [[one for one in operations if lasts(one, place)] for place, operations in enumerate(by_frame)]


def _stays_in_place(operation: Operation) -> bool:
    return OPERATIONS[operation.type].stays_in_place


def _middle(region: Quad) -> tuple[float, float]:
    x, y = (sum(corner[axis] for corner in region) / len(region) for axis in (0, 1))
    return x, y


def _meets(region: Quad | None, others: list[Quad]) -> bool:
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


def _joined(found: list[Operation], count: int) -> Operation:
    ranked = sorted(found, key=lambda operation: operation.degree.rank)
    typical = ranked[len(ranked) // 2]
    sentence = typical.sentence
    if len(found) < count:
        sentence += f" Seen in {len(found)} of {count} compared frames."
    measured = {**typical.measured, "frames": len(found), "frames_compared": count}
    return replace(typical, sentence=sentence, measured=measured)


def _retimed(lines: list[TemporalSegment]) -> list[Operation]:
    groups: dict[float, float] = {}  # seconds of the query by factor
    for line in lines:
        factor = abs(line.factor)
        if abs(factor - 1) <= FACTOR_TOLERANCE:
            continue
        known = next((one for one in groups if abs(one - factor) <= SAME_FACTOR * max(one, factor)), factor)
        groups[known] = groups.get(known, 0.0) + line.end - line.start
    return [_retimed_by(factor) for factor in sorted(groups, key=lambda one: -groups[one])]


def _retimed_by(factor: float) -> Operation:
    kind, percent = OperationType.RETIMED, f"{100 * factor:.0f} percent of its speed"
    if factor == 0.0:
        return Operation(kind, Degree.STRONG, "One frame is held still.", factor=0.0)
    if any(abs(factor - one) < CONVERSION_TOLERANCE for one in CONVERSIONS):
        sentence = f"Played at {percent}, as conversion between frame rates does."
        return Operation(kind, Degree.SLIGHT, sentence, factor=round(factor, 3))
    word = "Slowed" if factor < 1 else "Sped up"
    degree = degree_of(abs(factor - 1), 0.06, 0.2)
    return Operation(kind, degree, f"{word} to {percent}.", factor=round(factor, 3))


def _reversed(lines: list[TemporalSegment]) -> list[Operation]:
    backwards = sum(line.end - line.start for line in lines if line.factor < 0)
    if not backwards:
        return []
    part = "" if all(line.factor < 0 for line in lines) else f" for {backwards:.1f} seconds"
    return [Operation(OperationType.REVERSED, Degree.STRONG, f"Played backwards{part}.")]


def _reordered(lines: list[TemporalSegment]) -> list[Operation]:
    moving = [line for line in lines if line.factor > 0]
    earlier = sum(
        later.reference[1] < one.reference[0] + ORDER_TOLERANCE_S for one, later in pairwise(moving)
    )
    if not earlier:
        return []
    return [Operation(OperationType.REORDERED, Degree.STRONG, "Parts were put in another order.")]


def _looped(lines: list[TemporalSegment]) -> list[Operation]:
    moving = [line for line in lines if line.factor]
    times = max((sum(_shows_same(one, other) for other in moving) for one in moving), default=1)
    if times < 2:
        return []
    return [Operation(OperationType.LOOPED, Degree.CLEAR, f"A part is shown {times} times.")]


def _shows_same(one: TemporalSegment, other: TemporalSegment) -> bool:
    (start, end), (other_start, other_end) = one.reference, other.reference
    both = min(end, other_end) - max(start, other_start)
    return both > LOOP_SHARE * min(end - start, other_end - other_start)


def _clipped(lines: list[TemporalSegment], reference: float) -> list[Operation]:
    shown = _union([line.reference for line in lines])
    missing = reference - shown
    if missing <= max(CLIPPED_S, CLIPPED_SHARE * reference):
        return []
    sentence = f"Cut in time: {shown:.1f} of {reference:.1f} seconds of the original are shown."
    degree = degree_of(missing / reference, 0.15, 0.5)
    return [Operation(OperationType.CLIPPED, degree, sentence, measured={"shown_s": round(shown, 2)})]


def _concatenated(lines: list[TemporalSegment], query: float) -> list[Operation]:
    other = query - _union([(line.start, line.end) for line in lines])
    if other <= max(FOREIGN_S, FOREIGN_SHARE * query):
        return []
    sentence = f"Joined with other footage: {other:.1f} of {query:.1f} seconds come from elsewhere."
    degree = degree_of(other / query, 0.15, 0.5)
    return [Operation(OperationType.CONCATENATED, degree, sentence, measured={"other_s": round(other, 1)})]


def _union(stretches: list[tuple[float, float]]) -> float:
    """Seconds covered by any of them."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(stretches):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
