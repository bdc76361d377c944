"""Sound as players play it: on the clock of the pictures, and of all channels what is heard."""

import io

import av
import numpy as np
import pytest

from indexer.media.audio import SAMPLE_RATE, Samples, decode_audio
from indexer.media.limits import VideoLimits
from tests.tracks import Heard, Shown, film, sound, written
from tests.videos import clip, speech

VOICE, OTHER = speech(3.0, seed=1), speech(3.0, seed=2)
SILENCE = np.zeros_like(VOICE)
CONTAINERS = [
    ("mp4", "libx264", "aac"),
    ("mov", "libx264", "pcm_s16le"),
    ("matroska", "libx264", "ac3"),
    ("webm", "libvpx-vp9", "libopus"),
    ("mpegts", "libx264", "aac"),
    ("mpeg", "mpeg2video", "mp2"),
    ("flv", "flv", "libmp3lame"),
]


def decoded(payload: bytes) -> Samples:
    return np.concatenate([np.zeros(0, np.int16), *decode_audio(payload, VideoLimits())])


def found(part: Samples, whole: Samples) -> tuple[float, float]:
    """Returns the second at which a part is heard, and how much of what is heard it is: -1..1."""
    length = len(part) + len(whole)
    one, other = (np.fft.rfft(samples.astype(float), length) for samples in (whole, part))
    agreement = np.fft.irfft(one * np.conj(other), length)
    place = int(np.abs(agreement).argmax())
    share = agreement[place] / (np.linalg.norm(part.astype(float)) * np.linalg.norm(whole.astype(float)))
    return (place if place < len(whole) else place - length) / SAMPLE_RATE, float(share)


def assert_heard(part: Samples, payload: bytes, at_s: float, share: float = 0.95) -> None:
    second, agreement = found(part, decoded(payload))
    assert second == pytest.approx(at_s, abs=0.03)
    assert abs(agreement) > share


@pytest.mark.parametrize(("container", "codec", "of_sound"), CONTAINERS)
def test_sound_that_begins_later_or_earlier_than_the_pictures_is_heard_where_players_play_it(
    container: str, codec: str, of_sound: str
) -> None:
    heard = sound(VOICE, VOICE, codec=of_sound)
    pictures = Shown(clip("coffee").frames[:12], codec)
    assert_heard(VOICE, written(container, pictures, heard), 0.0)
    assert_heard(VOICE, written(container, pictures, sound(VOICE, VOICE, at_s=1.0, codec=of_sound)), 1.0)
    late = Shown(pictures.frames, codec, at_s=1.0)
    assert_heard(VOICE[SAMPLE_RATE:], written(container, late, heard), 0.0)


@pytest.mark.parametrize(
    ("container", "of_sound"), [("mp4", "aac"), ("matroska", "flac"), ("webm", "libopus")]
)
def test_a_track_that_pauses_is_silent_meanwhile(container: str, of_sound: str) -> None:
    first, second = VOICE[:SAMPLE_RATE], VOICE[SAMPLE_RATE:]
    rate = 48_000 if of_sound == "libopus" else 44_100
    codec = "libvpx-vp9" if container == "webm" else "libx264"
    pictures = Shown(clip("coffee").frames[:12], codec)
    pauses = Heard([(0.0, first[None]), (2.5, second[None])], of_sound, rate=rate)
    samples = decoded(written(container, pictures, pauses))
    assert found(second, samples[2 * SAMPLE_RATE :])[0] == pytest.approx(0.5, abs=0.03)
    assert np.abs(samples[round(1.2 * SAMPLE_RATE) : round(2.4 * SAMPLE_RATE)].astype(int)).max() < 300


def test_a_pause_that_lasts_longer_than_a_video_may_is_cut_off() -> None:
    pauses = Heard([(0.0, VOICE[None]), (5000.0, VOICE[None])])
    payload = written("matroska", film(), pauses)
    chunks = list(decode_audio(payload, VideoLimits(max_seconds=60)))
    assert sum(map(len, chunks)) / SAMPLE_RATE == pytest.approx(61.0, abs=0.1)
    assert max(map(len, chunks)) < 21 * SAMPLE_RATE


def test_joined_recordings_are_heard_one_after_the_other_also_if_their_channels_differ() -> None:
    mono = written("mpegts", film(3.0), sound(VOICE, codec="mp2"))
    stereo = written("mpegts", film(3.0), sound(OTHER, OTHER, codec="mp2"))
    samples = decoded(mono + stereo)
    assert len(samples) / SAMPLE_RATE == pytest.approx(6.0, abs=0.2)
    assert found(VOICE, samples)[0] == pytest.approx(0.0, abs=0.1)
    assert found(OTHER, samples)[0] == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize(
    "channels",
    [
        (VOICE, -VOICE),
        (-VOICE, VOICE),
        (VOICE, (-0.6 * VOICE).astype(np.int16)),
        (VOICE // 2 + OTHER // 4, OTHER // 4 - VOICE // 2),  # before it was inverted, wide stereo
        (VOICE, np.concatenate([VOICE[:SAMPLE_RATE], -VOICE[SAMPLE_RATE:]])),
        (
            VOICE,
            np.concatenate(
                [VOICE[:SAMPLE_RATE], -VOICE[SAMPLE_RATE : 2 * SAMPLE_RATE], VOICE[2 * SAMPLE_RATE :]]
            ),
        ),
        (VOICE, -VOICE, SILENCE, SILENCE, SILENCE, SILENCE),
        (SILENCE, SILENCE, SILENCE, SILENCE, VOICE, -VOICE),
    ],
    ids=["right", "left", "quieter", "wide", "later", "for a second", "in front", "behind"],
)
def test_a_channel_that_is_inverted_takes_nothing_away(channels: tuple[Samples, ...]) -> None:
    assert_heard(VOICE, written("matroska", film(), sound(*channels)), 0.0, share=0.9)


@pytest.mark.parametrize(
    "channels",
    [
        (VOICE, VOICE),
        (VOICE, OTHER),
        (VOICE, SILENCE),
        (VOICE // 2 + OTHER // 3, VOICE // 2 - OTHER // 3),
        (OTHER // 2, OTHER // 3, VOICE, SILENCE, OTHER // 4, -(OTHER // 4)),
    ],
    ids=["same", "two voices", "one side", "wide", "surround"],
)
def test_of_ordinary_channels_the_samples_are_those_of_their_mean(channels: tuple[Samples, ...]) -> None:
    payload = written("matroska", film(), sound(*channels))
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(io.BytesIO(payload), "r") as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    mean = np.concatenate([np.asarray(part.to_ndarray(), np.int16).ravel() for part in parts])
    assert np.array_equal(decoded(payload), mean)
