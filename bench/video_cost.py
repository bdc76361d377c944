"""Measures what a minute of 720p video costs, by stage, and a search among 100,000 registered frames.

    python -m bench.video_cost [FOLDER]

FOLDER holds clips of which the minute is put together; without it a noisy picture wanders.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from indexer.fingerprints.audio import audio_codes, spectrogram_of
from indexer.fingerprints.embedders import open_default
from indexer.fingerprints.kinds import DESCRIPTOR, PDQ
from indexer.fingerprints.pdq import compute_pdq
from indexer.index.segmented_index import SegmentedIndex
from indexer.media.frames import Frame
from indexer.media.images import Pixels
from indexer.media.sandbox import DecoderPool, VideoReading
from indexer.timeline.track import Track
from registry.cli.home import open_home, throwaway_home
from registry.media.uploads import frame_preview
from samples.video_edits import Clip, Piece, read_clip, write_pieces
from sdk.client import Client
from sdk.registering import register_file
from sdk.signers import signer_of_home

SECONDS, SIZE = 60.0, (1280, 720)
VPDQ_MS_PER_FRAME = 4.8  # published, all frames of the video (reference of Meta's vpdq)
ROWS, ASKED, ORIENTATIONS = 100_000, 64, 8


def wandering() -> Clip:
    """Makes a clip of noise over which a window wanders: hard to code, as that of a handheld camera is."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (90, 160, 3)).astype(np.uint8)
    large = cv2.resize(ground, (1600, 900), interpolation=cv2.INTER_CUBIC)
    frames: list[Pixels] = []
    for number in range(240):
        left = int(150 * (1 + np.sin(number / 40)))
        top = int(80 * (1 + np.cos(number / 55)))
        frames.append(np.ascontiguousarray(large[top : top + 720, left : left + 1280], np.uint8))
    return Clip("wandering", frames, [number / 30 for number in range(240)])


def as_hd(clip: Clip) -> Clip:
    """Puts a clip in the middle of a frame of 1280 x 720."""
    frames = []
    for picture in clip.frames:
        scale = min(SIZE[0] / picture.shape[1], SIZE[1] / picture.shape[0])
        size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
        ground = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        left, top = (SIZE[0] - size[0]) // 2, (SIZE[1] - size[1]) // 2
        ground[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size)
        frames.append(ground)
    return Clip(clip.name, frames, clip.times, clip.audio)


def minute(folder: Path | None) -> bytes:
    """Returns sixty seconds of 720p at 30 frames a second."""
    files = sorted(folder.glob("*.mp4")) if folder else []
    clips = [as_hd(read_clip(file, 8.0, 960)) for file in files[:6]] or [wandering()]
    pieces: list[Piece] = []
    while (left := SECONDS - sum(piece.seconds for piece in pieces)) > 0.05:
        clip = clips[len(pieces) % len(clips)]
        pieces.append(Piece(clip, 0.0, min(clip.seconds, left)))
    return write_pieces(pieces, crf=26)


def timed(work: Callable[[], object]) -> float:
    """Returns the seconds that the work takes by the clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stages(payload: bytes) -> list[tuple[str, float]]:
    """Returns the seconds of every stage, each run alone."""
    frames: list[Frame] = []

    def decode() -> None:
        with DecoderPool(1) as pool, pool.open(payload) as opened:
            assert isinstance(opened, VideoReading)
            frames.extend(opened.frames())

    found = [("decode and scale, in the limited process", timed(decode))]
    pixels: list[Pixels] = [frame.pixels for frame in frames if frame.pixels is not None]
    luma = np.array([frame.luma for frame in frames], np.uint8)
    embedder = open_default()
    embedder.embed(pixels[:1])
    found.append(
        (f"PDQ of {len(pixels)} frames", timed(lambda: [compute_pdq(picture) for picture in pixels]))
    )
    found.append((f"descriptor of {len(pixels)} frames", timed(lambda: embedder.embed(pixels))))
    found.append(
        (f"previews of {len(pixels)} frames", timed(lambda: [frame_preview(picture) for picture in pixels]))
    )
    track = Track(np.arange(len(luma), dtype=np.int64), luma, len(luma))
    found.append(("track, reduced and packed", timed(lambda: track.reduced().to_bytes())))
    noise = np.random.default_rng(0).normal(0, 3000, int(SECONDS * 11025)).astype(np.int16)
    found.append(("audio, once it is decoded", timed(lambda: audio_codes(spectrogram_of(noise)))))
    kept = sum(len(frame_preview(picture)) for picture in pixels)
    packed = len(track.reduced().to_bytes())
    print(f"Kept under consent: previews {kept / 1e6:.2f} MB, track {packed / 1e6:.2f} MB;")
    print(f"rows {len(pixels) * (32 + 512) / 1e6:.2f} MB of fingerprints, if no frame is dropped.\n")
    return found


def search() -> float:
    """Returns the seconds of a search for 64 frames among 100,000, by PDQ and by descriptor."""
    rng = np.random.default_rng(1)
    codes, vectors = SegmentedIndex(PDQ), SegmentedIndex(DESCRIPTOR)
    ids = np.arange(ROWS)
    codes.add(ids, rng.integers(0, 256, (ROWS, 32)).astype(np.uint8))
    rows = rng.normal(size=(ROWS, DESCRIPTOR.size)).astype(np.float32)
    vectors.add(ids, rows / np.linalg.norm(rows, axis=1, keepdims=True))
    asked = rng.integers(0, 256, (ASKED * ORIENTATIONS, 32)).astype(np.uint8)
    near = rows[:ASKED] / np.linalg.norm(rows[:ASKED], axis=1, keepdims=True)
    return timed(lambda: (codes.within(asked, 31), vectors.nearest(near, 6)))


def main() -> None:
    """Prints the table."""
    payload = minute(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(f"A minute of {SIZE[0]} x {SIZE[1]} at 30 frames a second, {len(payload) / 1e6:.1f} MB.\n")
    found = stages(payload)
    with throwaway_home() as home, open_home(home) as (url, key), Client(url, key) as client:
        signer = signer_of_home(client, home)
        file = home.parent / "minute.mp4"
        file.write_bytes(payload)
        found.append(
            ("registered, from upload to receipt", timed(lambda: register_file(client, signer, file)))
        )
        other = home.parent / "again.mp4"
        other.write_bytes(payload + b"\x00\x00\x00\x08free")
        found.append(
            ("a copy of it matched and described", timed(lambda: client.match(other.read_bytes())))
        )
    found.append((f"64 frames searched among {ROWS:,}", search()))
    vpdq = VPDQ_MS_PER_FRAME * SECONDS * 30 / 1000
    print("| stage | seconds | of vPDQ's published hashing of all frames |\n| --- | --- | --- |")
    for name, seconds in found:
        print(f"| {name} | {seconds:.2f} | {seconds / vpdq:.2f} |")
    print(
        f"\nvPDQ hashes every frame at {VPDQ_MS_PER_FRAME} ms: {vpdq:.1f} s a minute, decoding not counted."
    )


if __name__ == "__main__":
    main()
