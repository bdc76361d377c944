"""From a nominated record to the seconds that an upload shows of it, with frames that prove it.

1. A few pairs of frames are compared as pictures are, until one confirms a geometry. 2. Through that
geometry the tracks are aligned in time. 3. Pairs on the lines give a more exact geometry, and the lines are
found again. 4. On every line pairs of frames are compared: what does not agree as pictures is no segment.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from sqlmodel import Session, col, select

from indexer.compare.features import LocalFeatures, extract_features
from indexer.compare.geometry import Alignment, Matrix, align_together
from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.compute import upright
from indexer.fingerprints.kinds import unpack_vectors, vector_kinds
from indexer.media.images import DecodedImage, Pixels
from indexer.timeline.alignment import find_lines
from indexer.timeline.lines import Line, Sequence
from indexer.timeline.track import SIDE, Track
from indexer.timeline.tracks import Size, lines_between
from registry.candidates import compare_candidate
from registry.models import Fingerprint, Record
from registry.nomination import Candidate
from registry.previews import PreviewCache, picture_of
from registry.rules import Measured, agreement
from registry.services import Services
from registry.uploads import Upload, VideoContent, frames_at
from registry.video_nomination import FrameHit, Nominated

NEAR_MS = 100  # around a computed moment, every frame is tried
USUAL_FRAME_RATE, MOST_FRAME_RATE = 30.0, 60.0
# Large enough for a running headline to be told from itself a frame later.
LIKENESS_SIDE = 320
PAIRS_TRIED = 4
APART_MS = 700
PAIRS_FOR_GEOMETRY = 12
PAIRS_PER_LINE, PAIRS_IN_ALL = 10, 30
# Of the pairs on a line with enough detail, those that must agree in the picture.
LEAST_AGREEING_PAIRS = 0.34
LEAST_BY_FINGERPRINTS_S = 1.5  # shorter, descriptors agree by chance
FULL_FRAME_TOLERANCE = 0.05  # corners so near to the frame's own are the frame's own


@dataclass(frozen=True)
class FramePair:
    """A frame of the upload beside the registered frame of the same moment."""

    query_ms: int
    reference_ms: int
    upload: Upload  # the frame, as a still image
    candidate: Candidate


@dataclass(frozen=True)
class Footage:
    """What an upload shows of one record."""

    candidate: Candidate  # its best pair
    lines: tuple[Line, ...] = ()
    pairs: tuple[tuple[FramePair, ...], ...] = ()  # by line


@dataclass(frozen=True)
class Moment:
    """A time of the upload that a line puts on a registered frame."""

    query_ms: int
    reference_ms: int
    reference: Pixels | None = None  # (h, w, 3) of the registered frame


class QueryFrames:
    """Frames of one upload, decoded when they are first wanted, with their local features."""

    def __init__(self, services: Services, video: VideoContent) -> None:
        self._services, self._video = services, video
        self._frames: dict[int, Upload] = {}

    @property
    def video(self) -> VideoContent:
        """Whose frames these are."""
        return self._video

    def prepare(self, times_ms: Iterable[int]) -> None:
        """Decode all of them in one pass."""
        wanted = sorted({self._inside(one) for one in times_ms} - set(self._frames))
        for time_ms, pixels in zip(wanted, frames_at(self._services, self._video, wanted), strict=False):
            self._frames[time_ms] = _as_upload(pixels, self._video)

    def at(self, time_ms: int) -> Upload | None:
        """The frame that is shown then; None where the file breaks off."""
        self.prepare([time_ms])
        return self._frames.get(self._inside(time_ms))

    def prepare_exactly(self, moments: Iterable[Moment], homography: Matrix, size: Size) -> list[int]:
        """For every moment the time near it whose frame is most like the registered one.

        A line is good to a few hundredths of a second, in which a mouth opens. The frames are then at hand.
        """
        step = 1000 / min(MOST_FRAME_RATE, self._video.info.frame_rate or USUAL_FRAME_RATE)
        reach = int(np.ceil(NEAR_MS / step))
        shifts = (np.arange(-reach, reach + 1) * step).round().astype(int).tolist()
        found = []
        for moment in moments:
            around = sorted({self._inside(moment.query_ms + shift) for shift in shifts})
            shown = list(zip(around, frames_at(self._services, self._video, around), strict=False))
            if not shown or moment.reference is None:
                found.append(moment.query_ms)
                continue
            alike = [likeness(pixels, moment.reference, homography, size) for _, pixels in shown]
            time_ms, pixels = shown[int(np.argmax(alike))]
            self._frames.setdefault(time_ms, _as_upload(pixels, self._video))
            found.append(time_ms)
        return found

    def _inside(self, time_ms: int) -> int:
        return int(min(max(0, time_ms), self._video.track.times_ms[-1]))


def likeness(query: Pixels, reference: Pixels, homography: Matrix, size: Size) -> float:
    """Correlation of a frame with a registered one of the given size, laid on it and small; -1..1."""
    scale = LIKENESS_SIDE / max(size)
    small = max(8, round(size[0] * scale)), max(8, round(size[1] * scale))
    matrix = np.diag([small[0] / size[0], small[1] / size[1], 1.0]) @ homography
    grey = cv2.cvtColor(query, cv2.COLOR_RGB2GRAY)
    # As coarse as it will be shown, or the finest detail would be taken at random.
    reduction = scale * float(np.sqrt(abs(np.linalg.det(homography[:2, :2]))))
    grey = cv2.GaussianBlur(grey, (0, 0), max(0.5, 0.4 / max(reduction, 1e-3)))
    ours = cv2.warpPerspective(grey, matrix, small)
    shown = cv2.warpPerspective(np.full(grey.shape, 255, np.uint8), matrix, small) > 250
    theirs = cv2.resize(cv2.cvtColor(reference, cv2.COLOR_RGB2GRAY), small, interpolation=cv2.INTER_AREA)
    if shown.sum() < 50:
        return -1.0
    left, right = ours[shown].astype(np.float64), theirs[shown].astype(np.float64)
    left, right = left - left.mean(), right - right.mean()
    return float((left * right).sum() / max(1e-6, np.linalg.norm(left) * np.linalg.norm(right)))


def _as_upload(pixels: Pixels, video: VideoContent) -> Upload:
    image = DecodedImage(pixels, video.info.media_type, video.info.width, video.info.height)
    return Upload(None, (), None, None, image, extract_features(pixels))


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


def find_footage(
    services: Services,
    cache: PreviewCache,
    session: Session,
    frames: QueryFrames,
    nominated: Nominated,
) -> Footage | None:
    """None: nothing in the picture confirms it."""
    candidate = Candidate(nominated.record, Measured(), tuple(sorted(nominated.found_by)))
    if nominated.record.preview_key is None:
        return _by_fingerprints(session, frames.video, candidate)
    first = _first_pair(services, cache, frames, nominated.hits, candidate)
    if first is None or first.candidate.alignment is None:
        return None
    known = _known(services, cache, first.candidate)
    if known is None:
        return None
    lines, homography = _lines(services, cache, frames, known, first)
    if not lines:
        return Footage(first.candidate)
    return _proved(services, cache, frames, known, lines, homography)


def _by_fingerprints(session: Session, video: VideoContent, candidate: Candidate) -> Footage | None:
    """Where no picture is kept: the descriptors alone, aligned in time."""
    stored = session.exec(
        select(Fingerprint)
        .where(
            Fingerprint.record_id == candidate.record.id,
            col(Fingerprint.kind).in_([one.name for one in vector_kinds()]),
        )
        .order_by(col(Fingerprint.time_ms))
    ).all()
    if not stored:
        return None
    kind = stored[-1].kind
    rows = [one for one in stored if one.kind == kind]
    asked = [(frame.time_ms, upright(frame.fingerprints, kind)) for frame in video.frames]
    ours = [(time_ms, one.value) for time_ms, one in asked if one is not None]
    lines = find_lines(
        _sequence(ours, video.track.end_ms),
        _sequence([(one.time_ms, one.value) for one in rows], candidate.record.duration_ms or 1),
    )
    lines = [line for line in lines if line.end - line.start >= LEAST_BY_FINGERPRINTS_S]
    if not lines:
        return None
    similarity = max(line.similarity for line in lines)
    known = calibration_of(kind)
    rate = known.rate_of(similarity) if known else None
    measured = Measured(descriptor_similarity=similarity, descriptor_rate=rate)
    return Footage(replace(candidate, measured=measured), tuple(lines), tuple(() for _ in lines))


def _sequence(values: list[tuple[int, bytes]], end_ms: int) -> Sequence:
    times = np.array([time_ms for time_ms, _ in values]) / 1000
    return Sequence(times, unpack_vectors([value for _, value in values]), end_ms / 1000)


def _first_pair(
    services: Services,
    cache: PreviewCache,
    frames: QueryFrames,
    hits: list[FrameHit],
    candidate: Candidate,
) -> FramePair | None:
    """The best of the first few pairs of frames, by agreeing features."""
    chosen: list[FrameHit] = []
    for hit in sorted(hits, key=lambda one: one.promise, reverse=True):
        if all(abs(hit.query_ms - one.query_ms) >= APART_MS for one in chosen):
            chosen.append(hit)
        if len(chosen) == PAIRS_TRIED:
            break
    frames.prepare(one.query_ms for one in chosen)
    best: tuple[float, FramePair] | None = None
    for hit in chosen:
        asked = replace(candidate, measured=hit.measured, time_ms=hit.reference_ms)
        pair = compare_frames(services, cache, frames, hit.query_ms, asked)
        if pair is None or pair.candidate.alignment is None:
            continue
        worth = agreement(pair.candidate.measured, services.thresholds)
        if best is None or worth > best[0]:
            best = worth, pair
        if worth >= services.thresholds.inliers_very_strong:
            break
    if best is None or best[0] < services.thresholds.inliers_weak:
        return None
    return best[1]


def compare_frames(
    services: Services, cache: PreviewCache, frames: QueryFrames, query_ms: int, candidate: Candidate
) -> FramePair | None:
    """One frame of the upload laid on the frame of the candidate nearest to its time."""
    upload = frames.at(query_ms)
    if upload is None:
        return None
    compared = compare_candidate(services, cache, upload, candidate, upload.features)
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


def _lines(
    services: Services, cache: PreviewCache, frames: QueryFrames, known: Known, first: FramePair
) -> tuple[list[Line], Matrix]:
    """In time, by the geometry of one pair, then by that of many."""
    alignment = first.candidate.alignment
    assert alignment is not None
    assert first.upload.image is not None
    size = first.upload.image.pixels.shape[1], first.upload.image.pixels.shape[0]
    track = frames.video.track
    lines = lines_between(track, known.track, alignment.homography, size, known.size)
    found = [(lines, alignment.homography)]
    better = _joint_geometry(services, cache, frames, known, lines, alignment)
    exact = _full_frame(better if better is not None else alignment.homography, size, known.size)
    for homography in (better, exact):
        if homography is not None:
            lines = lines_between(track, known.track, homography, size, known.size)
            found.append((lines, homography))
    return max(found, key=lambda one: _explained(one[0]))


def _explained(lines: list[Line]) -> float:
    """Seconds, weighted by how well their frames correlate; fewer lines where they say the same."""
    return sum((line.end - line.start) * line.similarity for line in lines) - 0.2 * len(lines)


def _joint_geometry(
    services: Services,
    cache: PreviewCache,
    frames: QueryFrames,
    known: Known,
    lines: list[Line],
    alignment: Alignment,
) -> Matrix | None:
    """One homography from pairs all over the lines."""
    if not lines:
        return None
    each = max(1, PAIRS_FOR_GEOMETRY // len(lines))
    moments = [one for line in lines for one in moments_on(line, known, each)]
    frames.prepare(query_ms for query_ms, _ in moments)
    pairs: list[tuple[LocalFeatures, LocalFeatures]] = []
    for query_ms, reference_ms in moments:
        upload = frames.at(query_ms)
        picture = picture_of(known.candidate.record, reference_ms)
        theirs = cache.features(services, picture) if picture else None
        if upload and upload.features and theirs:
            pairs.append((upload.features, theirs))
    return align_together(pairs, is_mirrored=alignment.is_mirrored) if pairs else None


def _full_frame(homography: Matrix, size: Size, reference_size: Size) -> Matrix | None:
    """The whole frame on the whole frame, where that is nearly so; a panning camera hides a small shift."""
    corners = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], np.float32)
    mapped = cv2.perspectiveTransform(corners[None], homography)[0] / np.array(reference_size, np.float32)
    straight = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    for target in (straight, straight[[1, 0, 3, 2]]):
        if np.abs(mapped - target).max() < FULL_FRAME_TOLERANCE:
            goal = (target * np.array(reference_size, np.float32)).astype(np.float32)
            return np.asarray(cv2.getPerspectiveTransform(corners, goal), np.float64)
    return None


def moments_on(line: Line, known: Known, count: int) -> list[tuple[int, int]]:
    """(query_ms, reference_ms) of up to `count` kept frames spread over a line."""
    if known.is_still or line.factor == 0.0:
        reference_ms = 0 if known.is_still else _nearest(known.times_ms, 1000 * line.offset)
        inner = np.linspace(line.start, line.end, count + 2)[1:-1]
        return [(round(1000 * second), reference_ms) for second in inner]
    start, end = (1000 * one for one in line.reference)
    inside = [one for one in known.times_ms if start + 40 <= one <= end - 40]
    if not inside:
        inside = [_nearest(known.times_ms, (start + end) / 2)]
    places = np.unique(np.linspace(0, len(inside) - 1, min(count, len(inside))).round().astype(int))
    chosen = [inside[place] for place in places]
    # A hair later, so that the frame that begins then is the one that is shown.
    return [(round(1000 * (one / 1000 - line.offset) / line.factor) + 5, one) for one in chosen]


def _nearest(times_ms: tuple[int, ...], wanted: float) -> int:
    return min(times_ms, key=lambda one: abs(one - wanted))


def _proved(
    services: Services,
    cache: PreviewCache,
    frames: QueryFrames,
    known: Known,
    lines: list[Line],
    homography: Matrix,
) -> Footage | None:
    """Lines whose frames agree in the picture."""
    each = max(2, min(PAIRS_PER_LINE, PAIRS_IN_ALL // len(lines)))
    afresh = Candidate(known.candidate.record, Measured(), known.candidate.found_by)
    kept: list[tuple[Line, tuple[FramePair, ...]]] = []
    for line in lines:
        moments = [
            Moment(query_ms, reference_ms, _registered(services, cache, afresh.record, reference_ms))
            for query_ms, reference_ms in moments_on(line, known, each)
        ]
        exact = (
            [one.query_ms for one in moments]
            if known.is_still
            else frames.prepare_exactly(moments, homography, known.size)
        )
        pairs = [
            compare_frames(services, cache, frames, query_ms, replace(afresh, time_ms=one.reference_ms))
            for query_ms, one in zip(exact, moments, strict=True)
        ]
        proved = tuple(one for one in pairs if one is not None)
        agreeing = sum(agrees(services, one) for one in proved)
        if agreeing and agreeing >= LEAST_AGREEING_PAIRS * len(proved):
            kept.append((line, proved))
    if not kept:
        return None
    every = [pair for _, pairs in kept for pair in pairs]
    best = max(every, key=lambda one: agreement(one.candidate.measured, services.thresholds))
    return Footage(best.candidate, tuple(line for line, _ in kept), tuple(pairs for _, pairs in kept))


def _registered(services: Services, cache: PreviewCache, record: Record, time_ms: int) -> Pixels | None:
    picture = picture_of(record, time_ms)
    return cache.pixels(services, picture) if picture else None


def agrees(services: Services, pair: FramePair) -> bool:
    """Whether both frames show one picture; which moment of it the track says better."""
    measured = pair.candidate.measured
    enough = agreement(measured, services.thresholds) >= services.thresholds.inliers_moderate
    return enough and measured.spread >= services.thresholds.least_spread
