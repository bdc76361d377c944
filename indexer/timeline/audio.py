"""Two sounds: aligned in time like frames, and compared along the lines that the pictures gave."""

from dataclasses import dataclass, replace

import numpy as np

from indexer.compare.vocabulary import Operation, degree_of
from indexer.fingerprints.audio import HOP_S, WINDOW, Spectrogram
from indexer.media.audio import SAMPLE_RATE
from indexer.operations import Degree, OperationType
from indexer.timeline.alignment import find_segments
from indexer.timeline.operations import FACTOR_TOLERANCE
from indexer.timeline.temporal_segments import Sequence, TemporalSegment

MIDDLE_S = WINDOW / SAMPLE_RATE / 2  # of the samples that a row is made from
# Mean correlation on a line: the same speech, coded anew or stretched, has 0.64 and more, another 0.2.
SAME_AUDIO = 0.45
LEAST_COMPARED_S = 1.5
LEAST_HEARD_S = 0.5  # less is a click
LATE_S = np.arange(-0.3, 0.31, 0.05)  # sound and picture are not always in step
# Semitones by which the usual speeds move the pitch that nobody corrected.
USUAL_SHIFTS = (0, 5, 2, -4, -7, 12, -12)
EXPLAINED_SHARE = 0.5


@dataclass(frozen=True)
class AudioAgreement:
    """How far a stretch sounds like the registered one."""

    similarity: float  # mean correlation, -1..1
    semitones: int  # by which the query's pitch was raised to agree
    seconds: float  # in which both are to be heard


def as_sequence(audio: Spectrogram, semitones: int = 0) -> Sequence:
    """As the alignment in time takes it; a row stands for the middle of its window."""
    times = np.arange(len(audio.bands), dtype=np.float64) * HOP_S + MIDDLE_S
    return Sequence(times, audio.vectors(semitones), len(audio.bands) * HOP_S + 2 * MIDDLE_S)


def find_audio_segments(query: Spectrogram, reference: Spectrogram) -> list[TemporalSegment]:
    """Which seconds of one sound are which of another, whatever is to be seen."""
    if query.is_silent or reference.is_silent:
        return []
    theirs = as_sequence(reference)
    best: list[TemporalSegment] = []
    for semitones in USUAL_SHIFTS:
        lines = find_segments(as_sequence(query, semitones), theirs)
        if _seconds(lines) > _seconds(best):
            best = lines
        if _seconds(best) > EXPLAINED_SHARE * HOP_S * int(query.loud.sum()):
            break
    return [one for one in best if one.similarity >= SAME_AUDIO]


def _seconds(lines: list[TemporalSegment]) -> float:
    return sum(line.end - line.start for line in lines)


def compare_audio(line: TemporalSegment, query: Spectrogram, reference: Spectrogram) -> AudioAgreement:
    """The sound along a line that the pictures gave, at its pitch or at that of its speed."""
    theirs = as_sequence(reference)
    by_speed = -round(12 * float(np.log2(abs(line.factor)))) if line.factor else 0
    found = AudioAgreement(-1.0, 0, 0.0)
    for semitones in dict.fromkeys((0, by_speed)):
        ours = as_sequence(query, semitones)
        inside = (ours.times >= line.start) & (ours.times < line.end)
        times, rows = ours.times[inside], ours.vectors[inside]
        for late in LATE_S:
            there = theirs.at(line.factor * (times + late) + line.offset)
            heard = (np.linalg.norm(there, axis=1) > 0.5) & (np.linalg.norm(rows, axis=1) > 0.5)
            if not heard.any():
                continue
            alike = float(np.einsum("ij,ij->i", rows[heard], there[heard]).mean())
            if alike > found.similarity:
                found = AudioAgreement(alike, semitones, HOP_S * int(heard.sum()))
    return found


def audio_operations(
    lines: list[TemporalSegment], query: Spectrogram | None, reference: Spectrogram | None
) -> list[Operation]:
    """What was done to the sound of stretches whose pictures are the original's."""
    kind = OperationType.AUDIO_REPLACED
    ours = _seconds_heard(query, [(one.start, one.end) for one in lines])
    theirs = _seconds_heard(reference, [one.reference for one in lines])
    if theirs >= LEAST_HEARD_S > ours:
        return [Operation(kind, Degree.CLEAR, "Its sound was taken away.")]
    if ours >= LEAST_HEARD_S > theirs:
        return [Operation(kind, Degree.CLEAR, "Sound was added: the original has none.")]
    if query is None or reference is None:
        return []
    compared = [(line, compare_audio(line, query, reference)) for line in lines if line.factor > 0]
    compared = [(line, one) for line, one in compared if one.seconds >= LEAST_COMPARED_S]
    other = sum(one.seconds for _, one in compared if one.similarity < SAME_AUDIO)
    total = sum(one.seconds for _, one in compared)
    found = []
    if other > 0.5 * total > 0:
        share = other / total
        sentence = "Its sound was replaced: what is heard is not the original's."
        measured = {"other_share": round(share, 3)}
        found.append(Operation(kind, degree_of(share, 0.6, 0.9), sentence, measured=measured))
    same = [(line, one) for line, one in compared if one.similarity >= SAME_AUDIO]
    return [*found, *_retimed(same)]


def _seconds_heard(audio: Spectrogram | None, spans: list[tuple[float, float]]) -> float:
    """Seconds within the spans in which something is to be heard."""
    if audio is None:
        return 0.0
    times = np.arange(len(audio.bands)) * HOP_S + MIDDLE_S
    inside = np.zeros(len(times), np.bool_)
    for start, end in spans:
        inside |= (times >= start) & (times < end)
    return HOP_S * int((audio.loud & inside).sum())


def _retimed(same: list[tuple[TemporalSegment, AudioAgreement]]) -> list[Operation]:
    changed = [(line, one) for line, one in same if abs(line.factor - 1) > FACTOR_TOLERANCE]
    if not changed:
        return []
    line, audio = max(changed, key=lambda one: one[0].end - one[0].start)
    word = "slowed" if line.factor < 1 else "sped up"
    pitch = "its pitch was corrected" if audio.semitones == 0 else "its pitch moved with it"
    degree = degree_of(abs(line.factor - 1), 0.06, 0.2)
    operation = Operation(OperationType.AUDIO_RETIMED, degree, f"Its sound was {word} along, and {pitch}.")
    return [
        replace(operation, factor=round(line.factor, 3), measured={"semitones": float(audio.semitones)})
    ]
