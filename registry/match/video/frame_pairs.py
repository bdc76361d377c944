"""A frame of an upload beside a registered one, and the pair that tells how one video lies on the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from indexer.timeline.track import SIDE, Track
from indexer.timeline.tracks import Size, track_similarity
from registry.match.candidates import Candidate, FrameHit
from registry.match.counter_evidence import shows_other_content
from registry.match.evidence_rules import agreement
from registry.match.verification import verify_candidate
from registry.media.previews import picture_of
from registry.media.query_frames import QueryFrames
from registry.media.uploads import Upload
from registry.services import RequestContext

PAIRS_TRIED = 4
APART_MS = 700
# Hits that agree on one shift in time go first where others are equal.
SHIFT_TOLERANCE_MS, SHIFT_WEIGHT = 300, 0.1
NO_DOUBT_SIMILARITY = 0.9  # frames that correlate so well leave no doubt about the geometry


@dataclass(frozen=True)
class FramePair:
    """A frame of the upload beside the registered frame of the same moment."""

    query_ms: int
    reference_ms: int
    upload: Upload  # the frame, as a still image
    candidate: Candidate


@dataclass(frozen=True)
class ReferenceVideo:
    """The registered side: what is kept of a video, or of a still image."""

    candidate: Candidate
    track: Track  # reduced; a still image has one frame
    times_ms: tuple[int, ...]  # of the frames that are kept
    size: Size

    @property
    def is_still(self) -> bool:
        """Whether it has no time."""
        return self.candidate.record.duration_ms is None


def first_pair(
    context: RequestContext, frames: QueryFrames, hits: list[FrameHit], candidate: Candidate
) -> tuple[FramePair, ReferenceVideo] | None:
    """Of the first few pairs whose features agree, the one whose geometry fits all other frames best."""
    chosen: list[FrameHit] = []
    for hit in _in_order(hits):
        if all(abs(hit.query_ms - other.query_ms) >= APART_MS for other in chosen):
            chosen.append(hit)
        if len(chosen) == PAIRS_TRIED:
            break
    limits = context.thresholds
    best: tuple[tuple[bool, float, float], FramePair, ReferenceVideo] | None = None
    for place, hit in enumerate(chosen):
        if place == 1:  # often the first leaves no doubt; else one pass over the file serves all others
            frames.prepare(other.query_ms for other in chosen)
        asked = replace(candidate, evidence=hit.evidence, time_ms=hit.reference_ms)
        pair = verify_pair(context, frames, hit.query_ms, asked)
        if pair is None or pair.candidate.alignment is None:
            continue
        agreeing = agreement(pair.candidate.evidence, limits)
        reference = _reference_of(context, pair.candidate) if agreeing >= limits.inliers_weak else None
        if reference is None:
            continue
        similarity = _similarity(frames, reference, pair)
        rank = agreeing >= limits.inliers_moderate, similarity, agreeing
        if best is None or rank > best[0]:
            best = rank, pair, reference
        if agreeing >= limits.inliers_very_strong and similarity >= NO_DOUBT_SIMILARITY:
            break
    return best[1:] if best else None


def _in_order(hits: Sequence[FrameHit]) -> list[FrameHit]:
    """The hits worth comparing first at the front."""
    shifts = np.array([hit.reference_ms - hit.query_ms for hit in hits])
    ordered = np.sort(shifts)
    agreeing = np.searchsorted(ordered, shifts + SHIFT_TOLERANCE_MS, side="right") - np.searchsorted(
        ordered, shifts - SHIFT_TOLERANCE_MS
    )
    shares = agreeing / max(1, len({hit.query_ms for hit in hits}))
    keys = [hit.rank_key + SHIFT_WEIGHT * min(1.0, share) for hit, share in zip(hits, shares, strict=True)]
    return [hits[place] for place in np.argsort(-np.array(keys), kind="stable")]


def _similarity(frames: QueryFrames, reference: ReferenceVideo, pair: FramePair) -> float:
    """How well all frames of both tracks correlate through the geometry of one pair, -1..1."""
    assert pair.upload.image is not None
    assert pair.candidate.alignment is not None
    height, width = pair.upload.image.pixels.shape[:2]
    homography = pair.candidate.alignment.homography
    return track_similarity(
        frames.video.track, reference.track, homography, (width, height), reference.size
    )


def verify_pair(
    context: RequestContext, frames: QueryFrames, query_ms: int, candidate: Candidate
) -> FramePair | None:
    """One frame of the upload compared with the frame of the candidate nearest to its time."""
    upload = frames.at(query_ms)
    if upload is None:
        return None
    verified = verify_candidate(context, upload, candidate, upload.features)
    if verified.pair is not None:
        verified.pair.release()  # up to thirty pairs of a video wait for each other
    return FramePair(query_ms, candidate.time_ms, upload, verified)


def _reference_of(context: RequestContext, candidate: Candidate) -> ReferenceVideo | None:
    picture = picture_of(candidate.record, candidate.time_ms)
    if picture is None:
        return None
    pixels = context.previews.pixels(picture) if candidate.reference is None else candidate.reference
    if pixels is None:
        return None
    size = pixels.shape[1], pixels.shape[0]
    if picture.time_ms is None:
        grey = cv2.resize(
            cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA
        )
        track = Track(np.zeros(1, np.int64), np.asarray(grey, np.uint8)[None], 1)
        return ReferenceVideo(candidate, track, (0,), size)
    board = context.previews.storyboard(picture.key)
    return None if board is None else ReferenceVideo(candidate, board.track, board.times_ms, size)


def agrees(context: RequestContext, pair: FramePair) -> bool:
    """Whether both frames show one picture; which moment of it the track says better."""
    evidence, limits = pair.candidate.evidence, context.thresholds
    windows_differ = evidence.dense is None or evidence.dense.agreeing < limits.same_frame_agreeing
    if windows_differ and shows_other_content(evidence, limits):
        return False  # the studio and the banner of one channel
    return agreement(evidence, limits) >= limits.inliers_moderate and evidence.spread >= limits.least_spread


def mostly_differ(context: RequestContext, pairs: Sequence[FramePair]) -> bool:
    """Whether most pairs agree on a channel's bars and name only, while the windows between them differ.

    Of one pair that may be an edit; a stretch of them is another report.
    """
    limits = context.thresholds
    known = [pair.candidate.evidence.dense for pair in pairs if pair.candidate.evidence.dense is not None]
    differ = sum(
        dense.agreeing < limits.different_capture_agreeing
        and dense.disagreeing > limits.different_capture_disagreeing
        for dense in known
    )
    return 2 * differ > len(known)
