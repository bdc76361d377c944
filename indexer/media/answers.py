"""Pictures, videos and frames as messages of the limited process, and back again.

Reading believes nothing: a decoder that an upload took over may send anything, and the program that asks
must get no array of another shape, no number out of range, and no error but BadMessage.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

import numpy as np

from indexer.media.audio import Samples
from indexer.media.frames import Frame, VideoInfo
from indexer.media.images import MOST_PAGES, DecodedImage, Pixels
from indexer.media.lockdown import Layer
from indexer.media.messages import BadMessage

# An honest answer is below: 20 pages of a TIFF, each of a working size.
MOST_BODY_BYTES = 320 << 20
MOST_SIDE = 65_535  # of what is read, and of what a file that is read states
MOST_MS = 1 << 40
Header = dict[str, object]
Answer = tuple[Header, bytes | memoryview]  # a body that is sent need not be copied first


def image_message(image: DecodedImage) -> Answer:
    """A still image with its further pages."""
    pages = (image, *image.further_pages)
    header = {"is": "image", **_page_header(image), "further": [_page_header(page) for page in pages[1:]]}
    if len(pages) == 1:
        return header, np.ascontiguousarray(image.pixels).data.cast("B")
    return header, b"".join(page.pixels.tobytes() for page in pages)


def _page_header(image: DecodedImage) -> Header:
    return {
        "media_type": image.media_type,
        "width": image.width,
        "height": image.height,
        "jpeg_quality": image.jpeg_quality,
        "notes": image.notes,
        "shape": image.pixels.shape,
    }


def info_message(info: VideoInfo) -> Answer:
    """What a video states about itself."""
    return {"is": "video", **asdict(info)}, b""


def frame_message(frame: Frame) -> Answer:
    """One frame of a video."""
    luma, pixels = frame.luma, frame.pixels
    header: Header = {
        "time_ms": frame.time_ms,
        "starts_shot": frame.starts_shot,
        "luma": None if luma is None else luma.shape,
        "pixels": None if pixels is None else pixels.shape,
    }
    return header, b"".join(part.tobytes() for part in (luma, pixels) if part is not None)


def layers_in(header: Header) -> tuple[Layer, ...]:
    """The layers of the lock-down, sent before there was an upload."""
    with _well_formed():
        return tuple(Layer(*row) for row in _rows(header["layers"]))


def image_in(header: Header, body: bytes) -> DecodedImage:
    """Reads what `image_message` makes. Raises BadMessage."""
    with _well_formed():
        further = _rows(header["further"])
        _require(len(further) < MOST_PAGES)
        pages, rest = [], memoryview(body)
        for page in (header, *further):
            pixels, rest = _array(page["shape"], rest, dimensions=3)
            pages.append(
                DecodedImage(
                    pixels=pixels,
                    media_type=_text(page["media_type"]),
                    width=_whole(page["width"], MOST_SIDE, least=1),
                    height=_whole(page["height"], MOST_SIDE, least=1),
                    jpeg_quality=None
                    if page["jpeg_quality"] is None
                    else _whole(page["jpeg_quality"], 100),
                    notes=notes_in(page),
                )
            )
        _require(not rest)
        return replace(pages[0], further_pages=tuple(pages[1:]))


def info_in(header: Header) -> VideoInfo:
    """Reads what `info_message` makes. Raises BadMessage."""
    with _well_formed():
        duration_ms, rate = header["duration_ms"], header["frame_rate"]
        if rate is not None and not (isinstance(rate, float) and math.isfinite(rate)):
            raise ValueError
        return VideoInfo(
            media_type=_text(header["media_type"]),
            width=_whole(header["width"], MOST_SIDE, least=1),
            height=_whole(header["height"], MOST_SIDE, least=1),
            duration_ms=None if duration_ms is None else _whole(duration_ms, MOST_MS, least=-MOST_MS),
            frame_rate=rate,
            has_audio=header["has_audio"] is True,
            has_unread_audio=header["has_unread_audio"] is True,
        )


def frame_in(header: Header, body: bytes) -> Frame:
    """Reads what `frame_message` makes. Raises BadMessage."""
    with _well_formed():
        luma, pixels, rest = None, None, memoryview(body)
        if header["luma"] is not None:
            luma, rest = _array(header["luma"], rest, dimensions=2)
            luma = luma.copy()  # it is kept for the track, and must not keep the whole message
        if header["pixels"] is not None:
            pixels, rest = _array(header["pixels"], rest, dimensions=3)
        _require(not rest)
        return Frame(_whole(header["time_ms"], MOST_MS), luma, pixels, header["starts_shot"] is True)


def samples_in(body: bytes) -> Samples:
    """Mono samples of sound. Raises BadMessage."""
    with _well_formed():
        return np.frombuffer(body, np.int16)


def notes_in(header: Header) -> tuple[str, ...]:
    """What is said of a file. Raises BadMessage."""
    with _well_formed():
        return tuple(_text(note) for note in _rows(header["notes"]))


def end_in(header: Header) -> int:
    """When the last frame ceases to be shown, in milliseconds. Raises BadMessage."""
    with _well_formed():
        return _whole(header["end_ms"], MOST_MS)


@contextmanager
def _well_formed() -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, ValueError) as error:
        raise BadMessage("not what was asked for") from error


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def _array(shape: object, body: memoryview, *, dimensions: int) -> tuple[Pixels, memoryview]:
    """(h, w) or (h, w, 3) uint8 from the beginning of `body`, and what follows it."""
    sides = [_whole(side, MOST_SIDE, least=1) for side in _rows(shape)]
    _require(len(sides) == dimensions and (dimensions == 2 or sides[2] == 3))
    pixels = np.frombuffer(body, np.uint8, math.prod(sides)).reshape(sides)
    return pixels, body[pixels.size :]


def _rows(value: object) -> list:  # type: ignore[type-arg]  # of anything
    if not isinstance(value, list):
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _whole(value: object, most: int, *, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError
    return value
