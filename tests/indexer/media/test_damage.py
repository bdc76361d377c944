"""Damaged files are read as browsers show them, and what is missing is said."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from indexer.media.animation import is_animated
from indexer.media.errors import MediaError, Undecodable
from indexer.media.images import DecodedImage, decode_image
from indexer.media.limits import ImageLimits, VideoLimits
from indexer.media.png import SIGNATURE
from tests.pictures import encoded, picture

WRONG = b"\1\2\3\4"


def read(payload: bytes) -> DecodedImage:
    return decode_image(payload, ImageLimits())


def difference(decoded: DecodedImage, *, from_below: bool = False) -> float:
    """From the rows of the original that are said to be there, in grey levels."""
    upper = 400 - decoded.height if from_below else 0
    shown = picture("coffee").crop((0, upper, 600, upper + decoded.height))
    wanted = shown.resize(decoded.pixels.shape[1::-1], Image.Resampling.BOX)
    return float(np.abs(decoded.pixels.astype(int) - np.asarray(wanted).astype(int)).mean())


def chunk(kind: bytes, body: bytes, checksum: bytes | None = None) -> bytes:
    right = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + (checksum or right)


def png(*between: bytes, pixels: list[bytes] | None = None, wrong_at: int | None = None) -> bytes:
    """Coffee, with these chunks `between` header and pixels, of which one may have a wrong checksum."""
    image = picture("coffee")
    rows = np.asarray(image).reshape(400, -1)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = pixels or [packed[at : at + 30_000] for at in range(0, len(packed), 30_000)]
    written = [
        chunk(b"IDAT", part, WRONG if number == wrong_at else None) for number, part in enumerate(parts)
    ]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 600, 400, 8, 2, 0, 0, 0))
    return SIGNATURE + header + b"".join((*between, *written)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_the_marker_of_its_end_is_the_whole_picture(missing: int) -> None:
    decoded = read(encoded("coffee", quality=90)[:-missing])
    assert (decoded.width, decoded.height) == (600, 400)
    assert decoded.notes == ("the end of the file is missing",)
    assert difference(decoded) < 6


@pytest.mark.parametrize("missing", [12, 200, 1500])
def test_blocks_that_never_came_are_not_taken_for_an_edit(missing: int) -> None:
    decoded = read(encoded("coffee", quality=90)[:-missing])
    assert 350 < decoded.height < 400
    # The last rows as well: what libjpeg makes up for missing blocks is grey or smeared.
    wanted = np.asarray(picture("coffee"))[decoded.height - 8 : decoded.height, -200:]
    assert np.abs(decoded.pixels[-8:, -200:].astype(int) - wanted).mean() < 10


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"subsampling": 0}), ("PNG", {}), ("GIF", {"interlace": False}), ("BMP", {})],
)
def test_what_came_before_a_file_breaks_off_is_read_and_the_rest_left_out(
    kind: str, options: dict[str, object]
) -> None:
    payload = encoded("coffee", kind, **options)
    decoded = read(payload[: int(0.7 * len(payload))])
    assert decoded.width == 600
    assert 250 < decoded.height < 300
    assert decoded.notes == (f"the file breaks off: {decoded.height} of its 400 rows are there",)
    assert difference(decoded, from_below=kind == "BMP") < 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_of_too_few_rows_nothing_is_said_but_how_many_there_are(kind: str) -> None:
    payload = encoded("coffee", kind, **({"interlace": False} if kind == "GIF" else {}))
    with pytest.raises(Undecodable, match=r"^the file breaks off: \d+ of its 400 rows are there; at least"):
        read(payload[: int(0.15 * len(payload))])


def test_a_cut_progressive_jpeg_lacks_details_only() -> None:
    payload = encoded("coffee", progressive=True)
    decoded = read(payload[: len(payload) // 2])
    assert decoded.height == 400
    assert "last details" in decoded.notes[0]
    assert difference(decoded) < 10


def test_of_the_first_scan_of_a_progressive_jpeg_the_upper_rows_are_read() -> None:
    payload = encoded("coffee", progressive=True)
    decoded = read(payload[: int(0.08 * len(payload))])
    assert 200 < decoded.height < 390
    assert difference(decoded) < 25
    with pytest.raises(Undecodable, match="at least a quarter"):
        read(payload[: len(payload) // 60])


def test_the_scan_of_a_thumbnail_is_not_one_of_the_picture() -> None:
    exif = Image.Exif()
    exif[0x010E] = "\xff\xda" * 20  # where a thumbnail would have its own
    payload = encoded("coffee", progressive=True, exif=exif)
    assert read(payload[: int(0.08 * len(payload))]).height < 390


def test_a_gif_that_breaks_off_between_two_frames_is_its_whole_frames() -> None:
    frames = [picture(name).resize((90, 60)) for name in ("coffee", "cat", "rocket")]
    payload = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=500)
    still = encoded(frames[0], "GIF")
    assert read(still[:-1] + b"!").width == 90
    for cut in range(len(payload) - 40, len(payload)):
        assert is_animated(payload[:cut], VideoLimits())


def test_of_the_first_passes_of_an_interlaced_png_too_little_is_there() -> None:
    payload = interlaced()
    with pytest.raises(Undecodable, match="coarse"):
        read(payload[: len(payload) // 60])


def test_a_cut_interlaced_gif_is_read_as_coarsely_as_it_came() -> None:
    payload = encoded("coffee", "GIF", interlace=True)
    decoded = read(payload[: int(0.7 * len(payload))])
    assert (decoded.width, decoded.height) == (600, 400)
    assert decoded.pixels.shape == (200, 300, 3)
    assert "coarse" in decoded.notes[0]
    assert difference(decoded) < 20


def interlaced() -> bytes:
    """Coffee in the seven passes of Adam7."""
    pixels, rows = np.asarray(picture("coffee")), []
    passes = (
        (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
    )  # fmt: skip
    for row, column, down, across in passes:
        rows += [b"\0" + line.tobytes() for line in pixels[row::down, column::across]]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 600, 400, 8, 2, 0, 0, 1))
    return SIGNATURE + header + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("share", "step"), [(1.0, 1), (0.7, 2), (0.4, 2), (0.2, 4)])
def test_a_cut_interlaced_png_is_read_as_coarsely_as_it_came(share: float, step: int) -> None:
    payload = interlaced()
    decoded = read(payload[: int(share * len(payload))])
    assert (decoded.width, decoded.height) == (600, 400)
    assert decoded.pixels.shape == (400 // step, 600 // step, 3)
    wanted = np.asarray(picture("coffee"))[::step, ::step]
    assert np.array_equal(decoded.pixels, wanted)
    assert decoded.notes == (() if step == 1 else ("the file breaks off: only a coarse picture is there",))


@pytest.mark.parametrize("kind", [b"tEXt", b"iTXt", b"gAMA", b"tIME", b"pHYs", b"iCCP", b"eXIf"])
def test_a_wrong_checksum_of_what_a_picture_can_do_without_is_noted(kind: bytes) -> None:
    decoded = read(png(chunk(kind, b"Comment\0anything", WRONG)))
    assert decoded.notes == (f"chunks with a wrong checksum were passed over ({kind.decode()})",)
    assert difference(decoded) == 0


def test_of_pixels_with_a_wrong_checksum_those_before_are_read_as_browsers_do() -> None:
    decoded = read(png(wrong_at=8))
    assert 100 < decoded.height < 300
    assert difference(decoded) == 0
    last = read(png(wrong_at=len(zlib.compress(bytes(1)))))
    assert last.height < 400


def test_a_wrong_checksum_at_the_very_end_costs_nothing() -> None:
    packed = zlib.compress(
        b"".join(b"\0" + row.tobytes() for row in np.asarray(picture("coffee")).reshape(400, -1))
    )
    decoded = read(png(pixels=[packed], wrong_at=0))
    assert (decoded.height, difference(decoded)) == (400, 0)


@pytest.mark.parametrize("place", [12, 20, 29])
def test_a_damaged_header_is_refused(place: int) -> None:
    payload = bytearray(png())
    payload[place] ^= 0xFF
    with pytest.raises(Undecodable, match="PNG without a readable header"):
        read(bytes(payload))


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("add", [PngImagePlugin.PngInfo.add_text, PngImagePlugin.PngInfo.add_itxt])
def test_text_of_any_length_is_passed_over(add: Callable[..., None], compressed: bool) -> None:
    text = PngImagePlugin.PngInfo()
    add(text, "comment", "A" * 5_000_000, zip=compressed)
    decoded = read(encoded(picture("coffee"), "PNG", pnginfo=text))
    assert difference(decoded) == 0
    assert decoded.notes == ("more than a megabyte of text was passed over",)


def test_a_short_text_is_nothing_to_speak_of() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "A" * 5000)
    assert read(encoded(picture("coffee"), "PNG", pnginfo=text)).notes == ()


def test_a_profile_that_unpacks_to_no_end_is_ignored() -> None:
    bomb = b"bomb\0\0" + zlib.compress(bytes(50_000_000), 1)
    assert difference(read(png(chunk(b"iCCP", bomb)))) == 0


def test_no_name_of_an_exception_reaches_anybody() -> None:
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "GIF", "BMP"):
        payload = encoded(picture("coffee").resize((90, 60)), kind)
        for _ in range(12):
            damaged = bytearray(payload[: rng.integers(8, len(payload))])
            for place in rng.integers(4, len(damaged), 3):
                damaged[place] = rng.integers(256)
            try:
                read(bytes(damaged))
            except MediaError as error:
                words = str(error)
                assert not any(name in words for name in ("Error", "Exception", "<", "0x", "Warning")), (
                    words
                )
            except MemoryError:
                pass  # the worker says how much it may use
