"""Whether two videos share no more than an insert: an opener, an end, a sting, a stock clip.

An insert was cut into both. A part of one video in another was cut out of a take, and the video that it
came from shows more of that take. Pure functions.
"""

from collections.abc import Sequence

from indexer.timeline.operations import Spans, seconds_covered
from indexer.timeline.takes import Beyond
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.matched import SharedTime
from registry.match.video.segment_ends import SegmentEnds
from registry.match.video.segments import clock
from registry.thresholds import Thresholds

TOGETHER_S = 1.0  # so near to the start or the end of both videos, an insert is an opener or an end
SHOWN_IN_WORDS = 2


def inserts_in_words(
    segments: Sequence[TemporalSegment],
    ends: Sequence[SegmentEnds],
    shared: SharedTime,
    spans: Spans,
    limits: Thresholds,
) -> str | None:
    """A phrase before a record's name, where inserts are all that two videos share; None: they share more.

    `ends` is empty where no picture is kept: then only places and lengths count.
    """
    if spans.reference is None or not segments:
        return None
    if max(shared.query_share, shared.reference_share) > limits.insert_most_share:
        return None
    known: Sequence[SegmentEnds | None] = ends or [None] * len(segments)
    for segment, end in zip(segments, known, strict=True):
        if not _is_insert(segment, end, spans, limits):
            return None
    return f"shares {_named(segments, spans)} with"


def _is_insert(
    segment: TemporalSegment, ends: SegmentEnds | None, spans: Spans, limits: Thresholds
) -> bool:
    seconds = segment.end - segment.start
    if seconds > limits.insert_most_s:
        return False
    if seconds < limits.insert_sure_below_s:
        return True
    if ends is None:
        return _opens(segment) or _closes(segment, spans)
    for inner, is_there in ((1, _opens(segment)), (0, _closes(segment, spans))):
        if is_there:
            # An opener is used whole or shortened; what goes on for longer, or up to the end, is none.
            return not (ends.goes_on_in_one_at(inner) and ends.is_long_take[inner])
    is_inside_a_take = all(there is Beyond.CONTINUES for there in ends.reference)
    return not (is_inside_a_take or ends.reference_goes_on or ends.query_goes_on)


def _opens(segment: TemporalSegment) -> bool:
    return max(segment.start, segment.reference[0]) <= TOGETHER_S


def _closes(segment: TemporalSegment, spans: Spans) -> bool:
    assert spans.reference is not None
    return max(spans.query - segment.end, spans.reference - segment.reference[1]) <= TOGETHER_S


def _named(segments: Sequence[TemporalSegment], spans: Spans) -> str:
    """Openers and ends by their name, the rest by its seconds in the upload."""
    parts = []
    other = []
    for segment in segments:
        seconds = f"{segment.end - segment.start:.1f} seconds"
        if _opens(segment):
            parts.append(f"an opener of {seconds}")
        elif _closes(segment, spans):
            parts.append(f"an end of {seconds}")
        else:
            other.append(segment)
    if other:
        in_all = seconds_covered([(segment.start, segment.end) for segment in other])
        places = [f"{clock(segment.start)} to {clock(segment.end)}" for segment in other[:SHOWN_IN_WORDS]]
        more = f" and {len(other) - SHOWN_IN_WORDS} more" if len(other) > SHOWN_IN_WORDS else ""
        parts.append(f"{in_all:.1f} seconds ({', '.join(places)}{more})")
    return " and ".join(parts)
