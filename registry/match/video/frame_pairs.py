"""A frame of an upload beside a registered one, and the pair that tells how one video lies on the other."""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from indexer.timeline.track import SIDE, Track
from indexer.timeline.tracks import Size, track_similarity
from registry.match.evidence_rules import agreement
from registry.match.retrieval import Candidate
from registry.match.verification import compare_candidate
from registry.match.video.retrieval import FrameHit
from registry.media.previews import PreviewCache, picture_of
from registry.media.query_frames import QueryFrames
from registry.media.uploads import Upload
from registry.services import Services

PAIRS_TRIED = 4
APART_MS = 700
IN_STEP_MS, IN_STEP_WORTH = 300, 0.1  # hits that agree on one shift in time go first where others are equal
SURELY_ALIKE = 0.9  # frames that correlate so well leave no doubt about the geometry


@dataclass(frozen=True)
class FramePair:
    """A frame of the upload beside the registered frame of the same moment."""

    query_ms: int
    reference_ms: int
    upload: Upload  # the frame, as a still image
    candidate: Candidate


@dataclass(frozen=True)
class Known:
    """The registered side: what is kept of a video, or of a still image."""

    candidate: Candidate
    track: Track  # reduced; of a still one frame
    times_ms: tuple[int, ...]  # of the frames that are kept
    size: Size

    @cached_property
    def is_still(self) -> bool:
        """Whether it has no time."""
        return self.candidate.record.duration_ms is None


def first_pair(
    services: Services,
    cache: PreviewCache,
    frames: QueryFrames,
    hits: list[FrameHit],
    candidate: Candidate,
) -> tuple[FramePair, Known] | None:
    """Of the first few pairs whose features agree, the one whose geometry fits all other frames best."""
    chosen: list[FrameHit] = []
    for hit in _in_order(hits):
        if all(abs(hit.query_ms - one.query_ms) >= APART_MS for one in chosen):
            chosen.append(hit)
        if len(chosen) == PAIRS_TRIED:
            break
    frames.prepare(one.query_ms for one in chosen)
    thresholds = services.thresholds
    best: tuple[tuple[bool, float, float], FramePair, Known] | None = None
    for hit in chosen:
        asked = replace(candidate, measured=hit.measured, time_ms=hit.reference_ms)
        pair = compare_frames(services, cache, frames, hit.query_ms, asked)
        if pair is None or pair.candidate.alignment is None:
            continue
        worth = agreement(pair.candidate.measured, thresholds)
        known = _known(services, cache, pair.candidate) if worth >= thresholds.inliers_weak else None
        if known is None:
            continue
        alike = _alike(frames, known, pair)
        rank = worth >= thresholds.inliers_moderate, alike, worth
        if best is None or rank > best[0]:
            best = rank, pair, known
        if worth >= thresholds.inliers_very_strong and alike >= SURELY_ALIKE:
            break
    return best[1:] if best else None


def _in_order(hits: list[FrameHit]) -> list[FrameHit]:
    """The most promising first."""
    shifts = np.array([one.reference_ms - one.query_ms for one in hits])
    in_order = np.sort(shifts)
    together = np.searchsorted(in_order, shifts + IN_STEP_MS, side="right") - np.searchsorted(
        in_order, shifts - IN_STEP_MS
    )
    share = together / max(1, len({one.query_ms for one in hits}))
    worth = [
        one.promise + IN_STEP_WORTH * min(1.0, agreeing) for one, agreeing in zip(hits, share, strict=True)
    ]
    return [hits[place] for place in np.argsort(-np.array(worth), kind="stable")]


def _alike(frames: QueryFrames, known: Known, pair: FramePair) -> float:
    assert pair.upload.image is not None
    assert pair.candidate.alignment is not None
    height, width = pair.upload.image.pixels.shape[:2]
    homography = pair.candidate.alignment.homography
    return track_similarity(frames.video.track, known.track, homography, (width, height), known.size)


def compare_frames(
    services: Services, cache: PreviewCache, frames: QueryFrames, query_ms: int, candidate: Candidate
) -> FramePair | None:
    """One frame of the upload laid on the frame of the candidate nearest to its time."""
    upload = frames.at(query_ms)
    if upload is None:
        return None
    compared = compare_candidate(services, cache, upload, candidate, upload.features)
    if compared.pair is not None:
        compared.pair.release()  # up to thirty pairs of a video wait for each other
    return FramePair(query_ms, candidate.time_ms, upload, compared)


def _known(services: Services, cache: PreviewCache, candidate: Candidate) -> Known | None:
    picture = picture_of(candidate.record, candidate.time_ms)
    if picture is None:
        return None
    pixels = cache.pixels(services, picture) if candidate.reference is None else candidate.reference
    if pixels is None:
        return None
    size = pixels.shape[1], pixels.shape[0]
    if picture.time_ms is None:
        grey = cv2.resize(
            cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA
        )
        track = Track(np.zeros(1, np.int64), np.asarray(grey, np.uint8)[None], 1)
        return Known(candidate, track, (0,), size)
    board = cache.storyboard(services, picture.key)
    return None if board is None else Known(candidate, board.track, board.times_ms, size)


def agrees(services: Services, pair: FramePair) -> bool:
    """Whether both frames show one picture; which moment of it the track says better."""
    measured = pair.candidate.measured
    enough = agreement(measured, services.thresholds) >= services.thresholds.inliers_moderate
    return enough and measured.spread >= services.thresholds.least_spread
