"""What people lay over a picture, or do to it in one step, so that it is not found; for tests.

Every function maps a PIL RGB image to another, without chance.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageOps

Evasion = Callable[[Image.Image], Image.Image]
SEED = 3


def inverted(image: Image.Image) -> Image.Image:
    """Exchanges light and dark."""
    return ImageOps.invert(image)


def solarised(image: Image.Image) -> Image.Image:
    """Exchanges light and dark in the light half only."""
    return ImageOps.solarize(image, 128)


def posterised(image: Image.Image) -> Image.Image:
    """Leaves four levels of each colour."""
    return ImageOps.posterize(image, 2)


def with_channels_exchanged(image: Image.Image) -> Image.Image:
    """Shows red as blue and blue as red."""
    red, green, blue = image.split()
    return Image.merge("RGB", (blue, green, red))


def half_mirrored(image: Image.Image) -> Image.Image:
    """Shows the left half twice, the second time mirrored."""
    copy = image.copy()
    half = image.crop((0, 0, image.width // 2, image.height))
    copy.paste(ImageOps.mirror(half), (image.width - half.width, 0))
    return copy


def hatched(image: Image.Image) -> Image.Image:
    """Draws slanted lines over all of it, eight pixels apart."""
    copy = image.copy()
    draw = ImageDraw.Draw(copy)
    for left in range(-image.height, image.width, 8):
        draw.line((left, image.height, left + image.height, 0), fill="black", width=2)
    return copy


def gridded(image: Image.Image) -> Image.Image:
    """Draws upright and level lines over all of it."""
    copy = image.copy()
    draw = ImageDraw.Draw(copy)
    for x in range(0, image.width, 14):
        draw.line((x, 0, x, image.height), fill="white", width=2)
    for y in range(0, image.height, 14):
        draw.line((0, y, image.width, y), fill="white", width=2)
    return copy


def dotted(image: Image.Image) -> Image.Image:
    """Lays rows of dots over it."""
    copy = image.copy()
    draw = ImageDraw.Draw(copy)
    for y in range(0, image.height, 22):
        for x in range(0, image.width, 22):
            draw.ellipse((x, y, x + 11, y + 11), fill=(40, 160, 60))
    return copy


def snowed_over(image: Image.Image) -> Image.Image:
    """Scatters white flakes over it."""
    copy = image.copy()
    draw, rng = ImageDraw.Draw(copy), np.random.default_rng(SEED)
    for _ in range(image.width * image.height // 900):
        x, y, radius = rng.random(3) * (image.width, image.height, 3) + (0, 0, 1)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill="white")
    return copy


def waved(image: Image.Image) -> Image.Image:
    """Adds a slanted wave of light and dark."""
    y, x = np.mgrid[: image.height, : image.width]
    return _from_levels(np.asarray(image) + 40.0 * np.sin((x + 0.5 * y) / 1.7)[..., None])


def noisy(image: Image.Image) -> Image.Image:
    """Adds noise of 45 grey levels."""
    rng = np.random.default_rng(SEED)
    return _from_levels(np.asarray(image) + rng.normal(0, 45, (image.height, image.width, 3)))


def banded(image: Image.Image) -> Image.Image:
    """Lays a broad slanted band over the middle."""
    copy = image.copy()
    width, height = image.size
    band = [(0.1 * width, height), (0.35 * width, height), (0.8 * width, 0), (0.55 * width, 0)]
    ImageDraw.Draw(copy).polygon(band, fill=(120, 200, 190))
    return copy


def stickered(image: Image.Image) -> Image.Image:
    """Sticks a large round sticker on it."""
    copy = image.copy()
    width, height = image.size
    draw = ImageDraw.Draw(copy)
    draw.ellipse((0.35 * width, 0.4 * height, 0.75 * width, 0.9 * height), fill=(250, 210, 40), width=4)
    draw.line((0.45 * width, 0.5 * height, 0.65 * width, 0.8 * height), fill="black", width=14)
    draw.line((0.65 * width, 0.5 * height, 0.45 * width, 0.8 * height), fill="black", width=14)
    return copy


def captioned(image: Image.Image) -> Image.Image:
    """Writes over its lower third, on a dark strip."""
    copy = image.copy()
    draw = ImageDraw.Draw(copy)
    draw.rectangle((0, int(0.68 * image.height), image.width, int(0.9 * image.height)), fill=(20, 20, 30))
    size = image.height // 12
    draw.text((12, int(0.7 * image.height)), "BREAKING: seen by\nthousands today", "white", font_size=size)
    return copy


OVERLAYS: tuple[Evasion, ...] = (
    hatched,
    gridded,
    dotted,
    snowed_over,
    waved,
    noisy,
    banded,
    stickered,
    captioned,
    half_mirrored,
)
TONES: tuple[Evasion, ...] = (inverted, solarised, posterised, with_channels_exchanged)


def _from_levels(levels: npt.NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))
