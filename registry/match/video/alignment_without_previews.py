"""Which seconds an upload shows of a video of which no picture is kept: by descriptors alone."""

from dataclasses import replace

import numpy as np
from sqlmodel import Session, col, select

from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.compute import upright
from indexer.fingerprints.kinds import unpack_vectors, vector_kinds
from indexer.timeline.alignment import find_segments
from indexer.timeline.temporal_segments import Sequence, TemporalSegment
from registry.match.evidence_rules import Measured
from registry.match.retrieval import Candidate
from registry.media.uploads import VideoContent
from registry.storage.models import Fingerprint

LEAST_BY_FINGERPRINTS_S = 1.5  # shorter, descriptors agree by chance


def lines_by_fingerprints(
    session: Session, video: VideoContent, candidate: Candidate
) -> tuple[Candidate, list[TemporalSegment]] | None:
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
    lines = find_segments(
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
    return replace(candidate, measured=measured), lines


def _sequence(values: list[tuple[int, bytes]], end_ms: int) -> Sequence:
    times = np.array([time_ms for time_ms, _ in values]) / 1000
    return Sequence(times, unpack_vectors([value for _, value in values]), end_ms / 1000)
