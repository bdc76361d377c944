"""Aligns two audio tracks in time as frames are aligned, and compares them along given segments."""

from dataclasses import dataclass, replace

import numpy as np

from indexer.compare.vocabulary import Operation, degree_of
from indexer.fingerprints.audio import HOP_S, WINDOW, Spectrogram
from indexer.media.audio import SAMPLE_RATE
from indexer.operations import Degree, OperationType
from indexer.timeline.alignment import find_segments
from indexer.timeline.operations import FACTOR_TOLERANCE
from indexer.timeline.temporal_segments import Sequence, TemporalSegment

MIDDLE_S = WINDOW / SAMPLE_RATE / 2  # from the start of a row's window to its middle
# Mean correlation on a segment, from which both are the same audio: the same speech, coded anew or
# stretched, has 0.64 and more, other speech 0.2.
SAME_AUDIO = 0.45
LEAST_COMPARED_S = 1.5
LEAST_AUDIBLE_S = 0.5  # anything shorter is a click
DELAYS_S = np.arange(-0.3, 0.31, 0.05)  # audio and pictures are not always in step
# Semitones by which the usual speeds move the pitch where it was not corrected.
USUAL_SHIFTS = (0, 5, 2, -4, -7, 12, -12)
EXPLAINED_SHARE = 0.5  # of the query's audible seconds, after which no other pitch is tried


@dataclass(frozen=True)
class AudioAgreement:
    """How similar the audio of a segment is to the original's."""

    similarity: float  # mean correlation, -1..1
    semitones: int  # by which the query's pitch was raised to agree
    seconds: float  # in which both are audible


def as_sequence(audio: Spectrogram, semitones: int = 0) -> Sequence:
    """Converts a spectrogram for alignment in time; each row stands for the middle of its window."""
    times = np.arange(len(audio.bands), dtype=np.float64) * HOP_S + MIDDLE_S
    return Sequence(times, audio.vectors(semitones), len(audio.bands) * HOP_S + 2 * MIDDLE_S)


def find_audio_segments(query: Spectrogram, reference: Spectrogram) -> list[TemporalSegment]:
    """Finds which seconds of the query's audio are which of the reference's, whatever the pictures show."""
    if query.is_silent or reference.is_silent:
        return []
    reference_audio = as_sequence(reference)
    best: list[TemporalSegment] = []
    for semitones in USUAL_SHIFTS:
        segments = find_segments(as_sequence(query, semitones), reference_audio)
        if _seconds(segments) > _seconds(best):
            best = segments
        if _seconds(best) > EXPLAINED_SHARE * HOP_S * int(query.audible.sum()):
            break
    return [segment for segment in best if segment.similarity >= SAME_AUDIO]


def _seconds(segments: list[TemporalSegment]) -> float:
    return sum(segment.end - segment.start for segment in segments)


def compare_audio(segment: TemporalSegment, query: Spectrogram, reference: Spectrogram) -> AudioAgreement:
    """Compares the audio along a segment, at its own pitch and at the pitch of its speed."""
    reference_audio = as_sequence(reference)
    speed_shift = -round(12 * float(np.log2(abs(segment.factor)))) if segment.factor else 0
    best = AudioAgreement(-1.0, 0, 0.0)
    for semitones in dict.fromkeys((0, speed_shift)):
        query_audio = as_sequence(query, semitones)
        inside = (query_audio.times >= segment.start) & (query_audio.times < segment.end)
        times, rows = query_audio.times[inside], query_audio.vectors[inside]
        for delay in DELAYS_S:
            reference_rows = reference_audio.at(segment.factor * (times + delay) + segment.offset)
            audible = (np.linalg.norm(reference_rows, axis=1) > 0.5) & (np.linalg.norm(rows, axis=1) > 0.5)
            if not audible.any():
                continue
            similarity = float(np.einsum("ij,ij->i", rows[audible], reference_rows[audible]).mean())
            if similarity > best.similarity:
                best = AudioAgreement(similarity, semitones, HOP_S * int(audible.sum()))
    return best


def audio_operations(
    segments: list[TemporalSegment], query: Spectrogram | None, reference: Spectrogram | None
) -> list[Operation]:
    """Tells what was done to the audio of segments whose pictures are the original's."""
    replaced = OperationType.AUDIO_REPLACED
    query_s = _audible_seconds(query, [(segment.start, segment.end) for segment in segments])
    reference_s = _audible_seconds(reference, [segment.reference for segment in segments])
    if reference_s >= LEAST_AUDIBLE_S > query_s:
        return [Operation(replaced, Degree.CLEAR, "Its sound was taken away.")]
    if query_s >= LEAST_AUDIBLE_S > reference_s:
        return [Operation(replaced, Degree.CLEAR, "Sound was added: the original has none.")]
    if query is None or reference is None:
        return []
    compared = [
        (segment, compare_audio(segment, query, reference)) for segment in segments if segment.factor > 0
    ]
    compared = [(segment, audio) for segment, audio in compared if audio.seconds >= LEAST_COMPARED_S]
    other_s = sum(audio.seconds for _, audio in compared if audio.similarity < SAME_AUDIO)
    total_s = sum(audio.seconds for _, audio in compared)
    operations = []
    if other_s > 0.5 * total_s > 0:
        share = other_s / total_s
        sentence = "Its sound was replaced: what is heard is not the original's."
        measured = {"other_share": round(share, 3)}
        operations.append(Operation(replaced, degree_of(share, 0.6, 0.9), sentence, measured=measured))
    same_audio = [(segment, audio) for segment, audio in compared if audio.similarity >= SAME_AUDIO]
    return [*operations, *_retimed(same_audio)]


def _audible_seconds(audio: Spectrogram | None, spans: list[tuple[float, float]]) -> float:
    """Returns how many seconds within the spans are audible."""
    if audio is None:
        return 0.0
    times = np.arange(len(audio.bands)) * HOP_S + MIDDLE_S
    inside = np.zeros(len(times), np.bool_)
    for start, end in spans:
        inside |= (times >= start) & (times < end)
    return HOP_S * int((audio.audible & inside).sum())


def _retimed(same_audio: list[tuple[TemporalSegment, AudioAgreement]]) -> list[Operation]:
    """Names the speed of the longest segment whose audio is the original's at another speed."""
    changed = [
        (segment, audio) for segment, audio in same_audio if abs(segment.factor - 1) > FACTOR_TOLERANCE
    ]
    if not changed:
        return []
    segment, audio = max(changed, key=lambda pair: pair[0].end - pair[0].start)
    word = "slowed" if segment.factor < 1 else "sped up"
    pitch = "its pitch was corrected" if audio.semitones == 0 else "its pitch moved with it"
    degree = degree_of(abs(segment.factor - 1), 0.06, 0.2)
    operation = Operation(OperationType.AUDIO_RETIMED, degree, f"Its sound was {word} along, and {pitch}.")
    return [
        replace(operation, factor=round(segment.factor, 3), measured={"semitones": float(audio.semitones)})
    ]
