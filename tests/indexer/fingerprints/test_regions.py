"""Pictures inside a picture are found where they were put."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from indexer.fingerprints.regions import Region, inner_rectangles, tiles
from tests.pictures import picture, pixels


def found_in(page: Image.Image) -> list[Region]:
    return inner_rectangles(np.asarray(page))


def nearest(page: Image.Image, box: tuple[int, int, int, int]) -> float:
    """Returns how far the nearest rectangle's sides are from `box`, in shares of the page's long side."""
    apart = [
        max(
            abs(a - b)
            for a, b in zip((region.left, region.top, region.right, region.bottom), box, strict=True)
        )
        for region in found_in(page)
    ]
    return min(apart, default=10_000) / max(page.size)


def screenshot(photograph: Image.Image, box: tuple[int, int, int, int], ground: str) -> Image.Image:
    page = Image.new("RGB", (1280, 800), ground)
    draw = ImageDraw.Draw(page)
    ink = "black" if ground == "white" else "white"
    draw.rectangle((0, 0, 1280, 56), fill="#3355aa")
    for line in range(12):
        text = "Home  Messages  Settings" if line % 2 else "Somebody shared a picture"
        draw.text((20, 80 + 52 * line), text, ink, ImageFont.load_default(16))
    left, top, right, bottom = box
    page.paste(photograph.resize((right - left, bottom - top)), (left, top))
    return page


@pytest.mark.parametrize("name", ["coffee", "cat", "astronaut"])
@pytest.mark.parametrize("ground", ["white", "#181818"])
def test_a_photograph_in_a_screenshot_is_found_where_it_is(name: str, ground: str) -> None:
    box = (420, 300, 820, 600)
    assert nearest(screenshot(picture(name), box, ground), box) < 0.015


def test_black_bars_around_the_photograph_are_cut_off() -> None:
    page = screenshot(Image.new("RGB", (10, 10), "black"), (300, 250, 940, 650), "white")
    page.paste(picture("cat").resize((360, 400)), (440, 250))
    assert nearest(page, (440, 250, 800, 650)) < 0.015


@pytest.mark.parametrize("background", ["hubble", "motorcycle", "cat"])
def test_a_photograph_on_another_photograph_is_found(background: str) -> None:
    page = picture(background).resize((1000, 700))
    box = (220, 160, 620, 460)
    page.paste(picture("astronaut").resize((400, 300)), box[:2])
    assert nearest(page, box) < 0.015


@pytest.mark.parametrize("name", ["coffee", "cat", "astronaut"])
def test_at_most_three_rectangles_are_named_and_they_differ(name: str) -> None:
    found = found_in(picture(name))
    assert len(found) <= 3
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("shape", [(8, 8), (40, 3000), (3000, 40), (33, 33)])
def test_odd_frames_are_no_trouble(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for region in inner_rectangles(noise):
        assert region.cut(noise).size
    assert inner_rectangles(np.zeros((*shape, 3), np.uint8)) == []


def test_tiles_cover_the_frame_and_stay_inside() -> None:
    height, width = pixels("coffee").shape[:2]
    covered = np.zeros((height, width), bool)
    for tile in tiles(pixels("coffee")):
        assert tile.cut(pixels("coffee")).shape[:2] == (tile.bottom - tile.top, tile.right - tile.left)
        covered[tile.top : tile.bottom, tile.left : tile.right] = True
    assert covered.mean() > 0.99
