"""Which of the retrieved records a video shows: which seconds, at what speed, and what was done to them."""

from indexer.compare.vocabulary import Operation
from indexer.fingerprints.audio import Spectrogram
from indexer.fingerprints.kinds import AUDIO
from indexer.operations import Degree, OperationType
from indexer.timeline.audio import find_audio_segments
from indexer.timeline.operations import Spans, in_order, operations_in_time
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.candidates import BY_DIGEST, Candidate, RetrievedRecord
from registry.match.evidence_rules import MatchAssessment, MatchEvidence, assess_video
from registry.match.matched import MatchedRecord, MatchedSegment
from registry.match.video.alignment import align_video
from registry.match.video.description import describe_video
from registry.match.video.segments import where_in_time
from registry.media.query_frames import QueryFrames
from registry.media.uploads import Progress, VideoContent
from registry.services import RequestContext
from registry.storage.models import Record
from sdk.models import MatchRelation, Strength

LEAST_BY_AUDIO_S, SURE_BY_AUDIO_S = 3.0, 6.0
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
    return MatchedRecord(candidate, MatchAssessment.exact(), segments=(whole,))


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
    audio = registered_audio(context, retrieved.record)
    return describe_video(context, frames.video, alignment, match, audio)


def _by_audio(
    context: RequestContext, video: VideoContent, retrieved: RetrievedRecord
) -> MatchedRecord | None:
    """The original's audio under other pictures."""
    if not retrieved.audio_hits or video.audio is None:
        return None
    audio = registered_audio(context, retrieved.record)
    if audio is None:
        return None
    segments = find_audio_segments(video.audio, audio)
    seconds = sum(segment.end - segment.start for segment in segments)
    if seconds < LEAST_BY_AUDIO_S:
        return None
    replaced = Operation(
        OperationType.PICTURES_REPLACED,
        Degree.STRONG,
        "The original's sound is heard under other pictures.",
    )
    similarity = max(segment.similarity for segment in segments)
    strength = Strength.STRONG if seconds >= SURE_BY_AUDIO_S else Strength.MODERATE
    spans = Spans(video.track.end_ms / 1000, (retrieved.record.duration_ms or 0) / 1000)
    return MatchedRecord(
        Candidate(retrieved.record, MatchEvidence(), (AUDIO.name,)),
        MatchAssessment(strength, MatchRelation.DERIVATIVE, AUDIO_CONFIDENCE_FACTOR * similarity),
        tuple(in_order([replaced, *operations_in_time(segments, spans)])),
        segments=tuple(MatchedSegment(segment, (replaced,)) for segment in segments),
        where=where_in_time(tuple(segments)),
    )


def registered_audio(context: RequestContext, record: Record) -> Spectrogram | None:
    """The audio that is kept of a registered video; None: it is silent, or nothing is kept."""
    if record.preview_key is None or record.duration_ms is None:
        return None
    board = context.previews.storyboard(record.preview_key)
    return board.audio if board else None
