"""Measures the most memory that a decoder and the server take for one upload, by format.

    python -m bench.memory [NAME ...]

Each file is as large as its format may be, or usual and expensive. It goes to a `trueprint serve` in a
process of its own, which has answered about a photograph and a short video before, so that everything is
loaded; the file is registered, and a copy of it is asked about. Said is the peak of the largest decoder
process (VmHWM of /proc, with its libraries), and by how much the peak of the server exceeds what it held
before.
"""

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import psutil
from PIL import Image

from bench.scale import served
from indexer.media.images import Pixels
from registry.cli.demo import ORIGINALS, package_file
from registry.cli.home import open_home, settings_of_folder, throwaway_home
from registry.settings import OPERATOR_KEY
from samples.costly import gif_of_pixels
from sdk.client import Client
from sdk.errors import SdkError
from sdk.registering import register_file
from sdk.signers import signer_of_home

RATE, SECONDS = 30, 120
LOOK_EVERY_S = 0.02


def photograph(width: int, height: int, name: str = "coffee.png") -> Image.Image:
    """Returns a photograph in blocks, which compresses well at any size."""
    with Image.open(package_file(*ORIGINALS[name])) as picture:
        return picture.convert("RGB").resize((width, height), Image.Resampling.NEAREST)


def still(kind: str, width: int, height: int, **options: object) -> bytes:
    """Returns one picture."""
    buffer = io.BytesIO()
    photograph(width, height).save(buffer, kind, **options)
    return buffer.getvalue()


def pages(count: int, width: int, height: int) -> bytes:
    """Returns a TIFF."""
    names = [name for name in ORIGINALS if name.endswith((".png", ".jpg"))]
    pictures = [photograph(width, height, names[number % len(names)]) for number in range(count)]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "TIFF", save_all=True, append_images=pictures[1:], compression="tiff_adobe_deflate"
    )
    return buffer.getvalue()


def frames(count: int, width: int, height: int) -> Iterator[Pixels]:
    """Yields frames of a camera that wanders over photographs, four seconds each."""
    names = [name for name in ORIGINALS if name.endswith((".png", ".jpg"))]
    for number in range(count):
        shot, place = divmod(number, 4 * RATE)
        if place == 0:
            with Image.open(package_file(*ORIGINALS[names[shot % len(names)]])) as picture:
                scaled = picture.convert("RGB").resize((width * 3 // 2, height * 3 // 2))
            ground = np.asarray(scaled)
            if shot // len(names) % 2:
                ground = ground[:, ::-1]
        left = round(width / 4 * (1 + np.sin(number / 40)))
        top = round(height / 4 * (1 + np.cos(number / 55)))
        yield np.ascontiguousarray(ground[top : top + height, left : left + width])


def moving(kind: str, count: int, side: int) -> bytes:
    """Returns an animated picture of which every frame differs."""
    first, *further = (Image.fromarray(frame) for frame in frames(count, side, side))
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=further, duration=40)
    return buffer.getvalue()


def video(codec: str, container: str, **options: str) -> bytes:
    """Returns two minutes of 1280 x 720."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=RATE, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number, picture in enumerate(frames(SECONDS * RATE, 1280, 720)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "jpeg": ("JPEG, 201 megapixels", lambda: still("JPEG", 16384, 12288)),
    "progressive": (
        "JPEG, progressive, 201 megapixels",
        lambda: still("JPEG", 16384, 12288, progressive=True),
    ),
    "png": ("PNG, 201 megapixels", lambda: still("PNG", 16384, 12288, compress_level=1)),
    "webp": ("WebP, 50 megapixels", lambda: still("WEBP", 8192, 6144, method=0)),
    "avif": ("AVIF, 50 megapixels", lambda: still("AVIF", 8192, 6144, speed=10)),
    "tiff": ("TIFF, 20 pages of 10 megapixels", lambda: pages(20, 3648, 2736)),
    "gif": (
        "GIF, 1,200 frames of 960 x 960",
        lambda: gif_of_pixels(1200, 960, picture=photograph(960, 960)),
    ),
    "apng": ("animated PNG, 250 frames of 720 x 720", lambda: moving("PNG", 250, 720)),
    "animated_webp": ("animated WebP, 250 frames of 720 x 720", lambda: moving("WEBP", 250, 720)),
    "h264": ("H.264, two minutes of 720p", lambda: video("libx264", "mp4", preset="veryfast")),
    "hevc": (
        "HEVC, two minutes of 720p",
        lambda: video("libx265", "mp4", preset="ultrafast", **{"x265-params": "log-level=none"}),
    ),
    "vp9": (
        "VP9, two minutes of 720p",
        lambda: video("libvpx-vp9", "webm", deadline="realtime", **{"cpu-used": "8"}),
    ),
}


class DecoderPeaks:
    """The most that any decoder of a server ever held, in MB."""

    def __init__(self, server: psutil.Process) -> None:
        self.most_mb = 0.0
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "DecoderPeaks":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            with suppress(psutil.NoSuchProcess):
                for child in self._server.children():
                    with suppress(OSError, psutil.NoSuchProcess):
                        if "indexer.media.worker" in child.cmdline():
                            self.most_mb = max(self.most_mb, peak_mb(child))


def peak_mb(process: psutil.Process) -> float:
    """Returns the most that a process ever held, since that was forgotten last."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def grown_mb(server: psutil.Process) -> Iterator[Callable[[], float]]:
    """By how much the server's peak has exceeded what it holds now."""
    before = server.memory_info().rss / (1 << 20)
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # forget the peak
    yield lambda: max(0.0, peak_mb(server) - before)


def measure(home: Path, name: str, content: bytes) -> None:
    """Prints a row."""
    settings = settings_of_folder(home)
    key = (settings.key_folder / OPERATOR_KEY).read_text().strip()
    file = home.parent / "upload"
    file.write_bytes(content)
    with served(home) as (server, url, _), Client(url, key) as client:
        for warm in ("astronaut.png", "concert.mp4"):
            client.match(package_file(*ORIGINALS[warm]).read_bytes())
        time.sleep(1)
        with DecoderPeaks(server) as decoders, grown_mb(server) as grown:
            started = time.monotonic()
            problem = ""
            try:
                register_file(client, signer_of_home(client, home), file)
                registering_mb = grown()
                client.match(content + bytes(4))
            except SdkError as error:
                registering_mb, problem = grown(), f", {error}"
            seconds = time.monotonic() - started
            time.sleep(3 * LOOK_EVERY_S)
        print(
            f"| {name} | {len(content) / 1e6:.2f} | {decoders.most_mb:.0f} | {registering_mb:.0f} | "
            f"{grown():.0f} | {seconds:.0f}{problem} |",
            flush=True,
        )


def main() -> None:
    """Prints the table."""
    cv2.setNumThreads(1)
    print("| upload | MB | decoder, MB | server, registering | and matching a copy | seconds for both |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for name in sys.argv[1:] or FILES:
        label, make = FILES[name]
        content = make()
        with throwaway_home() as home:
            with open_home(home):
                pass  # makes the registry
            measure(home, label, content)


if __name__ == "__main__":
    main()
