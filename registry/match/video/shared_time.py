"""How many seconds two videos have in common, and what share of each that is. Pure functions."""

from collections.abc import Sequence

from indexer.timeline.operations import Spans, seconds_covered
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.matched import SharedTime


def shared_time(segments: Sequence[TemporalSegment], spans: Spans) -> SharedTime:
    """Counts each second once, however often it is shown; a frozen frame is no second of the reference."""
    seconds = seconds_covered([(segment.start, segment.end) for segment in segments])
    query_share = min(1.0, seconds / max(spans.query, seconds, 1e-3))
    if spans.reference is None:
        return SharedTime(seconds, query_share, 1.0)
    shown = seconds_covered([segment.reference for segment in segments])
    return SharedTime(seconds, query_share, min(1.0, shown / max(spans.reference, 1e-3)))
