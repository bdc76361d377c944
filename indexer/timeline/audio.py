"""Aligns two audio tracks in time as frames are aligned, and compares them along given segments."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from indexer.compare.vocabulary import Operation, certainty_of, degree_of
from indexer.fingerprints.audio import HOP_S, WINDOW, Bands, Spectrogram
from indexer.media.audio import SAMPLE_RATE
from indexer.operations import Degree, OperationType
from indexer.timeline.alignment import find_segments
from indexer.timeline.operations import FACTOR_TOLERANCE
from indexer.timeline.sequence import Sequence
from indexer.timeline.steady import SAME_SPECTRUM, is_same_steady
from indexer.timeline.temporal_segments import TemporalSegment

MIDDLE_S = WINDOW / SAMPLE_RATE / 2  # from the start of a row's window to its middle
# Mean correlation on a segment, from which both are the same audio: the same speech, coded anew or
# stretched, has 0.64 and more, other speech 0.2.
SAME_AUDIO = 0.45
LEAST_COMPARED_S = 1.5
LEAST_AUDIBLE_S = 0.5  # anything shorter is a click
DELAYS_S = np.arange(-0.3, 0.31, 0.05)  # audio and pictures are not always in step
IN_STEP_S = 0.28  # what lies farther than this, or at the end of that range, was moved
# Sound that was moved farther against the pictures is looked for at any distance. With so many tried, other
# speech agrees by chance up to 0.41 over three seconds, and less over more.
SAME_MOVED = 0.55
SAME_THROUGHOUT = 0.35  # of each quarter: a half that was replaced is not made good by the other
REARRANGED_SHARE = 0.8  # of the query's audible seconds
LEAST_MOVED_S, LEAST_MOVED_SHARE = 2.5, 0.8  # of what is audible of the segment
# Semitones by which the usual speeds move the pitch where it was not corrected.
USUAL_SHIFTS = (0, 5, 2, -4, -7, 12, -12)
EXPLAINED_SHARE = 0.5  # of the query's audible seconds, after which no other pitch is tried


@dataclass(frozen=True)
class AudioAgreement:
    """How similar the audio of a segment is to the original's."""

    similarity: float  # mean correlation, -1..1
    semitones: int  # by which the query's pitch was raised to agree
    seconds: float  # in which both are audible
    later_s: float = 0.0  # by which it is heard later than with the original's pictures
    weakest: float = -1.0  # mean correlation of the quarter of the segment that agrees least


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
    """Compares the audio along a segment, at its own pitch and at the pitch of its speed.

    Where it is not the same in step with the pictures, it is looked for elsewhere in the original.
    """
    reference_audio = as_sequence(reference)
    speed_shift = -round(12 * float(np.log2(abs(segment.factor)))) if segment.factor else 0
    pitches = tuple(dict.fromkeys((0, speed_shift)))
    in_step = _best_agreement(segment, query, reference_audio, pitches, DELAYS_S)
    is_same = in_step.similarity >= SAME_AUDIO and abs(in_step.later_s) < IN_STEP_S
    if is_same or segment.factor <= 0:
        return in_step
    span = segment.start, segment.end
    for semitones in pitches:
        if is_same_steady(query, span, reference, segment.reference, semitones):
            return replace(in_step, similarity=SAME_SPECTRUM, semitones=semitones, later_s=0.0)
    moved = _best_agreement(segment, query, reference_audio, pitches, None)
    is_moved = moved.similarity >= max(SAME_MOVED, in_step.similarity) and moved.weakest >= SAME_THROUGHOUT
    return moved if is_moved else in_step


def _best_agreement(
    segment: TemporalSegment,
    query: Spectrogram,
    reference_audio: Sequence,
    pitches: tuple[int, ...],
    delays_s: npt.NDArray[np.float64] | None,
) -> AudioAgreement:
    """The best of these delays; None: of those at which enough of the segment agrees, whatever they are."""
    best = AudioAgreement(-1.0, 0, 0.0)
    for semitones in pitches:
        query_audio = as_sequence(query, semitones)
        inside = (query_audio.times >= segment.start) & (query_audio.times < segment.end)
        times, rows = query_audio.times[inside], query_audio.vectors[inside]
        delays = _likely_delays_s(segment, times, rows, reference_audio) if delays_s is None else delays_s
        for delay in delays:
            reference_rows = reference_audio.at(segment.factor * (times + delay) + segment.offset)
            audible = (np.linalg.norm(reference_rows, axis=1) > 0.5) & (np.linalg.norm(rows, axis=1) > 0.5)
            if not audible.any():
                continue
            similar = np.einsum("ij,ij->i", rows[audible], reference_rows[audible])
            if similar.mean() > best.similarity:
                weakest = min(float(part.mean()) for part in np.array_split(similar, 4) if len(part))
                seconds = HOP_S * len(similar)
                best = AudioAgreement(float(similar.mean()), semitones, seconds, -float(delay), weakest)
    return best


def _likely_delays_s(
    segment: TemporalSegment, times: npt.NDArray[np.float64], rows: Bands, reference_audio: Sequence
) -> npt.NDArray[np.float64]:
    """Finds the delay at which a segment's (n, SEMITONES) rows agree best, and those around it.

    By the correlation of all delays at once (Fourier transform, band by band).
    """
    if not len(times) or not len(reference_audio.times):
        return np.zeros(0)
    first = (reference_audio.times[0] - segment.offset) / segment.factor  # on the query's clock
    last = (reference_audio.times[-1] - segment.offset) / segment.factor
    other = reference_audio.at(segment.factor * np.arange(first, last + HOP_S / 2, HOP_S) + segment.offset)
    heard, other_heard = (np.linalg.norm(one, axis=1, keepdims=True) > 0.5 for one in (rows, other))
    audible_s = HOP_S * _correlation(heard.astype(np.float32), other_heard.astype(np.float32))
    agreement = HOP_S * _correlation(rows, other) / np.maximum(audible_s, HOP_S)
    least_s = max(LEAST_MOVED_S, LEAST_MOVED_SHARE * HOP_S * int(heard.sum()))
    agreement[audible_s < least_s] = -1.0
    place = int(agreement.argmax())
    if agreement[place] < 0:
        return np.zeros(0)
    delay = first - times[0] + HOP_S * (place - len(rows) + 1)
    return np.asarray(delay + np.arange(-HOP_S / 2, HOP_S, HOP_S / 2))


def _correlation(rows: Bands, others: Bands) -> npt.NDArray[np.float64]:
    """Returns sums of products for every shift: at place i, rows[0] lies on others[i - len(rows) + 1]."""
    length = len(rows) + len(others) - 1
    product = np.fft.rfft(others, length, axis=0) * np.fft.rfft(rows[::-1], length, axis=0)
    return np.asarray(np.fft.irfft(product.sum(axis=1), length), np.float64)


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
    if other_s > 0.5 * total_s > 0 and _is_rearranged(segments, query, reference):
        if not reference.in_step:
            return []
        sentence = "Its sound is the original's, but parts of it are heard at other moments or speeds."
        return [Operation(OperationType.AUDIO_RETIMED, Degree.CLEAR, sentence)]
    if other_s > 0.5 * total_s > 0:
        share = other_s / total_s
        sentence = "Its sound was replaced: what is heard is not the original's."
        measured = {"other_share": round(share, 3)}
        degree, certainty = degree_of(share, 0.6, 0.9), certainty_of(share, 0.75)
        operations.append(Operation(replaced, degree, sentence, measured=measured, certainty=certainty))
    same_audio = [(segment, audio) for segment, audio in compared if audio.similarity >= SAME_AUDIO]
    if reference.in_step:
        operations += _moved(same_audio)
    return [*operations, *_retimed(same_audio)]


def _is_rearranged(segments: list[TemporalSegment], query: Spectrogram, reference: Spectrogram) -> bool:
    """Whether nearly all that is heard in the segments is the original's sound from somewhere."""
    heard = [(segment.start, segment.end) for segment in segments]
    found = find_segments(as_sequence(query), as_sequence(reference))
    of_original = [
        (max(start, piece.start), min(end, piece.end))
        for piece in found
        for start, end in heard
        if piece.similarity >= SAME_MOVED and piece.factor > 0
    ]
    return _audible_seconds(query, of_original) >= REARRANGED_SHARE * _audible_seconds(query, heard)


def _audible_seconds(audio: Spectrogram | None, spans: list[tuple[float, float]]) -> float:
    """Returns how many seconds within the spans are audible."""
    if audio is None:
        return 0.0
    times = np.arange(len(audio.bands)) * HOP_S + MIDDLE_S
    inside = np.zeros(len(times), np.bool_)
    for start, end in spans:
        inside |= (times >= start) & (times < end)
    return HOP_S * int((audio.audible & inside).sum())


def _moved(same_audio: list[tuple[TemporalSegment, AudioAgreement]]) -> list[Operation]:
    """Names how far the sound was moved against the pictures, in the longest segment where it was."""
    moved = [(segment, audio) for segment, audio in same_audio if abs(audio.later_s) > IN_STEP_S]
    if not moved:
        return []
    _, audio = max(moved, key=lambda pair: pair[0].end - pair[0].start)
    word = "later" if audio.later_s > 0 else "earlier"
    moved_by = f"{abs(audio.later_s):.1f} seconds {word}"
    sentence = f"Its sound is the original's, but heard {moved_by} against the pictures."
    degree = degree_of(abs(audio.later_s), 0.5, 2.0)
    measured = {"later_s": round(audio.later_s, 2)}
    return [Operation(OperationType.AUDIO_RETIMED, degree, sentence, measured=measured)]


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
