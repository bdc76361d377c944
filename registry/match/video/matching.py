"""Which of the retrieved records a video shows: which seconds, at what speed, and what was done to them."""

from collections.abc import Sequence
from dataclasses import replace

from indexer.fingerprints.audio import Spectrogram
from indexer.fingerprints.kinds import AUDIO
from indexer.timeline.audio import find_audio_segments
from indexer.timeline.operations import Spans
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.candidates import BY_DIGEST, Candidate, RetrievedRecord
from registry.match.evidence_rules import SUSPICION_FACTOR, MatchAssessment, assess_video
from registry.match.match_evidence import MatchEvidence
from registry.match.matched import MatchedRecord, MatchedSegment, SharedTime
from registry.match.video.alignment import align_video
from registry.match.video.description import describe_video
from registry.match.video.direction import direction_in_time, direction_of_frames, joined
from registry.match.video.frame_pairs import agrees
from registry.match.video.inserts import inserts_in_words
from registry.match.video.segments import heard_in_common
from registry.match.video.shared_time import shared_time
from registry.media.query_frames import QueryFrames
from registry.media.uploads import Progress, VideoContent
from registry.services import RequestContext
from registry.storage.models import Record

AUDIO_CONFIDENCE_FACTOR = 0.9  # ranks audio alone below pictures of the same similarity


def match_video(
    context: RequestContext,
    frames: QueryFrames,
    retrieved: list[RetrievedRecord],
    progress: Progress | None = None,
) -> list[MatchedRecord]:
    """Every record that some seconds are proved to show, with what was done to them; in no order."""
    matches = []
    for number, record in enumerate(retrieved):
        if progress:
            progress(number / len(retrieved))
        match = _same_file(record) or _compared(context, frames, record)
        if match is not None:
            matches.append(match)
    return matches


def _same_file(retrieved: RetrievedRecord) -> MatchedRecord | None:
    if not retrieved.same_digest:
        return None
    candidate = Candidate(retrieved.record, MatchEvidence(same_digest=True), (BY_DIGEST,))
    end = (retrieved.record.duration_ms or 0) / 1000
    whole = MatchedSegment(TemporalSegment(0.0, end, 1.0, 0.0, 1.0), ())
    return MatchedRecord(
        candidate, MatchAssessment.exact(), segments=(whole,), shared=SharedTime(end, 1.0, 1.0)
    )


def _compared(
    context: RequestContext, frames: QueryFrames, retrieved: RetrievedRecord
) -> MatchedRecord | None:
    alignment = align_video(context, frames, retrieved)
    if alignment is None or not alignment.segments:
        by_audio = _by_audio(context, frames.video, retrieved)
        if by_audio is not None:
            return by_audio
    if alignment is None:
        return None
    evidence, in_time = alignment.candidate.evidence, bool(alignment.segments)
    assessment = assess_video(evidence, context.thresholds, in_time=in_time)
    if assessment is None:
        return None
    match = MatchedRecord(alignment.candidate, assessment)
    if not in_time:
        return match
    spans = spans_of(frames.video, retrieved.record)
    shared = shared_time(alignment.segments, spans)
    in_common = inserts_in_words(alignment.segments, alignment.ends, shared, spans, context.thresholds)
    if in_common is not None:
        return _shares_inserts(match, alignment.segments, shared, in_common)
    audio = registered_audio(context, retrieved.record)
    described = describe_video(context, frames.video, spans, alignment, match, audio)
    agreeing = [pair for pairs in alignment.pairs for pair in pairs if agrees(context, pair)]
    direction = joined(direction_in_time(alignment.ends), direction_of_frames(agreeing))
    return replace(described, shared=shared, direction=direction)


def spans_of(video: VideoContent, record: Record) -> Spans:
    """The lengths of an upload and of a record."""
    registered = None if record.duration_ms is None else record.duration_ms / 1000
    return Spans(video.track.end_ms / 1000, registered)


def _shares_inserts(
    match: MatchedRecord, segments: Sequence[TemporalSegment], shared: SharedTime, in_common: str
) -> MatchedRecord:
    """A suspicion. Nothing is said of operations: neither video was made from the other."""
    return replace(
        match,
        assessment=MatchAssessment.suspicion(SUSPICION_FACTOR * match.assessment.confidence),
        segments=tuple(MatchedSegment(segment, ()) for segment in segments),
        shared=shared,
        in_common=in_common,
    )


def _by_audio(
    context: RequestContext, video: VideoContent, retrieved: RetrievedRecord
) -> MatchedRecord | None:
    """The same sound under other pictures, which is a suspicion however long it lasts.

    A known speech that was laid under other pictures and a tune that many use sound alike by fingerprints:
    which of the two it is, a person hears.
    """
    if not retrieved.audio_hits or video.audio is None:
        return None
    audio = registered_audio(context, retrieved.record)
    if audio is None:
        return None
    segments = find_audio_segments(video.audio, audio)
    shared = shared_time(segments, spans_of(video, retrieved.record))
    if shared.seconds < context.thresholds.same_sound_least_s:
        return None
    similarity = max(segment.similarity for segment in segments)
    return MatchedRecord(
        Candidate(retrieved.record, MatchEvidence(), (AUDIO.name,)),
        MatchAssessment.suspicion(AUDIO_CONFIDENCE_FACTOR * similarity),
        segments=tuple(MatchedSegment(segment, ()) for segment in segments),
        shared=shared,
        in_common=heard_in_common(segments),
    )


def registered_audio(context: RequestContext, record: Record) -> Spectrogram | None:
    """The audio that is kept of a registered video; None: it is silent, or nothing is kept."""
    if record.preview_key is None or record.duration_ms is None:
        return None
    board = context.previews.storyboard(record.preview_key)
    return board.audio if board else None
