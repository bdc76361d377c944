"""Edits of videos with their truth: which seconds of the upload are which of the original.

Frames and audio are read and written with PyAV; an edit is a list of pieces, each a range of a source at a
factor, and what is done to every frame. The same edits come out of the same clips.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from indexer.media.audio import SAMPLE_RATE, Samples
from indexer.media.images import Pixels
from samples.audio_edits import fitted, read_audio, stretched, write_audio
from samples.video_looks import (
    Look,
    cropped,
    mirrored,
    picture_in_picture,
    screen_recorded,
    small,
    with_logo,
)
from sdk.models.operations import OperationType

RATE = 30


@dataclass(frozen=True)
class Clip:
    """All frames of one video and its audio, in memory."""

    name: str
    frames: list[Pixels]
    times: list[float]  # seconds
    audio: Samples | None = None  # int16 at SAMPLE_RATE

    @property
    def seconds(self) -> float:
        """The length of the clip."""
        return self.times[-1] + 1 / RATE

    def at(self, second: float) -> Pixels:
        """Returns the frame that a player shows at that second."""
        place = int(np.searchsorted(self.times, second + 1e-6, side="right")) - 1
        return self.frames[max(0, min(place, len(self.frames) - 1))]

    def heard(self, start: float, end: float) -> Samples:
        """Returns what is heard between two seconds; silence where the clip has no audio."""
        whole = np.zeros(0, np.int16) if self.audio is None else self.audio
        return fitted(whole[round(start * SAMPLE_RATE) :], end - start)


@dataclass(frozen=True)
class Piece:
    """Seconds [start, end) of a clip, played at `factor`; from end to start where it is reversed."""

    clip: Clip
    start: float
    end: float
    factor: float = 1.0
    is_reversed: bool = False
    frozen_s: float | None = None  # the frame at `start` is frozen for so long
    is_pitch_kept: bool = False  # where the factor is not 1

    @property
    def seconds(self) -> float:
        """How long the piece is shown."""
        return self.frozen_s if self.frozen_s is not None else (self.end - self.start) / self.factor

    def at(self, second: float) -> Pixels:
        """Returns the frame after `second` seconds of this piece."""
        if self.frozen_s is not None:
            return self.clip.at(self.start)
        if self.is_reversed:
            return self.clip.at(self.end - second * self.factor - 1 / RATE)
        return self.clip.at(self.start + second * self.factor)

    def heard(self) -> Samples:
        """Returns the audio of this piece, as long as its pictures."""
        if self.frozen_s is not None:
            return np.zeros(round(self.frozen_s * SAMPLE_RATE), np.int16)
        samples = self.clip.heard(self.start, self.end)
        if self.is_reversed:
            samples = samples[::-1]
        if self.factor != 1.0:
            samples = stretched(samples, self.factor, pitch_kept=self.is_pitch_kept)
        return fitted(samples, self.seconds)


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
    shown: frozenset[str] = frozenset()  # names of all clips that it shows or sounds like
    named: OperationType | None = None  # what a good answer says of it, first of all


def read_clip(path: Path, longest_s: float = 60.0, long_side: int = 1280) -> Clip:
    """Decodes a video into memory."""
    frames: list[Pixels] = []
    times: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if not times:
                origin = float(frame.time or 0.0)
            second = float(frame.time or 0.0) - origin
            if second > longest_s:
                break
            scale = min(1.0, long_side / max(frame.width, frame.height))
            size = round(frame.width * scale), round(frame.height * scale)
            frames.append(np.asarray(frame.reformat(*size, format="rgb24").to_ndarray(), np.uint8))
            times.append(second)
    return Clip(path.stem, frames, times, read_audio(path.read_bytes(), longest_s))


def write_pieces(
    pieces: list[Piece],
    look: Look | None = None,
    *,
    crf: int = 24,
    rate: int = RATE,
    codec: str = "libx264",
    container: str = "mp4",
) -> bytes:
    """Writes pieces one after the other into a video, an H.264 MP4 by default, with their audio."""
    total = sum(piece.seconds for piece in pieces)
    size: tuple[int, int] | None = None
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        options = {"crf": str(crf)} | ({"preset": "veryfast"} if codec == "libx264" else {"cpu-used": "8"})
        stream = out.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream), "only codecs of pictures are named here"
        audio = None
        if container == "mp4" and any(piece.clip.audio is not None for piece in pieces):
            audio = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
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
        if audio:
            write_audio(out, audio, np.concatenate([piece.heard() for piece in pieces]))
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
    """Returns the segments of the registered clips among the pieces."""
    found, at = [], 0.0
    for piece in pieces:
        if piece.clip.name in known:
            factor = 0.0 if piece.frozen_s is not None else piece.factor
            found.append(
                TrueSegment(
                    piece.clip.name,
                    (at, at + piece.seconds),
                    (piece.start, piece.start if piece.frozen_s is not None else piece.end),
                    factor,
                    piece.is_reversed,
                )
            )
        at += piece.seconds
    return found


SPEEDS = (0.5, 0.75, 0.9, 1.25, 1.5, 2.0)


def edits_of(clip: Clip, others: list[Clip]) -> list[tuple[str, Callable[[], Edited]]]:
    """Returns every edit of one clip, made when it is called; `others` are unregistered clips."""
    whole = Piece(clip, 0.0, clip.seconds)
    third = clip.seconds / 3

    def made(
        edit: str,
        pieces: list[Piece],
        named: OperationType,
        look: Look | None = None,
        ground: Clip | None = None,
        crf: int = 24,
        rate: int = RATE,
    ) -> tuple[str, Callable[[], Edited]]:
        def make() -> Edited:
            content = write_pieces(pieces, look, crf=crf, rate=rate)
            shown = frozenset(piece.clip.name for piece in pieces) | ({ground.name} if ground else set())
            return Edited(edit, clip.name, content, truth_of(pieces, {clip.name}), shown, named)

        return edit, make

    filler: list[Piece] = []
    while sum(piece.seconds for piece in filler) < 60:
        other = others[len(filler) % len(others)]
        filler.append(Piece(other, 0.0, other.seconds))
    middle = len(filler) // 2
    inserted = Piece(clip, min(1.13, third), min(1.13, third) + min(5.0, 2 * third))
    freeze = Piece(clip, third, third, frozen_s=3.0)
    slowed = Piece(clip, third, 2 * third, 0.75)
    start, end = Piece(clip, 0.0, third), Piece(clip, 2 * third, clip.seconds)
    done = OperationType
    return [
        made("trim", [Piece(clip, min(1.37, third), clip.seconds)], done.CLIPPED),
        *(
            made(
                f"speed {speed:g}, pitch {'kept' if kept else 'moved'}",
                [Piece(clip, 0.0, clip.seconds, speed, is_pitch_kept=kept)],
                done.RETIMED,
            )
            for speed in SPEEDS
            for kept in ((True, False) if clip.audio is not None else (False,))
        ),
        made("reversed", [Piece(clip, 0.0, clip.seconds, is_reversed=True)], done.REVERSED),
        made("5 s in 60 s", [*filler[:middle], inserted, *filler[middle:]], done.CLIPPED),
        made(
            "picture in picture",
            [whole],
            done.EMBEDDED,
            picture_in_picture(others[0].at, others[0].seconds),
            others[0],
        ),
        made("mirrored", [whole], done.MIRRORED, mirrored),
        made("240p coarse", [whole], done.RESIZED, small, crf=36),
        made("screen recording", [whole], done.EMBEDDED, screen_recorded, rate=25),
        made("cropped", [whole], done.CROPPED, cropped),
        made("logo", [whole], done.OVERLAY, with_logo),
        made("middle cut out", [start, end], done.CLIPPED),
        made(
            "halves exchanged",
            [Piece(clip, 1.5 * third, 3 * third), Piece(clip, 0.0, 1.5 * third)],
            done.REORDERED,
        ),
        made("looped", [start] * 3, done.LOOPED),
        made("freeze", [start, freeze, Piece(clip, third, clip.seconds)], done.RETIMED),
        made("slowed inside", [start, slowed, end], done.RETIMED),
        *_other_audio(clip, others),
    ]


def _other_audio(clip: Clip, others: list[Clip]) -> list[tuple[str, Callable[[], Edited]]]:
    """Returns the same pictures with another clip's audio."""
    other = next((clip for clip in others if clip.audio is not None), None)
    if clip.audio is None or other is None:
        return []
    seconds = min(clip.seconds, other.seconds)

    def dubbed() -> Edited:
        both = Piece(replace(clip, audio=other.audio), 0.0, seconds)
        truth = [TrueSegment(clip.name, (0.0, seconds), (0.0, seconds), 1.0)]
        shown = frozenset({clip.name, other.name})
        return Edited("dubbed", clip.name, write_pieces([both]), truth, shown, OperationType.AUDIO_REPLACED)

    return [("dubbed", dubbed)]
