"""Prepares a match of a video for a page: which seconds are which, as buttons, list and strip over time."""

import json
from dataclasses import dataclass

from indexer.compare.vocabulary import is_part
from registry.match.showing import frame_times_of
from registry.match.video.segments import clock
from registry.records.access import Sight
from registry.services import Services
from registry.storage.models import Record
from sdk.models import Match, MatchAnswer, OperationType, Segment

STRIP_WIDTH, STRIP_HEIGHT = 1000.0, 60.0


@dataclass(frozen=True)
class ShownSegment:
    """A segment in words, and its place on the strip in units of the strip's box."""

    query: str
    reference: str
    speed: str
    operations: tuple[str, ...]
    left: float
    width: float
    points: str  # of a polyline: similarity over time
    regions: str  # JSON: corners of changed regions in the upload, as shares


@dataclass(frozen=True)
class VideoView:
    """What a page shows of a match of a video, and what its players need."""

    segments: tuple[ShownSegment, ...]
    map: str  # JSON: the time map
    frames: str  # address of the registered frames, without the time
    times: str  # JSON: milliseconds of the frames that are kept
    length: str


def video_view_of(
    services: Services, record: Record, match: Match, answer: MatchAnswer, sight: Sight | None
) -> VideoView:
    """Prepares one match of the answer about a video; without leave, none of the record's frames."""
    length = answer.computed.duration_s or 1.0
    times = frame_times_of(services, record, sight) if sight else ()
    return VideoView(
        tuple(_shown(segment, length) for segment in match.segments),
        json.dumps([_mapped(segment) for segment in match.segments]),
        f"/v1/records/{record.id}/frames/",
        json.dumps(times),
        clock(length),
    )


def _shown(segment: Segment, length: float) -> ShownSegment:
    start, end = segment.query
    left, width = STRIP_WIDTH * start / length, STRIP_WIDTH * (end - start) / length
    count = max(1, len(segment.similarity))
    heights = [STRIP_HEIGHT * (1 - max(0.0, similarity)) for similarity in segment.similarity]
    points = [f"{left + width * (step + 0.5) / count:.1f},{y:.1f}" for step, y in enumerate(heights)]
    return ShownSegment(
        f"{clock(start)} to {clock(end)}",
        f"{clock(segment.reference[0])} to {clock(segment.reference[1])}",
        _speed(segment),
        tuple(operation.sentence for operation in segment.operations),
        round(left, 1),
        round(width, 1),
        " ".join(points),
        json.dumps(
            [
                operation.region.corners
                for operation in segment.operations
                if operation.region and is_part(operation.region.corners)
            ]
        ),
    )


def _speed(segment: Segment) -> str:
    if segment.factor is None:
        return "a still picture"
    if segment.factor == 0.0:
        return "frozen"
    backwards = "backwards, " if _is_reversed(segment) else ""
    return f"{backwards}at {100 * segment.factor:.0f} % of its speed"


def _mapped(segment: Segment) -> dict[str, object]:
    return {
        "query": segment.query,
        "reference": segment.reference,
        "factor": segment.factor or 0.0,
        "backwards": _is_reversed(segment),
    }


def _is_reversed(segment: Segment) -> bool:
    return any(operation.type is OperationType.REVERSED for operation in segment.operations)
