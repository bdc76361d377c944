import numpy as np
import pytest

from indexer.fingerprints.kinds import SOUND, hamming
from indexer.fingerprints.sound import Sound, sound_codes, sound_of
from indexer.media.sandbox import DecoderPool
from indexer.media.sound import SAMPLE_RATE
from indexer.operations import OperationType
from indexer.timeline.lines import Line
from indexer.timeline.mouths import mouths_follow
from indexer.timeline.sound import sound_lines, sound_operations
from samples.audio_edits import stretched
from tests.videos import speech, with_sound


@pytest.fixture(scope="module")
def spoken() -> np.ndarray:
    return speech(12.0, seed=1)


def kinds(lines: list[Line], query: Sound | None, reference: Sound | None) -> dict[OperationType, str]:
    return {one.type: one.sentence for one in sound_operations(lines, query, reference)}


def test_sound_is_decoded_in_the_limited_process(spoken: np.ndarray) -> None:
    with DecoderPool(1) as pool:
        samples = pool.sound(with_sound("coffee", "cat", "rocket", sound=spoken))
    assert len(samples) == pytest.approx(12 * SAMPLE_RATE, rel=0.02)
    assert not sound_of(samples).is_silent


def test_codes_of_a_trimmed_copy_are_near_and_of_other_speech_far(spoken: np.ndarray) -> None:
    whole = sound_codes(sound_of(spoken))
    late = sound_codes(sound_of(spoken[round(3.33 * SAMPLE_RATE) :]))
    other = sound_codes(sound_of(speech(12.0, seed=2)))
    assert all(one.kind == SOUND.name for one in whole)

    def nearest(codes: list, others: list) -> list[int]:  # type: ignore[type-arg]
        return sorted(min(hamming(one.value, two.value) for two in others) for one in codes)

    # A third of a step apart at worst; a few that agree in one order are enough.
    assert np.quantile(nearest(late, whole), 0.25) < 62
    assert min(nearest(other, whole)) > 70


@pytest.mark.parametrize("factor", [0.75, 0.9, 1.25, 1.5])
@pytest.mark.parametrize("pitch_kept", [True, False])
def test_sound_is_aligned_at_any_speed_and_says_what_became_of_its_pitch(
    spoken: np.ndarray, factor: float, pitch_kept: bool
) -> None:
    query = sound_of(stretched(spoken, factor, pitch_kept=pitch_kept))
    reference = sound_of(spoken)
    lines = sound_lines(query, reference)
    assert lines
    longest = max(lines, key=lambda one: one.end - one.start)
    assert longest.factor == pytest.approx(factor, rel=0.02)
    line = Line(0.0, 12.0 / factor, factor, 0.0, 0.99)
    found = kinds([line], query, reference)
    assert set(found) == {OperationType.AUDIO_RETIMED}
    assert ("corrected" in found[OperationType.AUDIO_RETIMED]) == pitch_kept


def test_other_sound_and_none_are_told_from_the_originals(spoken: np.ndarray) -> None:
    original, line = sound_of(spoken), Line(0.0, 12.0, 1.0, 0.0, 0.99)
    silence = sound_of(np.zeros(12 * SAMPLE_RATE, np.int16))
    assert kinds([line], original, original) == {}
    assert kinds([line], None, silence) == {}
    assert (
        "replaced" in kinds([line], sound_of(speech(12.0, seed=2)), original)[OperationType.AUDIO_REPLACED]
    )
    assert "taken away" in kinds([line], silence, original)[OperationType.AUDIO_REPLACED]
    assert "added" in kinds([line], original, None)[OperationType.AUDIO_REPLACED]
    assert sound_lines(sound_of(speech(12.0, seed=2)), original) == []


def test_sound_counts_only_where_the_original_is_shown(spoken: np.ndarray) -> None:
    quiet = np.zeros(5 * SAMPLE_RATE, np.int16)
    around = sound_of(np.concatenate([spoken[: 5 * SAMPLE_RATE], quiet, spoken[: 5 * SAMPLE_RATE]]))
    silent_part, loud_part = [Line(5.5, 9.5, 1.0, -5.5, 1.0)], [Line(0.5, 4.5, 1.0, -0.5, 1.0)]
    assert kinds(silent_part, around, None) == {}
    assert "added" in kinds(loud_part, around, None)[OperationType.AUDIO_REPLACED]
    assert "taken away" in kinds(silent_part, around, sound_of(spoken))[OperationType.AUDIO_REPLACED]


def test_a_sound_comes_back_from_its_bytes(spoken: np.ndarray) -> None:
    sound = sound_of(spoken)
    again = Sound.restored(sound.stored())
    assert np.abs(again.bands - sound.bands).max() <= 0.5
    assert np.array_equal(again.loud, sound.loud)


def test_a_mouth_that_follows_is_told_from_one_that_is_driven() -> None:
    rng = np.random.default_rng(0)
    said = [tuple(one) for one in rng.uniform(0, 0.3, (10, 3))]
    coarse = [tuple(np.array(one) * 0.7 + 0.05 + rng.normal(0, 0.02, 3)) for one in said]
    driven = [tuple(one) for one in rng.uniform(0, 0.3, (10, 3))]
    assert mouths_follow(list(zip(coarse, said, strict=True))) is True
    assert mouths_follow(list(zip(driven, said, strict=True))) is False
    assert mouths_follow(list(zip(coarse[:4], said[:4], strict=True))) is None
