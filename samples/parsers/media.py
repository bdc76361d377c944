"""What a limited process sends, and the headers of media that are read by code of ours."""

import io
import json
import struct
import zlib

import numpy as np

from indexer.media import answers
from indexer.media.brands import brands_of, picture_brand, with_plain_brand
from indexer.media.containers import container_of
from indexer.media.errors import TooLarge
from indexer.media.frames import Frame, VideoInfo
from indexer.media.gif import count_frames
from indexer.media.images import DecodedImage, check_size
from indexer.media.limits import ImageLimits
from indexer.media.messages import BadMessage, read_message, write_message
from indexer.media.png import SIGNATURE, DamagedHeader, Png
from indexer.media.unread_formats import why_unread
from samples.parsers.contract import Parser, require, require_same

MOST_FRAMES = 50
MOST_NOTE = 400  # characters of what is said of a file that is not read


def _sent(header: dict[str, object], body: bytes | memoryview = b"") -> bytes:
    pipe = io.BytesIO()
    write_message(pipe, header, body)
    return pipe.getvalue()


def _messages() -> tuple[bytes, ...]:
    pixels = np.zeros((2, 3, 3), np.uint8)
    page = DecodedImage(pixels, "image/tiff", 3, 2)
    image = DecodedImage(pixels, "image/tiff", 3, 2, 90, ("a note",), (page,))
    info = VideoInfo("video/mp4", 640, 480, 1000, 25.0, True)
    frame = Frame(40, pixels[..., 0], pixels, True)
    return (
        _sent(*answers.image_message(image)),
        _sent(*answers.info_message(info)),
        _sent(*answers.frame_message(frame)),
        _sent({"end": True, "end_ms": 1000, "notes": ["cut"]}),
        _sent({"layers": [["a layer", True, "what it is"]]}),
        _sent({"error": "TooLarge", "reason": "too much"}),
    )


def _message(content: bytes) -> None:
    header, body = read_message(io.BytesIO(content), answers.MOST_BODY_BYTES)
    pipe = io.BytesIO()
    write_message(pipe, header, body)
    require_same(read_message(io.BytesIO(pipe.getvalue())), (header, body))


def _image_message(content: bytes) -> None:
    header, body = read_message(io.BytesIO(content), answers.MOST_BODY_BYTES)
    image = answers.image_in(header, body)
    again = answers.image_in(_through_json(answers.image_message(image)[0]), body)
    require_same(
        (again.width, again.notes, again.pixels.shape), (image.width, image.notes, image.pixels.shape)
    )


def _info_message(content: bytes) -> None:
    header, _ = read_message(io.BytesIO(content), answers.MOST_BODY_BYTES)
    info = answers.info_in(header)
    require_same(answers.info_in(_through_json(answers.info_message(info)[0])), info)


def _frame_message(content: bytes) -> None:
    header, body = read_message(io.BytesIO(content), answers.MOST_BODY_BYTES)
    frame = answers.frame_in(header, body)
    written, same = answers.frame_message(frame)
    require_same(bytes(same), body)
    require_same(answers.frame_in(_through_json(written), body).time_ms, frame.time_ms)


def _other_messages(content: bytes) -> None:
    header, body = read_message(io.BytesIO(content), answers.MOST_BODY_BYTES)
    for read in (answers.layers_in, answers.notes_in, answers.end_in):
        try:
            read(header)
        except BadMessage:
            continue
    answers.samples_in(body)


def _through_json(header: dict[str, object]) -> dict[str, object]:
    read: dict[str, object] = json.loads(json.dumps(header))
    return read


def _gif(content: bytes) -> None:
    counted = count_frames(content, MOST_FRAMES)
    require(0 <= counted <= MOST_FRAMES + 1, "more frames than were wanted")


def _png(content: bytes) -> None:
    png = Png.read(SIGNATURE + content)
    written = Png.read(png.written())
    require_same((written.header, written.before, written.pixels), (png.header, png.before, png.pixels))
    require(not written.is_cut, "what was written breaks off")
    width, height = png.size
    check_size(width, height, ImageLimits())
    require(0 <= png.upper_rows() <= height, "more rows than it has")
    require(png.step() in (0, 1, 2, 4), "a step that Adam7 does not have")
    png.cropped(min(height, 1)).written()


def _first_bytes(content: bytes) -> None:
    brands_of(content)
    require(picture_brand(content) in (b"heic", b"avif", None), "a brand that is no picture's")
    require_same(len(with_plain_brand(content)), len(content))
    container_of(content)
    require(0 < len(why_unread(content)) < MOST_NOTE, "a refusal is a sentence")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


_HEADER = _chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
_INTERLACED = _chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 16, 6, 0, 0, 1))
_PIXELS, _END = _chunk(b"IDAT", zlib.compress(bytes(14))), _chunk(b"IEND", b"")
_GIF = b"GIF89a\2\0\2\0\x80\0\0" + bytes(6) + b",\0\0\0\0\2\0\2\0\0\2\2\x84\x51\0;"
_FTYP = b"\0\0\0\x1cftyp%s\0\0\0\0mif1heicavif\0\0\0\x08meta"

PARSERS = (
    Parser("decoder's message", _message, (BadMessage, EOFError), _messages(), is_told=False),
    Parser("decoder's picture", _image_message, (BadMessage, EOFError), _messages()[:1], is_told=False),
    Parser("decoder's video", _info_message, (BadMessage, EOFError), _messages()[1:2], is_told=False),
    Parser("decoder's frame", _frame_message, (BadMessage, EOFError), _messages()[2:3], is_told=False),
    Parser(
        "decoder's other words", _other_messages, (BadMessage, EOFError), _messages()[3:], is_told=False
    ),
    Parser("blocks of a GIF", _gif, (), (_GIF,), (b"GIF89a", b"GIF87a", b"!\xf9\x04", b",")),
    Parser(
        "chunks of a PNG",
        _png,
        (DamagedHeader, TooLarge),
        (_HEADER + _PIXELS + _END, _INTERLACED + _PIXELS + _chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x"))),
        (b"IHDR", b"IDAT", b"IEND", b"iCCP", b"PLTE", b"tRNS", b"zTXt", b"fdAT"),
    ),
    Parser(
        "first bytes",
        _first_bytes,
        (),
        (*(_FTYP % brand for brand in (b"heic", b"avif", b"mp42")), b"RIFF\0\0\0\0AVI ", b"<?xml <svg"),
        (b"ftyp", b"meta", b"RIFF", b"CDXA", b"\x00\x00\x01\xba", b"<svg", b"OggS"),
    ),
)
