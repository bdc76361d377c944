"""What an upload may cost: known before the work where the file says it, counted where it does not."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from indexer.media import animation
from indexer.media.animation import OpenAnimation
from indexer.media.answers import frame_in, frame_message
from indexer.media.errors import DecoderStopped, TooLarge
from indexer.media.frames import Frame, Sampler
from indexer.media.gif import count_frames
from indexer.media.images import Pixels
from indexer.media.limits import VideoLimits
from indexer.media.sandbox import DecoderPool, VideoReading
from indexer.media.video import OpenVideo
from samples.costly import gif_of_pixels
from tests.pictures import encoded, picture
from tests.videos import animation as animated
from tests.videos import clip, original

PEAK = """
import resource, sys
from indexer.media.sandbox import DecoderPool
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with DecoderPool(1) as pool, pool.open(sys.stdin.buffer.read()) as reading:
    kept = [frame.luma for frame in reading.frames()]
print(len(kept), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def received(frame: Frame) -> Frame:
    """The frame as the program that asks has it."""
    header, body = frame_message(frame)
    return frame_in(
        {
            **header,
            "luma": [*frame.luma.shape] if frame.luma is not None else None,
            "pixels": [*frame.pixels.shape] if frame.pixels is not None else None,
        },
        bytes(body),
    )


def memory_of(array: Pixels) -> int:
    """Bytes that are kept alive by an array."""
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    return array.nbytes if base is None else len(base)


def test_a_small_frame_that_is_kept_keeps_nothing_else() -> None:
    luma, pixels = np.zeros((72, 128), np.uint8), np.zeros((540, 960, 3), np.uint8)
    frame = received(Frame(0, luma, pixels))
    assert frame.luma is not None
    assert frame.pixels is not None
    assert memory_of(frame.luma) == luma.nbytes
    assert memory_of(frame.pixels) <= pixels.nbytes + luma.nbytes


def test_all_frames_of_a_long_animation_take_little_memory_once_their_pixels_are_dropped() -> None:
    # Before, each of these 150 kept the 2.8 MB that its pixels take: 414 MB.
    payload = gif_of_pixels(150, 960)
    done = subprocess.run(
        [sys.executable, "-c", PEAK], input=payload, capture_output=True, check=True, timeout=300
    )
    count, grown_kib = map(int, done.stdout.split())
    assert count == 150
    assert grown_kib < 150 << 10


def test_an_animation_is_refused_by_its_frames_before_pillow_counts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(animation, "open_frames", None)
    limits = VideoLimits(max_animation_frames=20)
    payload = gif_of_pixels(21, 16)
    assert animation.is_animated(payload, limits)
    with pytest.raises(TooLarge, match="more than 20 frames; at most 20"):
        OpenAnimation(payload, limits)


def test_an_animation_is_refused_by_what_all_of_its_frames_have_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OpenAnimation, "_timed", None)  # nothing was decoded
    for kind in ("GIF", "PNG", "WEBP"):
        payload = animated(clip("coffee"), kind)
        with pytest.raises(
            TooLarge, match=r"20 frames with .* together; at most 1 megapixels of an animated"
        ):
            OpenAnimation(payload, VideoLimits(max_animation_pixels=240 * 180 * 19))
    with DecoderPool(1) as pool, pytest.raises(TooLarge, match="1885 megapixels together; at most 1500"):
        pool.identify(gif_of_pixels(200, 3070))


def test_a_canvas_that_grows_while_it_is_decoded_is_counted() -> None:
    limits = VideoLimits(max_animation_pixels=1000)
    opened = OpenAnimation(gif_of_pixels(10, 10), limits)
    opened.limits = replace(limits, max_animation_pixels=950)
    with pytest.raises(TooLarge):
        list(opened.sampled())


@pytest.mark.parametrize("frames", [1, 2, 7, 300])
def test_frames_of_a_gif_are_counted_as_pillow_does(frames: int) -> None:
    payloads = [
        gif_of_pixels(frames, 20),
        gif_of_pixels(frames, 20, picture=picture("cat").resize((20, 20))),
    ]
    for payload in payloads:
        with Image.open(io.BytesIO(payload)) as image:
            assert count_frames(payload, 1000) == getattr(image, "n_frames", 1) == frames
        assert count_frames(payload, frames - 1) == frames
        assert count_frames(payload[: len(payload) * 2 // 3], 1000) <= frames


def test_only_of_a_gif_are_blocks_counted() -> None:
    for payload in (b"", b"GIF89a", encoded("coffee", "PNG"), encoded("coffee")):
        assert count_frames(payload, 10) == 0


def test_a_video_is_refused_by_what_it_states_before_its_frames_are_decoded() -> None:
    payload = original("coffee", "cat")  # eight seconds of 320 x 240 at 30 frames a second
    opened = OpenVideo(payload, VideoLimits(max_pixels_in_all=320 * 240 * 240))
    assert opened.info.width == 320
    with pytest.raises(TooLarge, match="18 megapixels together; at most 18 megapixels of a video"):
        OpenVideo(payload, VideoLimits(max_pixels_in_all=320 * 240 * 239))
    with pytest.raises(TooLarge, match="240 frames; at most 239 of a video"):
        OpenVideo(payload, VideoLimits(max_frames=239))


def test_a_video_that_states_less_than_it_has_is_counted_while_it_is_decoded() -> None:
    opened = OpenVideo(original("coffee", "cat"), VideoLimits())
    opened.limits = VideoLimits(max_pixels_in_all=320 * 240 * 100)
    frames = opened.sampled()
    with pytest.raises(TooLarge, match="together"):
        list(frames)


def test_a_video_that_cuts_all_the_time_is_sampled_in_turn_after_a_while() -> None:
    limits = VideoLimits(max_extra_samples=10)
    sampler = Sampler(limits)
    looks = []
    for number in range(1000):
        time_ms = number * limits.track_interval_ms
        assert sampler.wants(time_ms)
        looks.append(sampler.look(time_ms, np.full((8, 8), 255 * (number % 2), np.uint8)))
    in_turn = 1000 * limits.track_interval_ms // limits.sample_interval_ms
    assert all(cut for _, cut in looks)
    assert all(sampled for sampled, _ in looks[:12])
    assert in_turn <= sum(sampled for sampled, _ in looks) <= in_turn + 10


def test_the_frame_that_is_shown_at_a_time_is_found_in_an_animation() -> None:
    payload = gif_of_pixels(10, 10, 100, picture=picture("cat").resize((10, 10)))
    found = list(OpenAnimation(payload, VideoLimits()).at([0, 99, 100, 450, 5000]))
    assert [frame.time_ms for frame in found] == [0, 99, 100, 450, 5000]
    # Each frame after the first exchanges one more pixel of the first row.
    rows = [frame.pixels[0] for frame in found if frame.pixels is not None]
    assert [int((row != rows[0]).any(axis=1).sum()) for row in rows] == [0, 0, 1, 4, 9]


def test_reading_takes_no_longer_than_it_may() -> None:
    limits = VideoLimits(wall_time_s=0.0)
    with (
        DecoderPool(1, video_limits=limits) as pool,
        pytest.raises(DecoderStopped, match="longer than 0 seconds"),
    ):
        pool.identify(original("coffee"))


def test_a_reading_that_is_given_up_ends_its_process_at_once() -> None:
    with DecoderPool(1) as pool:
        with pool.open(original("coffee", "cat")) as reading:
            assert isinstance(reading, VideoReading)
            worker = reading._worker
            next(reading.frames())
        assert not worker.alive
        assert pool.decode(encoded("coffee")).height == 400


def test_frames_that_are_taken_one_by_one_leave_their_process_to_the_next() -> None:
    with DecoderPool(1) as pool:
        workers = set()
        for _ in range(2):
            frames = pool.frames_at(original("coffee"), [0, 500, 1000])
            assert len([next(frames) for _ in range(3)]) == 3
            frames.close()  # type: ignore[attr-defined]
            with pool._worker() as worker:
                workers.add(worker)
        assert len(workers) == 1
