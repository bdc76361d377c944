"""Edits of videos with their truth: which seconds of the upload are which of the original.

Frames are read and written with PyAV; an edit is a list of pieces, each a range of a source at a factor,
and what is done to every frame. The same edits come out of the same clips.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from indexer.media.images import Pixels

RATE = 30


@dataclass(frozen=True)
class Clip:
    """All frames of one video, in memory."""

    name: str
    frames: list[Pixels]
    times: list[float]  # seconds

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.times[-1] + 1 / RATE

    def at(self, second: float) -> Pixels:
        """The frame that a player shows then."""
        place = int(np.searchsorted(self.times, second + 1e-6, side="right")) - 1
        return self.frames[max(0, min(place, len(self.frames) - 1))]


@dataclass(frozen=True)
class Piece:
    """Seconds [start, end) of a clip, played at `factor`; from end to start where it is reversed."""

    clip: Clip
    start: float
    end: float
    factor: float = 1.0
    is_reversed: bool = False
    held_s: float | None = None  # the frame at `start`, held for so long

    @property
    def seconds(self) -> float:
        """How long it is shown."""
        return self.held_s if self.held_s is not None else (self.end - self.start) / self.factor

    def at(self, second: float) -> Pixels:
        """The frame after `second` seconds of this piece."""
        if self.held_s is not None:
            return self.clip.at(self.start)
        if self.is_reversed:
            return self.clip.at(self.end - second * self.factor - 1 / RATE)
        return self.clip.at(self.start + second * self.factor)


@dataclass(frozen=True)
class TrueSegment:
    """What an answer should say of one stretch of the upload, in seconds."""

    name: str
    query: tuple[float, float]
    reference: tuple[float, float]
    factor: float
    is_reversed: bool = False


@dataclass(frozen=True)
class Edited:
    """An upload and the truth about it."""

    edit: str
    name: str
    content: bytes
    segments: list[TrueSegment] = field(default_factory=list)


def read_clip(path: Path, longest_s: float = 60.0, long_side: int = 1280) -> Clip:
    """Decode a video into memory."""
    frames: list[Pixels] = []
    times: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            second = float(frame.time or 0.0) - (times[0] if times else 0.0)
            if not times:
                origin = float(frame.time or 0.0)
            second = float(frame.time or 0.0) - origin
            if second > longest_s:
                break
            scale = min(1.0, long_side / max(frame.width, frame.height))
            size = round(frame.width * scale), round(frame.height * scale)
            frames.append(frame.reformat(*size, format="rgb24").to_ndarray())
            times.append(second)
    return Clip(path.stem, frames, times)


Look = Callable[[Pixels, float], Pixels]


def write_pieces(
    pieces: list[Piece],
    look: Look | None = None,
    *,
    crf: int = 24,
    rate: int = RATE,
    codec: str = "libx264",
    container: str = "mp4",
) -> bytes:
    """Play pieces one after the other into a video, an H.264 MP4 by default."""
    total = sum(piece.seconds for piece in pieces)
    size: tuple[int, int] | None = None
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        options = {"crf": str(crf)} | ({"preset": "veryfast"} if codec == "libx264" else {"cpu-used": "8"})
        stream = out.add_stream(codec, rate=rate, options=options)
        for number in range(int(total * rate + 1e-6)):
            second = number / rate
            picture = _frame_of(pieces, second)
            picture = look(picture, second) if look else picture
            if size is None:
                size = picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2
                stream.width, stream.height = size
                stream.pix_fmt = "yuv420p"
            if (picture.shape[1], picture.shape[0]) != size:
                picture = _letterboxed(picture, size)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def _frame_of(pieces: list[Piece], second: float) -> Pixels:
    for piece in pieces:
        if second < piece.seconds - 1e-9:
            return piece.at(second)
        second -= piece.seconds
    return pieces[-1].at(pieces[-1].seconds - 1 / RATE)


def _letterboxed(picture: Pixels, size: tuple[int, int]) -> Pixels:
    scale = min(size[0] / picture.shape[1], size[1] / picture.shape[0])
    width, height = max(2, int(picture.shape[1] * scale)), max(2, int(picture.shape[0] * scale))
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    ground = np.zeros((size[1], size[0], 3), np.uint8)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    ground[top : top + height, left : left + width] = small
    return ground


def truth_of(pieces: list[Piece], known: set[str]) -> list[TrueSegment]:
    """The segments of the registered clips among the pieces."""
    found, at = [], 0.0
    for piece in pieces:
        if piece.clip.name in known:
            factor = 0.0 if piece.held_s is not None else piece.factor
            found.append(
                TrueSegment(
                    piece.clip.name,
                    (at, at + piece.seconds),
                    (piece.start, piece.start if piece.held_s is not None else piece.end),
                    factor,
                    piece.is_reversed,
                )
            )
        at += piece.seconds
    return found


def mirrored(picture: Pixels, _: float) -> Pixels:
    """Left and right exchanged."""
    return picture[:, ::-1]


def small(picture: Pixels, _: float) -> Pixels:
    """240 pixels high."""
    height = 240
    width = round(picture.shape[1] * height / picture.shape[0]) // 2 * 2
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def cropped(picture: Pixels, _: float) -> Pixels:
    """A tenth off every side."""
    height, width = picture.shape[:2]
    return picture[height // 10 : -height // 10, width // 10 : -width // 10]


def with_logo(picture: Pixels, _: float) -> Pixels:
    """A flat badge in the corner."""
    out = picture.copy()
    height, width = out.shape[:2]
    side = min(height, width) // 5
    cv2.rectangle(out, (width - side - 8, 8), (width - 8, 8 + side // 2), (220, 30, 40), -1)
    cv2.putText(
        out, "NEWS", (width - side, 8 + side // 3), cv2.FONT_HERSHEY_SIMPLEX, side / 90, (255,) * 3, 2
    )
    return out


def screen_recorded(picture: Pixels, second: float) -> Pixels:
    """Played in a window on a desktop, a little darker, with a moving pointer."""
    height, width = 720, 1280
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    screen = np.stack([40 + x // 16, 60 + y // 12, 90 + (x + y) // 24], axis=2).astype(np.uint8)
    scale = min(0.62 * width / picture.shape[1], 0.72 * height / picture.shape[0])
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    inner = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    inner = np.clip(inner * 0.88 + 6, 0, 255).astype(np.uint8)
    left, top = 90, 110
    cv2.rectangle(screen, (left - 6, top - 50), (left + size[0] + 6, top + size[1] + 46), (235,) * 3, -1)
    cv2.putText(screen, "Player", (left, top - 18), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (40,) * 3, 2)
    screen[top : top + size[1], left : left + size[0]] = inner
    pointer = int(left + 30 + 40 * second) % width, int(500 + 60 * np.sin(second))
    cv2.circle(screen, pointer, 7, (255, 255, 255), -1)
    return screen


def picture_in_picture(ground: Clip) -> Look:
    """At two fifths of the width over other footage."""

    def look(picture: Pixels, second: float) -> Pixels:
        out = ground.at(second % ground.seconds).copy()
        height, width = out.shape[:2]
        scale = min(0.45 * width / picture.shape[1], 0.6 * height / picture.shape[0])
        size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
        left, top = width - size[0] - width // 30, height - size[1] - height // 20
        out[top : top + size[1], left : left + size[0]] = cv2.resize(
            picture, size, interpolation=cv2.INTER_AREA
        )
        return out

    return look


SPEEDS = (0.5, 0.75, 0.9, 1.25, 1.5, 2.0)


def edits_of(clip: Clip, others: list[Clip]) -> list[tuple[str, Callable[[], Edited]]]:
    """Every edit of one clip, made when it is called; `others`: footage that is not registered."""
    whole = Piece(clip, 0.0, clip.seconds)
    third = clip.seconds / 3

    def made(
        edit: str, pieces: list[Piece], look: Look | None = None, **more: int
    ) -> tuple[str, Callable[[], Edited]]:
        def make() -> Edited:
            content = write_pieces(pieces, look, **more)
            return Edited(edit, clip.name, content, truth_of(pieces, {clip.name}))

        return edit, make

    filler: list[Piece] = []
    while sum(piece.seconds for piece in filler) < 60:
        other = others[len(filler) % len(others)]
        filler.append(Piece(other, 0.0, other.seconds))
    middle = len(filler) // 2
    inserted = Piece(clip, min(1.13, third), min(1.13, third) + min(5.0, 2 * third))
    held = Piece(clip, third, third, held_s=3.0)
    slowed = Piece(clip, third, 2 * third, 0.75)
    start, end = Piece(clip, 0.0, third), Piece(clip, 2 * third, clip.seconds)
    return [
        made("trim", [Piece(clip, min(1.37, third), clip.seconds)]),
        *(made(f"speed {speed:g}", [Piece(clip, 0.0, clip.seconds, speed)]) for speed in SPEEDS),
        made("reversed", [Piece(clip, 0.0, clip.seconds, is_reversed=True)]),
        made("5 s in 60 s", [*filler[:middle], inserted, *filler[middle:]]),
        made("picture in picture", [whole], picture_in_picture(others[0])),
        made("mirrored", [whole], mirrored),
        made("240p coarse", [whole], small, crf=36),
        made("screen recording", [whole], screen_recorded, rate=25),
        made("cropped", [whole], cropped),
        made("logo", [whole], with_logo),
        made("middle cut out", [start, end]),
        made("halves exchanged", [Piece(clip, 1.5 * third, 3 * third), Piece(clip, 0.0, 1.5 * third)]),
        made("looped", [start] * 3),
        made("held", [start, held, Piece(clip, third, clip.seconds)]),
        made("slowed inside", [start, slowed, end]),
    ]
