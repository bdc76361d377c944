"""Which seconds of an upload are which of a registered video, in words. Pure functions."""

from collections.abc import Sequence

from indexer.timeline.operations import seconds_covered
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.candidates import Candidate

SEGMENTS_IN_WORDS = 3


def where_in_time(segments: tuple[TemporalSegment, ...]) -> str:
    """As a person would say it: "00:03.2 to 00:11.0 is 00:41.0 to 00:48.8 of the original"."""
    stretches = [_stretch(segment) for segment in segments[:SEGMENTS_IN_WORDS]]
    left = len(segments) - SEGMENTS_IN_WORDS
    more = f" and {left} more" if left > 0 else ""
    return f"{'; '.join(stretches)}{more} of the original."


def _stretch(segment: TemporalSegment) -> str:
    start, end = segment.reference
    shown = f"{clock(start)} frozen" if segment.factor == 0 else f"{clock(start)} to {clock(end)}"
    return f"{clock(segment.start)} to {clock(segment.end)} is {shown}"


def heard_in_common(segments: Sequence[TemporalSegment]) -> str:
    """The phrase before a record's name where two videos sound alike and look different."""
    seconds = seconds_covered([(segment.start, segment.end) for segment in segments])
    places = [f"{clock(segment.start)} to {clock(segment.end)}" for segment in segments]
    more = f" and {len(places) - SEGMENTS_IN_WORDS} more" if len(places) > SEGMENTS_IN_WORDS else ""
    return (
        f"shares its sound for {seconds:.1f} seconds ({', '.join(places[:SEGMENTS_IN_WORDS])}{more}), "
        "under other pictures, with"
    )


def clock(second: float) -> str:
    """Minutes and seconds to a tenth."""
    tenths = max(0, round(10 * second))
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def moment_in_words(candidate: Candidate) -> str | None:
    """A sentence for a still image that was found in a video; None: the record has no time."""
    if candidate.record.duration_ms is None:
        return None
    return f"It is the frame at about {clock(candidate.time_ms / 1000)} of the video."
