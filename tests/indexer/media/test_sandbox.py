import subprocess
import sys
import threading
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

from indexer.media import sandbox
from indexer.media.errors import DecoderStopped, MediaError, TooLarge, UnsupportedFormat
from indexer.media.frames import VideoInfo
from indexer.media.images import DecodedImage, decode_image
from indexer.media.limits import ImageLimits, Limits, VideoLimits, WorkerLimits
from indexer.media.sandbox import DecoderPool, VideoReading
from indexer.media.worker import write_message
from tests.pictures import encoded
from tests.videos import animation, clip, original

LOCKED = """
import sys
from indexer.media.limits import WorkerLimits
from indexer.media.lockdown import allow_cpu_time, forbid_system_calls, limit_resources
limit_resources(WorkerLimits())
if not forbid_system_calls():
    sys.exit(77)
allow_cpu_time(1)
{attempt}
"""


@pytest.fixture(scope="module")
def video() -> bytes:
    return original("coffee")


def run_locked(attempt: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", LOCKED.format(attempt=attempt)], check=False, capture_output=True
    ).returncode


def test_pixels_from_the_limited_process_are_those_of_the_decoder_itself() -> None:
    payload = encoded("coffee")
    with DecoderPool(1) as pool:
        decoded = pool.decode(payload)
    assert np.array_equal(decoded.pixels, decode_image(payload, ImageLimits()).pixels)


def test_every_format_is_read_under_the_system_call_filter() -> None:
    with DecoderPool(1) as pool:
        for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "GIF", "BMP"):
            assert pool.decode(encoded("coffee", kind)).width == 600


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.socket()",
        "import os; os.system('true')",
        "import os; os.fork()",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.kill(os.getppid(), 0)",
    ],
)
def test_network_new_programs_and_signals_kill_the_process(attempt: str) -> None:
    code = run_locked(attempt)
    if code == 77:
        pytest.skip("no system-call filter on this platform")
    assert code == -31  # SIGSYS


@pytest.mark.parametrize(
    "attempt",
    [
        "import os; os.write(os.open('/dev/shm/left', os.O_CREAT | os.O_WRONLY), b'x')",
        "x = bytearray(4 << 30)",
        "while True: pass",
    ],
)
def test_files_memory_and_time_are_bounded(attempt: str) -> None:
    assert run_locked(attempt) not in (0, 77)


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
    monkeypatch.setattr(sandbox, "_Worker", None)
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

    monkeypatch.setattr(sandbox, "write_message", overheard)
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
