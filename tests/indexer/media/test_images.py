"""Colour modes, orientations and bombs: what fingerprints depend on, and what must never be decoded."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from indexer.media.errors import TooLarge, Undecodable, UnsupportedFormat
from indexer.media.images import LEAST_REDUCTION, decode_image
from indexer.media.limits import ImageLimits
from tests.pictures import encoded, picture

LIMITS = ImageLimits()


def mean_difference(payload: bytes, expected: Image.Image) -> float:
    decoded = decode_image(payload, LIMITS).pixels.astype(int)
    wanted = np.asarray(expected.convert("RGB").resize(decoded.shape[1::-1])).astype(int)
    return float(np.abs(decoded - wanted).mean())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "GIF", "BMP"])
def test_every_promised_format_is_read(kind: str) -> None:
    assert mean_difference(encoded("coffee", kind), picture("coffee")) < 8


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "LA", "1", "I;16", "F", "YCbCr"])
def test_every_colour_mode_shows_the_same_picture(mode: str) -> None:
    grey = picture("camera").convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(np.asarray(grey).astype(np.float32))
    else:
        image = grey.convert("RGB").convert(mode)
    payload = encoded(image, "TIFF")
    # 1-bit pictures are dithered: compared after the dots are blurred away.
    decoded = Image.fromarray(decode_image(payload, LIMITS).pixels).resize((32, 32), Image.Resampling.BOX)
    expected = grey.convert("RGB").resize((32, 32), Image.Resampling.BOX)
    difference = np.abs(np.asarray(decoded).astype(int) - np.asarray(expected).astype(int)).mean()
    assert difference < 6


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    assert mean_difference(encoded(picture("coffee").convert("CMYK"), "JPEG"), picture("coffee")) < 12


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (100, 80), (255, 0, 0, 0))
    assert decode_image(encoded(clear, "PNG"), LIMITS).pixels.min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = picture("coffee")
    turn = turns[orientation]
    stored = upright.transpose(turn) if turn is not None else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    payload = encoded(stored, "JPEG", exif=exif, quality=95)
    decoded = decode_image(payload, LIMITS)
    assert (decoded.width, decoded.height) == upright.size
    assert mean_difference(payload, upright) < 6


def test_large_pictures_are_reduced_but_their_size_is_reported() -> None:
    decoded = decode_image(encoded(picture("coffee").resize((3000, 2000)), "JPEG"), LIMITS)
    assert (decoded.width, decoded.height) == (3000, 2000)
    assert min(decoded.pixels.shape[:2]) >= 512
    assert max(decoded.pixels.shape[:2]) <= LIMITS.working_long_side / LEAST_REDUCTION


def test_an_animation_is_no_still_image() -> None:
    frames = [picture("coffee").resize((64, 64)), picture("cat").resize((64, 64))]
    for kind in ("GIF", "WEBP"):
        payload = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        with pytest.raises(UnsupportedFormat, match="animated"):
            decode_image(payload, LIMITS)


def png_of(width: int, height: int) -> bytes:
    """Returns a tiny file that claims to be huge."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(14_200, 14_200), (25_000, 25_000), (70_000, 10)])
def test_decompression_bombs_are_refused_before_they_are_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(TooLarge):
        decode_image(png_of(*size), LIMITS)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            ImageLimits(max_pixels=200_000_000),
            "20000 x 20000 pixels, 400 megapixels; at most 200 megapixels",
        ),
        (
            ImageLimits(max_pixels=100_000_000),
            "20000 x 20000 pixels, 400 megapixels; at most 100 megapixels",
        ),
        (
            ImageLimits(max_pixels=500_000_000, max_side=9000),
            "20000 x 20000 pixels; a side may have at most",
        ),
        (ImageLimits(max_bytes=50), r"\d+ bytes; at most 50 are read"),
    ],
)
def test_a_refusal_names_the_limit_that_was_hit(limits: ImageLimits, words: str) -> None:
    with pytest.raises(TooLarge, match=words):
        decode_image(png_of(20_000, 20_000), limits)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no picture at all",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
        b"GIF89a",
        b"\xff\xd8\xff\xe0" + b"\0" * 100,
        encoded("coffee", "PNG")[:2000],
    ],
)
def test_garbage_other_formats_and_cut_files_are_refused(payload: bytes) -> None:
    with pytest.raises((UnsupportedFormat, Undecodable)):
        decode_image(payload, LIMITS)


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(TooLarge):
        decode_image(encoded("coffee", "PNG"), ImageLimits(max_bytes=1000))


def test_a_broken_colour_profile_is_ignored() -> None:
    payload = encoded("coffee", "JPEG", icc_profile=b"broken", quality=95)
    assert mean_difference(payload, picture("coffee")) < 6


def test_a_polyglot_is_the_picture_at_its_front() -> None:
    payload = encoded("coffee", "JPEG", quality=95) + b"<script>alert(1)</script>PK\x03\x04"
    assert mean_difference(payload, picture("coffee")) < 6


@pytest.mark.parametrize("size", [(8160, 6144), (720, 17_000)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_phone_pictures_and_long_screenshots_are_read_reduced(kind: str, size: tuple[int, int]) -> None:
    image = picture("coffee").resize(size, Image.Resampling.NEAREST)
    decoded = decode_image(encoded(image, kind, **({"compress_level": 1} if kind == "PNG" else {})), LIMITS)
    assert (decoded.width, decoded.height) == size
    assert decoded.pixels.size < 12_000_000
    wanted = np.asarray(picture("coffee").resize(decoded.pixels.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(decoded.pixels.astype(int) - wanted).mean() < 12
