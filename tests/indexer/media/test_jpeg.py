"""JPEGs go through a decoder of their own, at the size that is wanted; whatever it does not like goes to
Pillow."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from indexer.media.images import decode_image
from indexer.media.jpeg import decode_jpeg, eighths_for
from indexer.media.limits import ImageLimits
from tests.pictures import encoded, picture

LIMITS = ImageLimits()


def opened(payload: bytes) -> Image.Image:
    return Image.open(io.BytesIO(payload))


@pytest.mark.parametrize(
    ("size", "scale", "eighths"),
    [
        ((4000, 3000), 0.26, 3),
        ((4000, 3000), 0.25, 2),
        # 1008 of 1024 wanted pixels are enough: the next step would make 1512.
        ((4032, 3024), 1024 / 4032, 2),
        ((800, 600), 0.7, 6),
        # 7/8 takes longer than all of it.
        ((800, 600), 0.85, 8),
        ((800, 600), 1.0, 8),
        ((16_000, 2000), 0.01, 1),
    ],
)
def test_no_more_eighths_are_decoded_than_are_wanted(
    size: tuple[int, int], scale: float, eighths: int
) -> None:
    assert eighths_for(size, scale) == eighths


@pytest.mark.parametrize("eighths", [1, 2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("kind", ["4:4:4", "4:2:0", "progressive", "grey"])
def test_an_eighth_of_a_jpeg_shows_the_same_picture(kind: str, eighths: int) -> None:
    image = picture("coffee").resize((640, 424))
    subsampling = "4:2:0" if kind == "4:2:0" else "4:4:4"
    payload = encoded(
        image.convert("L") if kind == "grey" else image,
        quality=95,
        subsampling=subsampling,
        progressive=kind == "progressive",
    )
    decoded = decode_jpeg(payload, opened(payload), eighths / 8)
    assert decoded is not None
    width, height = (-(-side * eighths // 8) for side in image.size)
    assert decoded.shape == ((height, width) if kind == "grey" else (height, width, 3))
    wanted = image.convert("L" if kind == "grey" else "RGB").resize((width, height), Image.Resampling.BOX)
    assert np.abs(decoded.astype(int) - np.asarray(wanted).astype(int)).mean() < 4


@pytest.mark.parametrize("size", [(600, 400), (3000, 2000), (1800, 1600)])
def test_pillow_does_not_decode_a_plain_jpeg(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = encoded(picture("coffee").resize(size))

    def refuse(_: object) -> None:
        raise AssertionError("decoded by Pillow")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    decoded = decode_image(payload, LIMITS)
    assert (decoded.width, decoded.height) == size


def test_what_the_decoder_does_not_take_is_left_to_pillow() -> None:
    cmyk = encoded(picture("coffee").convert("CMYK"))
    png = encoded("coffee", "PNG")
    with_rubbish = encoded("coffee", quality=95)
    # Bytes between two segments: a warning for libjpeg, nothing for Pillow.
    with_rubbish = with_rubbish[:-2] + b"\0" * 7 + with_rubbish[-2:]
    for payload in (cmyk, png):
        assert decode_jpeg(payload, opened(payload), 1.0) is None
    for payload in (cmyk, png, with_rubbish):
        difference = decode_image(payload, LIMITS).pixels.astype(int) - np.asarray(
            picture("coffee")
        ).astype(int)
        assert np.abs(difference).mean() < 12


def test_of_a_cut_jpeg_the_upper_rows_are_read_at_every_size() -> None:
    for size in ((600, 400), (3000, 2000)):
        payload = encoded(picture("coffee").resize(size))
        decoded = decode_image(payload[: len(payload) // 2], LIMITS)
        assert decoded.width == size[0]
        assert 0.4 < decoded.height / size[1] < 0.6
        assert decoded.notes == (f"the file breaks off: {decoded.height} of its {size[1]} rows are there",)


def test_a_profile_is_applied_to_what_was_decoded_in_eighths() -> None:
    grey = picture("coffee").convert("L").resize((3000, 2000))
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    for profile, mode in ((ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")), "RGB"), (linear, "L")):
        payload = encoded(grey.convert(mode), icc_profile=profile.tobytes(), quality=95)
        decoded = decode_image(payload, LIMITS).pixels
        wanted = grey.convert("RGB").resize(decoded.shape[1::-1], Image.Resampling.BOX)
        assert np.abs(decoded.astype(int) - np.asarray(wanted).astype(int)).mean() < 4
