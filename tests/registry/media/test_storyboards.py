"""What is kept of a video comes back as it was, or not at all."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from indexer.fingerprints.audio import SEMITONES, Spectrogram
from indexer.media.frames import VideoInfo
from indexer.timeline.track import SIDE, Track
from registry.media.storyboards import AUDIO, SUFFIX, TRACK, Storyboard, load_storyboard, store_storyboard
from registry.media.uploads import VideoContent
from registry.storage.blobs import Blobs

RNG = np.random.default_rng(7)
TIMES = 0, 400, 1000, 12_345
FRAMES = tuple((time_ms, f"frame {time_ms}".encode()) for time_ms in TIMES)
EMPTY = Track(np.zeros(0, np.int64), np.zeros((0, SIDE, SIDE), np.uint8), 0)


def track() -> Track:
    return Track(np.arange(20) * 40, RNG.integers(0, 256, (20, SIDE, SIDE), np.uint8), 800)


def audible() -> Spectrogram:
    return Spectrogram(RNG.uniform(0, 60, (50, SEMITONES)).astype(np.float32), np.ones(50, np.bool_))


def video(audio: Spectrogram | None) -> VideoContent:
    info = VideoInfo("video/mp4", 320, 240, 12_500, 25.0, audio is not None)
    return VideoContent(b"", info, track(), (), FRAMES, audio, np.zeros((2, 2, 3), np.uint8), ())


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(None, tmp_path)


@pytest.fixture
def poster(blobs: Blobs) -> str:
    return blobs.put(".webp", b"a poster")


def test_frames_track_and_audio_come_back(blobs: Blobs, poster: str) -> None:
    kept = video(audible())
    store_storyboard(blobs, poster, kept)
    storyboard = load_storyboard(blobs, poster)
    assert storyboard is not None
    assert storyboard.times_ms == TIMES
    assert storyboard.frames == tuple(content for _, content in FRAMES)
    assert np.array_equal(storyboard.track.luma, kept.track.luma)
    assert np.array_equal(storyboard.track.times_ms, kept.track.times_ms)
    assert storyboard.track.end_ms == kept.track.end_ms
    assert storyboard.audio is not None
    assert kept.audio is not None
    assert np.abs(storyboard.audio.bands - kept.audio.bands).max() < 1.0, "decibels, rounded"
    assert storyboard.audio.audible.all()
    assert storyboard.audio.in_step


def test_audio_of_an_earlier_version_is_read_and_nobody_knows_when_it_begins(
    blobs: Blobs, poster: str
) -> None:
    stored = io.BytesIO()
    np.savez_compressed(stored, bands=audible().stored())
    blobs.put_beside(poster, SUFFIX, archive(**{TRACK: EMPTY.to_bytes(), AUDIO: stored.getvalue()}))
    storyboard = load_storyboard(blobs, poster)
    assert storyboard is not None
    assert storyboard.audio is not None
    assert not storyboard.audio.in_step


@pytest.mark.parametrize(
    "audio", [None, Spectrogram(np.zeros((50, SEMITONES), np.float32), np.zeros(50, np.bool_))]
)
def test_of_a_silent_video_no_audio_is_kept(blobs: Blobs, poster: str, audio: Spectrogram | None) -> None:
    store_storyboard(blobs, poster, video(audio))
    storyboard = load_storyboard(blobs, poster)
    assert storyboard is not None
    assert storyboard.audio is None


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for name, content in members.items():
            written.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        archive(),  # without a track
        archive(**{TRACK: b"no track"}),
        archive(**{TRACK: EMPTY.to_bytes(), "soon.webp": b"x"}),  # no time for a name
        archive(**{TRACK: EMPTY.to_bytes(), AUDIO: b"no audio"}),
    ],
    ids=["empty", "no archive", "no track", "a bad track", "a bad name", "bad audio"],
)
def test_what_is_lost_or_damaged_is_none(blobs: Blobs, poster: str, content: bytes) -> None:
    assert load_storyboard(blobs, poster) is None
    blobs.put_beside(poster, SUFFIX, content)
    assert load_storyboard(blobs, poster) is None


def test_a_storyboard_goes_with_its_poster(blobs: Blobs, poster: str) -> None:
    store_storyboard(blobs, poster, video(None))
    blobs.delete(poster)
    assert load_storyboard(blobs, poster) is None


@pytest.mark.parametrize(
    ("time_ms", "place"),
    [(-50, 0), (0, 0), (199, 0), (201, 1), (700, 1), (701, 2), (12_345, 3), (99_999, 3)],
)
def test_the_nearest_frame_is_given_and_of_two_as_near_the_earlier(time_ms: int, place: int) -> None:
    assert Storyboard(TIMES, (b"",) * len(TIMES), EMPTY, None).nearest(time_ms) == place
