import io
from contextlib import closing
from fractions import Fraction

import av
import numpy as np
import pytest

from indexer.media.decoder_process import DecoderProcess
from indexer.media.errors import TooLarge, Undecodable, UnsupportedFormat
from indexer.media.images import Pixels
from indexer.media.limits import VideoLimits
from indexer.media.sandbox import DecoderPool, VideoReading
from tests.pictures import encoded
from tests.videos import RATE, SIZE, animation, clip, edited, original, whole
from tests.waiting import soon


@pytest.fixture(scope="module")
def long_video() -> bytes:
    """More frames than are decoded ahead."""
    return original("coffee", "cat")


def read(payload: bytes, limits: VideoLimits | None = None) -> tuple[VideoReading, list[int], list[Pixels]]:
    """Returns the reading after its end, the times of all frames, and the sampled frames."""
    with DecoderPool(1, video_limits=limits) as pool, pool.open(payload) as opened:
        assert isinstance(opened, VideoReading)
        frames = list(opened.frames())
    return (
        opened,
        [frame.time_ms for frame in frames],
        [frame.pixels for frame in frames if frame.pixels is not None],
    )


def muxed(container: str, codec: str, *, times: list[int] | None = None, seconds: int = 1) -> bytes:
    """Returns the first seconds of a clip as a file; `times` are in milliseconds."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=RATE)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE if times is None else 1000)
        for number, pixels in enumerate(clip("coffee").frames[: seconds * RATE]):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, RATE if times is None else 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("container", "codec", "media_type"),
    [
        ("mp4", "libx264", "video/mp4"),
        ("mov", "libx264", "video/quicktime"),
        ("webm", "libvpx-vp9", "video/webm"),
        ("matroska", "libx264", "video/x-matroska"),
        ("avi", "mpeg4", "video/x-msvideo"),
    ],
)
def test_every_container_is_read(container: str, codec: str, media_type: str) -> None:
    opened, times, sampled = read(muxed(container, codec))
    assert opened.info.media_type == media_type
    assert (opened.info.width, opened.info.height) == SIZE
    assert times[0] == 0
    assert 900 <= times[-1] < 1000
    assert len(sampled) == 4
    assert sampled[0].shape == (SIZE[1], SIZE[0], 3)


@pytest.mark.parametrize(
    ("kind", "media_type"), [("GIF", "image/gif"), ("WEBP", "image/webp"), ("PNG", "image/png")]
)
def test_animated_images_are_videos(kind: str, media_type: str) -> None:
    opened, times, sampled = read(animation(clip("coffee"), kind))
    assert opened.info.media_type == media_type
    assert times[:3] == [0, 100, 200]
    assert opened.end_ms == 2000
    assert len(sampled) == 8


def test_a_still_image_stays_one() -> None:
    with DecoderPool(1) as pool, pool.open(encoded("coffee")) as opened:
        assert not isinstance(opened, VideoReading)


def test_sampled_frames_are_at_most_a_quarter_of_a_second_apart() -> None:
    _, times, sampled = read(original("coffee", "cat"))
    assert len(sampled) >= 4 * times[-1] / 1000


def test_the_first_frame_of_a_shot_is_sampled() -> None:
    with DecoderPool(1) as pool, pool.open(original("coffee", "cat")) as opened:
        assert isinstance(opened, VideoReading)
        cuts = [frame.time_ms for frame in opened.frames() if frame.starts_shot]
    assert cuts == [0, 4000]


def test_uneven_frame_times_are_kept() -> None:
    gaps = [20 if number % 2 else 46 for number in range(RATE)]
    times = np.cumsum([0, *gaps[1:]]).tolist()
    opened, read_times, _ = read(muxed("matroska", "libx264", times=times))
    assert set(read_times) <= set(times)
    assert opened.end_ms > times[-1]


def test_a_cut_file_gives_what_it_has_and_says_so() -> None:
    payload = muxed("matroska", "libx264", seconds=4)
    opened, times, _ = read(payload[: len(payload) * 2 // 3])
    assert 1000 < times[-1] < 3500
    assert any("could be decoded" in note or "breaks off" in note for note in opened.notes)


def test_frames_at_given_times_are_those_that_a_player_shows() -> None:
    payload = original("coffee", "cat")
    with DecoderPool(1) as pool:
        found = list(pool.frames_at(payload, [0, 1990, 3999, 4000, 7000]))
    shown = [clip("coffee", "cat").at(second) for second in (0.0, 1.99, 3.999, 4.0, 7.0)]
    assert len(found) == len(shown)
    for one, other in zip(found, shown, strict=True):
        assert np.abs(one.astype(int) - other).mean() < 6


def test_what_is_wrong_with_a_file_is_said() -> None:
    payload = original("coffee", "cat")
    with pytest.raises(Undecodable):
        read(payload[:200])
    with pytest.raises(TooLarge, match="seconds"):
        read(payload, VideoLimits(max_seconds=3))
    with pytest.raises(TooLarge, match="pixels"):
        read(payload, VideoLimits(max_pixels=1000))
    with pytest.raises(TooLarge, match="bytes"):
        read(payload, VideoLimits(max_bytes=1000))


def test_sound_alone_is_refused() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(UnsupportedFormat, match="only sound"):
        read(buffer.getvalue())


def test_a_playlist_in_a_container_opens_nothing() -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    with DecoderPool(1) as pool, pytest.raises((Undecodable, UnsupportedFormat)), pool.open(playlist):
        pass


def test_a_reading_that_is_left_half_way_does_not_disturb_the_next() -> None:
    with DecoderPool(1) as pool:
        with pool.open(original("coffee", "cat")) as opened:
            assert isinstance(opened, VideoReading)
            next(opened.frames())
        assert pool.decode(encoded("coffee")).width == 600


def test_frames_that_are_decoded_ahead_are_the_same(long_video: bytes) -> None:
    with DecoderPool(1) as pool:
        with pool.open(long_video) as opened:
            assert isinstance(opened, VideoReading)
            ahead = list(opened.frames_ahead())
        with pool.open(long_video) as opened:
            assert isinstance(opened, VideoReading)
            for frame, again in zip(opened.frames(), ahead, strict=True):
                assert frame.time_ms == again.time_ms
                assert frame.luma is not None
                assert again.luma is not None
                assert np.array_equal(frame.luma, again.luma)


def test_who_leaves_frames_that_are_decoded_ahead_gives_its_process_back(long_video: bytes) -> None:
    with DecoderPool(1) as pool:
        with pool.open(long_video) as opened:
            assert isinstance(opened, VideoReading)
            with closing(opened.frames_ahead()) as frames:
                next(frames)
        assert pool.busy == 0
        assert pool.lost == 0
        assert pool.decode(encoded("coffee")).width == 600


def test_a_process_that_was_left_after_its_last_frame_was_read_serves_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has answered in full, and was killed all the same: it may take a moment to go."""
    monkeypatch.setattr(DecoderProcess, "kill", lambda process: setattr(process, "_killed", True))
    with DecoderPool(1) as pool:
        with pool.open(edited(whole(clip("coffee", shot_s=0.5)))) as opened:
            assert isinstance(opened, VideoReading)
            with closing(opened.frames_ahead()) as frames:
                next(frames)
                assert soon(lambda: opened.end_ms > 0)  # all of the answer was read ahead
        assert pool.decode(encoded("coffee")).width == 600
        assert pool.started == 2
