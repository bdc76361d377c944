"""What a page shows of a video: which seconds are which, as buttons, as a list and as a strip over time."""

import json
from dataclasses import dataclass

from sqlmodel import Session

from registry.match.video.segments import clock
from registry.records.reading import get_record
from registry.services import Services
from sdk.models import Match, MatchAnswer, OperationType, Segment

STRIP_WIDTH, STRIP_HEIGHT = 1000.0, 60.0


@dataclass(frozen=True)
class ShownSegment:
    """One segment in words, and its place on the strip in units of the strip's box."""

    query: str
    reference: str
    speed: str
    operations: tuple[str, ...]
    left: float
    width: float
    points: str  # of a polyline: similarity over time
    regions: str  # JSON: corners of changed regions in the upload, as shares


@dataclass(frozen=True)
class Footage:
    """Everything that the players need."""

    segments: tuple[ShownSegment, ...]
    map: str  # JSON: the time map
    frames: str  # address of the registered frames, without the time
    times: str  # JSON: milliseconds of the frames that are kept
    length: str


def footage_of(services: Services, session: Session, match: Match, answer: MatchAnswer) -> Footage:
    """Of one match of a video's answer."""
    length = answer.computed.duration_s or 1.0
    record = get_record(session, match.record.id)
    is_video = record.preview_key is not None and record.duration_ms is not None
    board = services.previews.storyboard(record.preview_key) if is_video and record.preview_key else None
    return Footage(
        tuple(_shown(one, length) for one in match.segments),
        json.dumps([_mapped(one) for one in match.segments]),
        f"/v1/records/{record.id}/frames/",
        json.dumps(board.times_ms if board else []),
        clock(length),
    )


def _shown(segment: Segment, length: float) -> ShownSegment:
    start, end = segment.query
    left, width = STRIP_WIDTH * start / length, STRIP_WIDTH * (end - start) / length
    count = max(1, len(segment.similarity))
    heights = [STRIP_HEIGHT * (1 - max(0.0, one)) for one in segment.similarity]
    points = [f"{left + width * (step + 0.5) / count:.1f},{y:.1f}" for step, y in enumerate(heights)]
    return ShownSegment(
        f"{clock(start)} to {clock(end)}",
        f"{clock(segment.reference[0])} to {clock(segment.reference[1])}",
        _speed(segment),
        tuple(one.sentence for one in segment.operations),
        round(left, 1),
        round(width, 1),
        " ".join(points),
        json.dumps(
            [
                one.region.corners
                for one in segment.operations
                if one.region and _is_part(one.region.corners)
            ]
        ),
    )


def _is_part(corners: tuple[tuple[float, float], ...]) -> bool:
    return any(0.0 < value < 1.0 for corner in corners for value in corner)


def _speed(segment: Segment) -> str:
    if segment.factor is None:
        return "a still picture"
    if segment.factor == 0.0:
        return "frozen"
    backwards = (
        "backwards, " if any(one.type is OperationType.REVERSED for one in segment.operations) else ""
    )
    return f"{backwards}at {100 * segment.factor:.0f} % of its speed"


def _mapped(segment: Segment) -> dict[str, object]:
    backwards = any(one.type is OperationType.REVERSED for one in segment.operations)
    return {
        "query": segment.query,
        "reference": segment.reference,
        "factor": segment.factor or 0.0,
        "backwards": backwards,
    }
