"""HEIC and AVIF are told from videos by all of their brands."""

from functools import cache

import pytest

from indexer.media.brands import brands_of, picture_brand, with_plain_brand
from indexer.media.containers import looks_like_video
from indexer.media.images import decode_image
from indexer.media.limits import ImageLimits
from tests.pictures import encoded, picture
from tests.videos import original

MAJOR = slice(8, 12)


@cache
def plain(kind: str) -> bytes:
    return encoded("coffee", kind)


def under(brand: bytes, payload: bytes) -> bytes:
    return payload[:8] + brand + payload[12:]


@pytest.mark.parametrize("brand", [b"heic", b"heim", b"heis", b"miaf", b"mif1", b"isom", b"mp42", b"none"])
def test_a_heic_is_read_whatever_its_major_brand(brand: bytes) -> None:
    payload = under(brand, plain("HEIF"))
    assert not looks_like_video(payload)
    decoded = decode_image(payload, ImageLimits())
    assert (decoded.media_type, decoded.width) == ("image/heic", 600)


@pytest.mark.parametrize("brand", [b"avif", b"avio", b"miaf", b"mif1", b"MA1B", b"isom"])
def test_an_avif_is_read_whatever_its_major_brand(brand: bytes) -> None:
    payload = under(brand, plain("AVIF"))
    assert not looks_like_video(payload)
    assert decode_image(payload, ImageLimits()).media_type == "image/avif"


def test_an_animated_avif_stays_one() -> None:
    frames = [picture(name).resize((64, 64)) for name in ("coffee", "cat")]
    payload = encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert with_plain_brand(under(b"miaf", payload))[MAJOR] == b"avis"


def test_a_video_is_no_picture() -> None:
    payload = original("coffee")
    assert picture_brand(payload) is None
    assert looks_like_video(payload)
    assert with_plain_brand(payload) is payload


def test_a_sequence_without_items_is_a_video() -> None:
    payload = original("coffee")
    box = b"\0\0\0\x18ftypmsf1\0\0\0\0msf1iso8"
    assert brands_of(box + payload) == (b"msf1", b"msf1", b"iso8")
    assert picture_brand(box + payload[int.from_bytes(payload[:4], "big") :]) is None


@pytest.mark.parametrize(
    "payload", [b"", b"\0\0\0\x10ftyp", b"\0\0\0\x08ftypheic", b"\xff\xff\xff\xffftypheicheic", b"\0" * 64]
)
def test_what_has_no_such_box_has_no_brand(payload: bytes) -> None:
    assert brands_of(payload) == ()
