"""Samples of any depth are scaled by the range that they really have, never clipped to black or white."""

import io
import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from indexer.media.depths import scaled_to_bytes
from indexer.media.images import decode_image
from indexer.media.limits import ImageLimits
from tests.pictures import encoded, picture

GREY = np.asarray(picture("camera").convert("L"))
COLOURS = np.asarray(picture("coffee"))


def difference(payload: bytes, expected: npt.NDArray[Any]) -> float:
    decoded = decode_image(payload, ImageLimits()).pixels.astype(int)
    wanted = np.asarray(Image.fromarray(expected.astype(np.uint8)).convert("RGB")).astype(int)
    return float(np.abs(decoded - wanted).mean())


def by_opencv(samples: npt.NDArray[Any], ending: str) -> bytes:
    ordered = samples[..., ::-1] if samples.ndim == 3 else samples
    return cv2.imencode(ending, np.ascontiguousarray(ordered))[1].tobytes()


def tiff_of(samples: npt.NDArray[Any], **tags: int) -> bytes:
    """A TIFF of one grey sample a pixel; tags by the name of their number, as `t281=4095`."""
    kinds = {"u": 1, "i": 2, "f": 3}
    height, width = samples.shape
    body = samples.tobytes()
    entries = {
        256: width, 257: height, 258: 8 * samples.itemsize, 259: 1, 262: 1, 273: 8, 277: 1, 278: height,
        279: len(body), 339: kinds[samples.dtype.kind],
    }  # fmt: skip
    entries |= {int(name[1:]): value for name, value in tags.items()}
    written = b"".join(struct.pack("<HHII", number, 4, 1, entries[number]) for number in sorted(entries))
    directory = struct.pack("<H", len(entries)) + written + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


@pytest.mark.parametrize(
    ("ending", "bits"),
    [*((".tif", bits) for bits in (8, 10, 12, 14, 16)), *((".png", bits) for bits in (8, 10, 12, 16))],
)
def test_grey_of_fewer_bits_than_its_samples_is_no_black_picture(ending: str, bits: int) -> None:
    samples = GREY.astype(np.uint16) << (bits - 8)
    assert difference(by_opencv(samples, ending), GREY) < 1.5


def test_a_png_of_more_than_twelve_bits_is_as_dark_as_browsers_show_it() -> None:
    samples = GREY.astype(np.uint16) * 60
    assert difference(by_opencv(samples, ".png"), samples >> 8) < 1


@pytest.mark.parametrize("ending", [".tif", ".png"])
@pytest.mark.parametrize("bits", [12, 16])
def test_colours_of_twelve_bits_are_read_as_well(ending: str, bits: int) -> None:
    assert difference(by_opencv(COLOURS.astype(np.uint16) << (bits - 8), ending), COLOURS) < 1.5


@pytest.mark.parametrize(
    "samples",
    [
        GREY.astype(np.float32) / 255,
        GREY.astype(np.float32),
        GREY.astype(np.float32) * 257,
        GREY.astype(np.float32) / 255 * 1.3,
        GREY.astype(np.float32) / 127.5 - 1,
        GREY.astype(np.float64) / 255,
        GREY.astype(np.uint32) * 16_000_000,
        GREY.astype(np.int32) * 1000 - 5000,
        GREY.astype(np.int16) * 50 - 3000,
        GREY.astype(np.uint16) + 30_000,
    ],
    ids=lambda samples: f"{samples.dtype} {samples.min():g} to {samples.max():g}",
)
def test_floats_and_integers_of_any_range_are_scaled_by_it(samples: npt.NDArray[Any]) -> None:
    assert difference(tiff_of(samples), GREY) < 1


def test_floats_in_colour_are_read() -> None:
    assert difference(by_opencv(COLOURS.astype(np.float32) / 255, ".tif"), COLOURS) < 1


def test_what_is_no_number_does_not_darken_the_rest() -> None:
    samples = GREY.astype(np.float32) / 255
    samples[0, :4] = np.nan, np.inf, -np.inf, 1.0
    assert difference(tiff_of(samples), GREY) < 1


def test_a_highest_value_that_the_file_states_is_believed() -> None:
    dark = (GREY // 4).astype(np.uint16) * 16
    assert difference(tiff_of(dark, t281=4080), GREY // 4) < 1
    assert difference(tiff_of(dark, t281=65_535), GREY) < 4


def test_white_may_be_zero() -> None:
    assert difference(tiff_of(GREY.astype(np.uint16) * 257, t262=0), 255 - GREY) < 1
    assert difference(tiff_of(GREY, t262=0), 255 - GREY) < 1


def test_a_dark_picture_of_eight_bits_stays_dark() -> None:
    assert difference(encoded(Image.fromarray(COLOURS // 8), "TIFF"), COLOURS // 8) < 1
    assert difference(encoded(Image.fromarray(GREY // 8), "PNG"), GREY // 8) < 1


def test_the_colours_of_lab_are_converted() -> None:
    lab = ImageCms.profileToProfile(
        picture("coffee"), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    assert difference(encoded(lab, "TIFF"), COLOURS) < 3


def test_a_palette_with_transparency_lies_on_white() -> None:
    image = picture("coffee").quantize(16)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=bytes([0] + [255] * 15))
    expected = np.asarray(image.convert("RGB")).copy()
    expected[np.asarray(image) == 0] = 255
    assert difference(buffer.getvalue(), expected) < 1


def test_a_plain_area_is_scaled_to_something() -> None:
    for value in (0.0, 7.0, -3.0):
        assert scaled_to_bytes(np.full((2, 2), value, np.float32)).shape == (2, 2)


def test_every_page_of_twelve_bits_is_read_as_itself() -> None:
    pages = [(page.astype(np.uint16) << 4)[..., ::-1] for page in (COLOURS, COLOURS[::-1])]
    _, payload = cv2.imencodemulti(".tif", [np.ascontiguousarray(page) for page in pages])
    decoded = decode_image(payload.tobytes(), ImageLimits())
    for read, page in zip((decoded, *decoded.further_pages), (COLOURS, COLOURS[::-1]), strict=True):
        assert np.abs(read.pixels.astype(int) - page).mean() < 2
