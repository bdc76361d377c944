"""Segments: which seconds of an upload are which of a registered video, in words and as wire types."""

from indexer.timeline.operations import Spans
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.explanation import wire_operation
from registry.match.matched import Found
from registry.match.retrieval import Candidate
from sdk.models import Segment

FEW_SEGMENTS = 3


def where_in_time(lines: tuple[TemporalSegment, ...], spans: Spans) -> str:
    """As a person would say it: "00:03.2 to 00:11.0 is 00:41.0 to 00:48.8 of the original"."""
    said = [
        f"{clock(line.start)} to {clock(line.end)} is "
        + (
            f"{clock(line.reference[0])} frozen"
            if line.factor == 0
            else f"{clock(line.reference[0])} to {clock(line.reference[1])}"
        )
        for line in lines[:FEW_SEGMENTS]
    ]
    more = f" and {len(lines) - FEW_SEGMENTS} more" if len(lines) > FEW_SEGMENTS else ""
    return f"{'; '.join(said)}{more} of the original."


def clock(second: float) -> str:
    """Minutes and seconds to a tenth."""
    tenths = max(0, round(10 * second))
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def moment_in_words(candidate: Candidate) -> str | None:
    """Of a still image that was found in a video."""
    if candidate.record.duration_ms is None:
        return None
    return f"It is the frame at about {clock(candidate.time_ms / 1000)} of the video."


def segments_of(found: Found, *, with_evidence: bool) -> tuple[Segment, ...]:
    """As they are answered; of a still image found in a video the moment that it shows."""
    if not found.stretches and found.candidate.record.duration_ms is not None:
        second = round(found.candidate.time_ms / 1000, 3)
        return (Segment(query=(0.0, 0.0), reference=(second, second), factor=None, operations=()),)
    return tuple(
        Segment(
            query=(round(one.line.start, 3), round(one.line.end, 3)),
            reference=_within(one.line.reference, (found.candidate.record.duration_ms or 0) / 1000),
            factor=None if one.of_a_still else round(abs(one.line.factor), 4),
            operations=tuple(wire_operation(op, with_evidence=with_evidence) for op in one.operations),
            similarity=one.line.similarity_profile if with_evidence else (),
        )
        for one in found.stretches
    )


def _within(stretch: tuple[float, float], longest: float) -> tuple[float, float]:
    start, end = (round(min(max(0.0, one), longest), 3) for one in stretch)
    return start, end
