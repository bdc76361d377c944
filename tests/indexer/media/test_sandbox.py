import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

from indexer.media import decoder_process, sandbox
from indexer.media.errors import DecoderLost, DecoderStopped, MediaError, TooLarge, UnsupportedFormat
from indexer.media.frames import VideoInfo
from indexer.media.images import DecodedImage, decode_image
from indexer.media.limits import ImageLimits, Limits, VideoLimits, WorkerLimits
from indexer.media.messages import write_message
from indexer.media.sandbox import DecoderPool, VideoReading
from tests.pictures import encoded
from tests.videos import animation, clip, original
from tests.waiting import soon

LIMITED = """
from indexer.media.limits import WorkerLimits
from indexer.media.lockdown import allow_cpu_time, limit_resources
limit_resources(WorkerLimits())
allow_cpu_time(1)
{attempt}
"""
LYING = "tests.indexer.media.lying_worker"


@pytest.fixture(scope="module")
def video() -> bytes:
    return original("coffee")


def kill_what_is_busy(pool: DecoderPool) -> None:
    """As the system does where memory is short."""
    assert soon(lambda: bool(pool._busy))
    for process in list(pool._busy):
        process._process.kill()


def read_whole(pool: DecoderPool, payload: bytes) -> None:
    with pool.open(payload) as opened:
        if isinstance(opened, VideoReading):
            list(opened.frames())


def test_pixels_from_the_limited_process_are_those_of_the_decoder_itself() -> None:
    payload = encoded("coffee")
    with DecoderPool(1) as pool:
        decoded = pool.decode(payload)
    assert np.array_equal(decoded.pixels, decode_image(payload, ImageLimits()).pixels)


def test_more_detail_than_the_working_size_has_can_be_asked_for() -> None:
    payload = encoded(Image.new("RGB", (3000, 1500), "white"))
    with DecoderPool(1) as pool:
        assert max(pool.decode(payload).pixels.shape) < 2000
        assert max(pool.decode(payload, 3000).pixels.shape) == 3000


def test_every_format_is_read_under_the_system_call_filter() -> None:
    with DecoderPool(1) as pool:
        for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "GIF", "BMP"):
            assert pool.decode(encoded("coffee", kind)).width == 600


@pytest.mark.parametrize("attempt", ["x = bytearray(4 << 30)", "while True: pass"])
def test_memory_and_time_are_bounded_on_every_system(attempt: str) -> None:
    limited = [sys.executable, "-c", LIMITED.format(attempt=attempt)]
    assert subprocess.run(limited, check=False, capture_output=True).returncode != 0


def test_every_layer_says_what_it_stops_and_why_it_does_not_hold() -> None:
    with DecoderPool(1) as pool:
        layers = pool.isolation()
    assert len({layer.name for layer in layers}) == len(layers) == 10
    assert all(layer.stops and (layer.holds or layer.why_not) for layer in layers)
    assert {"memory_and_time", "no_new_descriptors"} <= {layer.name for layer in layers if layer.holds}


@pytest.mark.parametrize(
    "lie", ["another shape", "a frame before the first", "frames of two sizes", "a body of a terabyte"]
)
def test_a_decoder_that_lies_costs_its_own_upload_and_is_replaced(
    monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    with DecoderPool(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(decoder_process, "WORKER", LYING)
            with pytest.raises(DecoderStopped, match="broke down"):
                read_whole(pool, lie.encode())
        assert pool.decode(encoded("coffee")).height == 400


def test_nothing_is_imported_from_the_folder_that_the_program_is_started_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("numpy", "json", "indexer", "PIL", "av"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('code of a stranger')")
    monkeypatch.chdir(tmp_path)
    with DecoderPool(1) as pool:
        assert pool.decode(encoded("coffee")).height == 400


def test_what_runs_in_the_real_process_gets_nothing_and_the_server_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with DecoderPool(1) as pool:
        monkeypatch.setattr(decoder_process, "WORKER", LYING)
        for _ in range(2):
            with pytest.raises(UnsupportedFormat, match="PermissionError"):
                pool.decode(b"run: open('/proc/self/environ').read()")
        if {layer.name: layer.holds for layer in pool.isolation()}["system_calls"]:
            with pytest.raises(DecoderStopped):
                pool.decode(b"run: __import__('os').kill(__import__('os').getppid(), 0)")
        assert pool.decode(encoded("coffee")).height == 400


def test_an_error_in_a_file_leaves_the_worker_usable() -> None:
    with DecoderPool(1) as pool:
        with pytest.raises(UnsupportedFormat):
            pool.decode(b"no picture")
        assert pool.decode(encoded("coffee")).height == 400


def test_a_worker_that_stalls_or_dies_costs_its_own_upload_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with DecoderPool(1, worker_limits=WorkerLimits(wall_time_s=0.0)) as pool:
        with pytest.raises(DecoderStopped, match="longer than 0 seconds"):
            pool.decode(encoded("coffee"))
        monkeypatch.setattr(pool, "limits", Limits())
        assert pool.decode(encoded("coffee")).height == 400


def test_a_file_is_not_blamed_for_a_worker_that_something_else_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with DecoderPool(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(decoder_process, "WORKER", LYING)
            killer = threading.Thread(target=kill_what_is_busy, args=[pool])
            killer.start()
            with pytest.raises(DecoderLost, match="from outside"):
                pool.decode(b"run: sum(iter(int, 1))")  # without end
            killer.join()
        assert pool.decode(encoded("coffee")).height == 400


def test_further_pages_come_with_the_first() -> None:
    pages = [Image.new("RGB", (60 + 10 * number, 40), (9 * number, 0, 0)) for number in range(3)]
    payload = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    with DecoderPool(1) as pool:
        decoded = pool.decode(payload)
    assert [page.width for page in (decoded, *decoded.further_pages)] == [60, 70, 80]
    assert [int(page.pixels[0, 0, 0]) for page in (decoded, *decoded.further_pages)] == [0, 9, 18]


def test_what_needs_too_much_memory_is_told_how_much_it_may_need() -> None:
    picture_of_16_megapixels = encoded(Image.new("RGB", (4000, 4000)), "PNG", compress_level=1)
    with DecoderPool(1, worker_limits=WorkerLimits(address_space_bytes=600 << 20)) as pool:
        with pytest.raises(TooLarge, match="more memory than the 600 MiB"):
            pool.decode(encoded(Image.new("RGB", (12_000, 12_000)), "PNG", compress_level=1))
        assert pool.decode(picture_of_16_megapixels).width == 4000


def test_too_many_bytes_never_reach_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "DecoderProcess", None)
    with DecoderPool(1, ImageLimits(max_bytes=10)) as pool, pytest.raises(TooLarge):
        pool.decode(b"x" * 11)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_a_still_image_is_identified_by_its_pixels(kind: str) -> None:
    payload = encoded("coffee", kind)
    with DecoderPool(1) as pool:
        identified, decoded = pool.identify(payload), pool.decode(payload)
    assert isinstance(identified, DecodedImage)
    assert np.array_equal(identified.pixels, decoded.pixels)
    assert replace(identified, pixels=decoded.pixels) == decoded


def test_a_video_is_identified_without_its_frames_and_the_worker_goes_on(video: bytes) -> None:
    with DecoderPool(1) as pool:
        for payload in (video, animation(clip("coffee"), "GIF")):
            identified = pool.identify(payload)
            assert isinstance(identified, VideoInfo)
            with pool.open(payload) as opened:
                assert isinstance(opened, VideoReading)
                assert identified == opened.info
        assert pool.decode(encoded("coffee")).height == 400


def test_an_upload_is_identified_in_one_round_trip(monkeypatch: pytest.MonkeyPatch, video: bytes) -> None:
    asked: list[tuple[dict[str, object], int]] = []

    def overheard(pipe: BinaryIO, header: dict[str, object], body: bytes) -> None:
        asked.append((header, len(body)))
        write_message(pipe, header, body)

    monkeypatch.setattr(decoder_process, "write_message", overheard)
    payloads = encoded("coffee"), video
    with DecoderPool(1) as pool:
        for payload in payloads:
            pool.identify(payload)
    assert asked == [({"want": "identify"}, len(payload)) for payload in payloads]


@pytest.mark.parametrize("payload", [b"no picture", encoded("coffee")[:2000], encoded("coffee") + b"x"])
def test_what_decoding_refuses_identifying_refuses_in_the_same_words(payload: bytes) -> None:
    with DecoderPool(1, ImageLimits(max_bytes=len(encoded("coffee")))) as pool:
        with pytest.raises(MediaError) as decoded:
            pool.decode(payload)
        with pytest.raises(MediaError) as identified:
            pool.identify(payload)
    assert repr(identified.value) == repr(decoded.value)


def test_what_opening_a_video_refuses_identifying_refuses_in_the_same_words(video: bytes) -> None:
    limits = VideoLimits(max_bytes=len(video), max_side=100)
    with DecoderPool(1, video_limits=limits) as pool:
        for payload in (video, video + b"x", video[:200]):
            with pytest.raises(MediaError) as opened, pool.open(payload):
                pass
            with pytest.raises(MediaError) as identified:
                pool.identify(payload)
            assert repr(identified.value) == repr(opened.value)


def test_many_threads_share_few_workers() -> None:
    payload, sizes = encoded("coffee"), []
    with DecoderPool(2) as pool:
        threads = [
            threading.Thread(target=lambda: sizes.append(pool.decode(payload).width)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sizes == [600] * 8
