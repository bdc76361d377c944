"""What both videos show beyond the ends of a segment: more of the same take, or something else."""

from dataclasses import dataclass

from indexer.compare.geometry import Matrix, align
from indexer.timeline.takes import Beyond, beyond, cuts_within, is_slow
from indexer.timeline.temporal_segments import TemporalSegment
from indexer.timeline.track import Track, warp_track
from registry.match.video.frame_pairs import ReferenceVideo
from registry.media.previews import picture_of
from registry.media.query_frames import QueryFrames
from registry.services import RequestContext

# Kept frames on either side of a moment that is known to a fraction of a second.
INSIDE_MS, OUTSIDE_MS, OUTSIDE_SLOW_MS = (100, 1500), (300, 1500), (1000, 2500)

STOPS = (Beyond.CUTS, Beyond.DISSOLVES, Beyond.ENDS)


@dataclass(frozen=True)
class SegmentEnds:
    """At the start and at the end of a segment: what lies beyond it."""

    query: tuple[Beyond, Beyond]
    reference: tuple[Beyond, Beyond]  # at the same ends: played backwards, its later second comes first
    # Whether a take that goes on beyond the end is, in all, longer than any insert.
    is_long_take: tuple[bool, bool] = (False, False)

    def goes_on_in_one_at(self, end: int) -> bool:
        """Whether, at the start (0) or at the end (1), one video goes on and the other perhaps does not."""
        return (self.query[end] is Beyond.CONTINUES) != (self.reference[end] is Beyond.CONTINUES)

    @property
    def reference_goes_on(self) -> bool:
        """Whether the reference goes on with a take where the upload stops."""
        return any(
            there is Beyond.CONTINUES and here in STOPS
            for here, there in zip(self.query, self.reference, strict=True)
        )

    @property
    def query_goes_on(self) -> bool:
        """Whether the upload goes on with a take where the reference stops."""
        return any(
            here is Beyond.CONTINUES and there in STOPS
            for here, there in zip(self.query, self.reference, strict=True)
        )


def ends_of(
    context: RequestContext,
    frames: QueryFrames,
    reference: ReferenceVideo,
    segments: list[TemporalSegment],
    homography: Matrix,
) -> tuple[SegmentEnds, ...]:
    """Looks beyond both ends of every segment; the upload is seen in the reference's frame."""
    upload = frames.at(0)
    if reference.is_still or upload is None or upload.image is None:
        return ()
    size = upload.image.pixels.shape[1], upload.image.pixels.shape[0]
    track = frames.video.track
    warped = Track(track.times_ms, warp_track(track, homography, size, reference.size)[0], track.end_ms)
    found = []
    for segment in segments:
        forward = -1 if segment.factor < 0 else 1
        mine = (segment.start, -1), (segment.end, 1)
        its = (segment.at(segment.start), -forward), (segment.at(segment.end), forward)
        here = [beyond(warped, *end) for end in mine]
        there = [_beyond(context, reference, *end) for end in its]
        within_s = max(0.0, context.thresholds.insert_most_s - (segment.end - segment.start))
        is_long = [
            (shown is Beyond.CONTINUES and not cuts_within(warped, *end, within_s))
            or (shown_there is Beyond.CONTINUES and not cuts_within(reference.track, *its_end, within_s))
            for end, its_end, shown, shown_there in zip(mine, its, here, there, strict=True)
        ]
        found.append(
            SegmentEnds((here[0], here[1]), (there[0], there[1]), is_long_take=(is_long[0], is_long[1]))
        )
    return tuple(found)


def _beyond(context: RequestContext, reference: ReferenceVideo, second: float, side: int) -> Beyond:
    """By the track; where that does not tell, by the features of kept frames on either side."""
    found = beyond(reference.track, second, side)
    is_asked = found in (Beyond.DISSOLVES, Beyond.UNCLEAR)
    return Beyond.CONTINUES if is_asked and _agree_over(context, reference, second, side) else found


def _agree_over(context: RequestContext, reference: ReferenceVideo, second: float, side: int) -> bool:
    """Whether a kept frame inside and one beyond show one scene, however the camera moved meanwhile."""
    inside = _kept(reference, second, -side, INSIDE_MS)
    is_near = not is_slow(reference.track, second, side)
    outside = _kept(reference, second, side, OUTSIDE_MS if is_near else OUTSIDE_SLOW_MS)
    if inside is None or outside is None:
        return False
    record, limits = reference.candidate.record, context.thresholds
    pictures = [picture_of(record, time_ms) for time_ms in (inside, outside)]
    features = [context.previews.features(picture) if picture else None for picture in pictures]
    if features[0] is None or features[1] is None:
        return False
    alignment = align(features[0], features[1])
    if alignment is None:
        return False
    return alignment.inliers * min(1.0, alignment.spread / limits.full_spread) >= limits.inliers_moderate


def _kept(reference: ReferenceVideo, second: float, side: int, distance_ms: tuple[int, int]) -> int | None:
    """The kept frame on one side of a second that is nearest to it within two distances."""
    nearest, farthest = distance_ms
    distances = {time_ms: side * (time_ms - 1000 * second) for time_ms in reference.times_ms}
    inside = [time_ms for time_ms, distance in distances.items() if nearest <= distance <= farthest]
    return min(inside, key=lambda time_ms: distances[time_ms], default=None)
