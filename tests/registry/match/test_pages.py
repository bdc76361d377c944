"""A TIFF of several pages is answered about the page that shows a registered picture."""

import io
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin

from indexer.media.images import KIND_OF_PAGE
from sdk.models import RecordSummary, Strength, VerdictKind
from tests.pictures import encoded, picture
from tests.world import Party, World

Registered = tuple[Party, RecordSummary]
SURE = (Strength.EXACT, Strength.VERY_STRONG, Strength.STRONG)
STRIP_OFFSETS, STRIP_LENGTHS = 273, 279  # tags of a TIFF
BLANK = Image.new("L", (600, 400), 255)


def tiff(*pages: Image.Image | str, **options: Any) -> bytes:
    # Copies: Pillow keeps on an image how it was saved before.
    first, *others = (picture(page).copy() if isinstance(page, str) else page for page in pages)
    return encoded(first, "TIFF", save_all=True, append_images=others, **options)


@pytest.fixture(scope="module")
def registered(world_of_module: World) -> Registered:
    desk = world_of_module.enrol("Daily Example")
    return desk, world_of_module.register(desk, encoded("coffee"), "coffee.jpg").record


@pytest.mark.parametrize(
    ("pages", "number"),
    [
        (("hubble", "coffee"), 2),
        (("coffee", "hubble"), 1),
        ((BLANK, BLANK, "coffee"), 3),
        (("cat", "hubble", picture("coffee").convert("L"), "rocket"), 3),
    ],
)
def test_the_page_that_shows_a_registered_picture_is_answered_about(
    registered: Registered, pages: tuple[Image.Image | str, ...], number: int
) -> None:
    desk, record = registered
    answer = desk.client.match(tiff(*pages))
    assert answer.matches[0].record.id == record.id
    assert answer.matches[0].strength in SURE
    assert (
        answer.computed.note == f"page {number} of {len(pages)} that were read: the one that matches best"
    )
    assert (answer.computed.width, answer.computed.height) == (600, 400)


def test_a_comparison_looks_at_every_page(registered: Registered) -> None:
    desk, record = registered
    assert desk.client.compare(tiff("hubble", "coffee"), record.id).relation is not None


def test_where_no_page_shows_anything_registered_it_is_said_that_all_were_read(
    registered: Registered,
) -> None:
    desk, _ = registered
    answer = desk.client.match(tiff("hubble", "cat"))
    assert answer.verdict.kind is VerdictKind.NOT_IN_REGISTRY
    assert answer.computed.note == "page 1 of 2 that were read: nothing was found on any of them"


def test_a_thumbnail_is_no_page(registered: Registered) -> None:
    desk, _ = registered
    small = picture("hubble").resize((60, 40))
    small.encoderinfo = {"tiffinfo": {KIND_OF_PAGE: 1}}
    answer = desk.client.match(tiff("coffee", small))
    assert answer.matches[0].strength in SURE
    assert answer.computed.note is None


def test_no_more_than_twenty_pages_are_read(registered: Registered) -> None:
    desk, _ = registered
    small = [picture("hubble").resize((120, 80))] * 25
    answer = desk.client.match(tiff(*small))
    assert answer.computed.note is not None
    assert "the first 20 of 25 pages were looked at" in answer.computed.note


def test_where_a_page_is_damaged_it_is_said_that_the_pages_behind_it_were_not_looked_at(
    registered: Registered,
) -> None:
    desk, _ = registered
    content = bytearray(tiff("hubble", "cat", "coffee", compression="tiff_adobe_deflate"))
    with Image.open(io.BytesIO(content)) as image:
        image.seek(1)
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        start, length = image.tag_v2[STRIP_OFFSETS][0], image.tag_v2[STRIP_LENGTHS][0]
    content[start : start + length] = bytes(length)
    answer = desk.client.match(bytes(content))
    assert answer.verdict.kind is VerdictKind.NOT_IN_REGISTRY
    assert answer.computed.note is not None
    assert "page 2 of 3 is damaged: it and what comes after it were not looked at" in answer.computed.note
