from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from indexer.fingerprints.audio import Spectrogram, audio_codes, spectrogram_of
from indexer.fingerprints.kinds import AUDIO, Fingerprint, hamming
from indexer.media.audio import SAMPLE_RATE, Samples
from indexer.media.sandbox import DecoderPool
from indexer.operations import OperationType
from indexer.timeline.audio import audio_operations, find_audio_segments
from indexer.timeline.temporal_segments import TemporalSegment
from samples.audio_edits import stretched
from tests.indexer.media.test_audio import decoded
from tests.tracks import film, sound, written
from tests.videos import speech, with_audio


@pytest.fixture(scope="module")
def spoken() -> Samples:
    return speech(12.0, seed=1)


def kinds(
    segments: list[TemporalSegment], query: Spectrogram | None, reference: Spectrogram | None
) -> dict[OperationType, str]:
    return {
        operation.type: operation.sentence for operation in audio_operations(segments, query, reference)
    }


def test_audio_is_decoded_in_the_limited_process(spoken: Samples) -> None:
    with DecoderPool(1) as pool:
        samples = pool.audio(with_audio("coffee", "cat", "rocket", audio=spoken))
    assert len(samples) == pytest.approx(12 * SAMPLE_RATE, rel=0.02)
    assert not spectrogram_of(samples).is_silent


def test_codes_of_a_trimmed_copy_are_near_and_of_other_speech_far(spoken: Samples) -> None:
    whole = audio_codes(spectrogram_of(spoken))
    late = audio_codes(spectrogram_of(spoken[round(3.33 * SAMPLE_RATE) :]))
    other = audio_codes(spectrogram_of(speech(12.0, seed=2)))
    assert all(fingerprint.kind == AUDIO.name for fingerprint in whole)

    def nearest(codes: Iterable[Fingerprint], others: Sequence[Fingerprint]) -> list[int]:
        return sorted(min(hamming(code.value, other.value) for other in others) for code in codes)

    # A third of a step apart at worst; a few that agree in one order are enough.
    assert np.quantile(nearest(late, whole), 0.25) < 62
    assert min(nearest(other, whole)) > 70


@pytest.mark.parametrize("factor", [0.75, 0.9, 1.25, 1.5])
@pytest.mark.parametrize("pitch_kept", [True, False])
def test_audio_is_aligned_at_any_speed_and_says_what_became_of_its_pitch(
    spoken: Samples, factor: float, pitch_kept: bool
) -> None:
    query = spectrogram_of(stretched(spoken, factor, pitch_kept=pitch_kept))
    reference = spectrogram_of(spoken)
    segments = find_audio_segments(query, reference)
    assert segments
    longest = max(segments, key=lambda segment: segment.end - segment.start)
    assert longest.factor == pytest.approx(factor, rel=0.02)
    segment = TemporalSegment(0.0, 12.0 / factor, factor, 0.0, 0.99)
    found = kinds([segment], query, reference)
    assert set(found) == {OperationType.AUDIO_RETIMED}
    assert ("corrected" in found[OperationType.AUDIO_RETIMED]) == pitch_kept


def test_other_audio_and_none_are_told_from_the_originals(spoken: Samples) -> None:
    original, segment = spectrogram_of(spoken), TemporalSegment(0.0, 12.0, 1.0, 0.0, 0.99)
    silence = spectrogram_of(np.zeros(12 * SAMPLE_RATE, np.int16))
    assert kinds([segment], original, original) == {}
    assert kinds([segment], None, silence) == {}
    assert (
        "replaced"
        in kinds([segment], spectrogram_of(speech(12.0, seed=2)), original)[OperationType.AUDIO_REPLACED]
    )
    assert "taken away" in kinds([segment], silence, original)[OperationType.AUDIO_REPLACED]
    assert "added" in kinds([segment], original, None)[OperationType.AUDIO_REPLACED]
    assert find_audio_segments(spectrogram_of(speech(12.0, seed=2)), original) == []


def test_sound_of_which_a_part_was_cut_out_or_that_alone_was_slowed_is_not_called_another(
    spoken: Samples,
) -> None:
    original, segment = spectrogram_of(spoken), TemporalSegment(0.0, 12.0, 1.0, 0.0, 0.99)
    cut = np.concatenate([spoken[: 4 * SAMPLE_RATE], spoken[6 * SAMPLE_RATE :]])
    swapped = np.concatenate([spoken[6 * SAMPLE_RATE :], spoken[: 6 * SAMPLE_RATE]])
    for samples in (cut, swapped, stretched(spoken, 0.8, pitch_kept=True)):
        found = kinds([segment], spectrogram_of(samples), original)
        assert set(found) == {OperationType.AUDIO_RETIMED}
    half = np.concatenate([spoken[6 * SAMPLE_RATE :], speech(6.0, seed=2)])
    assert set(kinds([segment], spectrogram_of(half), original)) == {OperationType.AUDIO_REPLACED}


def tones(*frequencies: float, seconds: float = 6.0) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    waves = sum(np.sin(2 * np.pi * frequency * time) for frequency in frequencies)
    return np.asarray(8000 / len(frequencies) * waves, np.int16)


@pytest.mark.parametrize("held", [(440.0,), (262.0, 330.0, 392.0)], ids=["a tone", "a chord"])
def test_a_sound_that_stays_as_it_is_is_the_same_whatever_coding_adds_to_it(
    held: tuple[float, ...],
) -> None:
    samples = tones(*held)
    original = spectrogram_of(decoded(written("mp4", film(), sound(samples, at_s=1.0))))
    copy = spectrogram_of(
        decoded(written("matroska", film(), sound(np.pad(samples, (SAMPLE_RATE, 0)), codec="libopus")))
    )
    segment = TemporalSegment(0.0, 7.0, 1.0, 0.0, 0.99)
    assert kinds([segment], copy, original) == {}
    for other in (tones(554.0, 740.0), tones(1000.0), speech(6.0, 1)):
        found = kinds([segment], spectrogram_of(np.pad(other, (SAMPLE_RATE, 0))), original)
        assert set(found) == {OperationType.AUDIO_REPLACED}


def test_audio_counts_only_where_the_original_is_shown(spoken: Samples) -> None:
    quiet = np.zeros(5 * SAMPLE_RATE, np.int16)
    around = spectrogram_of(np.concatenate([spoken[: 5 * SAMPLE_RATE], quiet, spoken[: 5 * SAMPLE_RATE]]))
    silent_part, loud_part = (
        [TemporalSegment(5.5, 9.5, 1.0, -5.5, 1.0)],
        [TemporalSegment(0.5, 4.5, 1.0, -0.5, 1.0)],
    )
    assert kinds(silent_part, around, None) == {}
    assert "added" in kinds(loud_part, around, None)[OperationType.AUDIO_REPLACED]
    assert "taken away" in kinds(silent_part, around, spectrogram_of(spoken))[OperationType.AUDIO_REPLACED]


@pytest.mark.parametrize("later_s", [-5.1, -1.0, -0.4, 0.4, 1.2, 6.0])
def test_sound_that_was_moved_against_the_pictures_is_the_same_sound_and_it_is_said_how_far(
    spoken: Samples, later_s: float
) -> None:
    count = round(abs(later_s) * SAMPLE_RATE)
    moved = np.pad(spoken, (count, 0))[:-count] if later_s > 0 else np.pad(spoken, (0, count))[count:]
    segment, original = TemporalSegment(0.0, 12.0, 1.0, 0.0, 0.99), spectrogram_of(spoken)
    [operation] = audio_operations([segment], spectrogram_of(moved), original)
    assert operation.type is OperationType.AUDIO_RETIMED
    assert operation.measured["later_s"] == pytest.approx(later_s, abs=0.06)
    direction = "later" if later_s > 0 else "earlier"
    assert f"heard {abs(later_s):.1f} seconds {direction}" in operation.sentence
    # Of what an older version kept, nobody knows when it begins.
    assert kinds([segment], spectrogram_of(moved), replace(original, in_step=False)) == {}


def test_sound_a_little_out_of_step_is_nothing_and_other_sound_is_no_moved_one(spoken: Samples) -> None:
    late = np.pad(spoken, (SAMPLE_RATE // 5, 0))
    original = spectrogram_of(spoken)
    assert kinds([TemporalSegment(0.0, 12.0, 1.0, 0.0, 0.99)], spectrogram_of(late), original) == {}
    for seed, seconds in enumerate((2.5, 3.0, 4.0, 6.0, 12.0), start=2):
        other = spectrogram_of(speech(seconds, seed))
        found = kinds([TemporalSegment(0.0, seconds, 1.0, 3.0, 0.99)], other, original)
        assert set(found) == {OperationType.AUDIO_REPLACED}


def test_a_spectrogram_comes_back_from_its_bytes(spoken: Samples) -> None:
    audio = spectrogram_of(spoken)
    again = Spectrogram.restored(audio.stored(), in_step=True)
    assert np.abs(again.bands - audio.bands).max() <= 0.5
    assert np.array_equal(again.audible, audio.audible)
