"""Which seconds an upload shows of a video of which no picture is kept: by descriptors alone."""

from dataclasses import replace

import numpy as np
from sqlmodel import Session, col, select

from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.compute import upright
from indexer.fingerprints.kinds import unpack_vectors, vector_kinds
from indexer.timeline.alignment import find_segments
from indexer.timeline.sequence import Sequence
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.candidates import Candidate
from registry.match.match_evidence import MatchEvidence
from registry.media.uploads import VideoContent
from registry.storage.models import Fingerprint

LEAST_BY_FINGERPRINTS_S = 1.5  # in a shorter stretch descriptors agree by chance


def align_by_fingerprints(
    session: Session, video: VideoContent, candidate: Candidate
) -> tuple[Candidate, list[TemporalSegment]] | None:
    """The candidate with its evidence, and the segments; None: no stretch is long enough."""
    stored = session.exec(
        select(Fingerprint)
        .where(
            Fingerprint.record_id == candidate.record.id,
            col(Fingerprint.kind).in_([kind.name for kind in vector_kinds()]),
        )
        .order_by(col(Fingerprint.time_ms))
    ).all()
    if not stored:
        return None
    kind = stored[-1].kind
    rows = [row for row in stored if row.kind == kind]
    described = [(frame.time_ms, upright(frame.fingerprints, kind)) for frame in video.frames]
    query = [(time_ms, descriptor.value) for time_ms, descriptor in described if descriptor is not None]
    segments = find_segments(
        _sequence(query, video.track.end_ms),
        _sequence([(row.time_ms, row.value) for row in rows], candidate.record.duration_ms or 1),
    )
    segments = [segment for segment in segments if segment.end - segment.start >= LEAST_BY_FINGERPRINTS_S]
    if not segments:
        return None
    similarity = max(segment.similarity for segment in segments)
    calibration = calibration_of(kind)
    rate = calibration.rate_of(similarity) if calibration else None
    evidence = MatchEvidence(descriptor_similarity=similarity, descriptor_rate=rate)
    return replace(candidate, evidence=evidence), segments


def _sequence(values: list[tuple[int, bytes]], end_ms: int) -> Sequence:
    times = np.array([time_ms for time_ms, _ in values]) / 1000
    return Sequence(times, unpack_vectors([value for _, value in values]), end_ms / 1000)
