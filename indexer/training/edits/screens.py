"""Edits by way of a screen: screenshots with an application around, and photographs of a display."""

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from indexer.training.edits.drawing import colour, from_floats, words
from indexer.training.edits.shape import tilt


def screenshot(image: Image.Image, rng: random.Random) -> Image.Image:
    """Shows it inside an application: bars above and below, text beside."""
    width = image.width + 2 * rng.randint(0, 40)
    above, below = (int(image.height * rng.uniform(0.05, 0.6)) for _ in range(2))
    ground = rng.choice(((255, 255, 255), (18, 18, 18), (242, 242, 247)))
    ink = (30, 30, 30) if sum(ground) > 300 else (230, 230, 230)
    page = Image.new("RGB", (width, image.height + above + below), ground)
    page.paste(image, ((width - image.width) // 2, above))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=max(8, width * 0.04))
    draw.ellipse((8, 8, 8 + 0.07 * width, 8 + 0.07 * width), fill=colour(rng))
    draw.text((16 + 0.07 * width, 8), words(rng, 2), ink, font=font)
    for line in range(rng.randint(1, 4)):
        draw.text((8, above + image.height + 6 + line * 0.06 * width), words(rng, 5), ink, font=font)
    return page


def web_page(image: Image.Image, rng: random.Random) -> Image.Image:
    """Shows it in a whole window with header, columns, faces and cards, as a tenth to a third of that."""
    width, height = rng.choice(((320, 200), (320, 180), (320, 240), (180, 320)))
    dark = rng.random() < 0.2
    ground, card, ink = (
        ((24, 25, 26), (44, 45, 48), (170, 170, 175))
        if dark
        else ((240, 241, 245), (255, 255, 255), (90, 92, 98))
    )
    page = Image.new("RGB", (width, height), ground if rng.random() < 0.5 else card)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, width, rng.randint(8, 20)), fill=card)
    left, right = (int(width * share) for share in (rng.uniform(0.02, 0.4), rng.uniform(0.6, 0.98)))
    for column in ((4, left - 4), (right + 4, width - 4)):
        _lines(draw, column, (24, height), ink, rng)
    top = rng.randint(16, max(17, int(height * 0.45)))
    draw.rectangle((left, 14, right, height), fill=card)
    _faces(draw, left, right, top, rng)
    box = (right - left - 8, min(height - top - 4, int((right - left) * rng.uniform(0.5, 1.0))))
    frame = Image.new("RGB", box, (0, 0, 0) if rng.random() < 0.6 else card)
    scale = min(box[0] / image.width, box[1] / image.height)
    fitted = image.resize((max(8, int(image.width * scale)), max(8, int(image.height * scale))))
    frame.paste(fitted, ((box[0] - fitted.width) // 2, (box[1] - fitted.height) // 2))
    page.paste(frame, (left + 4, top))
    return page


def _lines(
    draw: ImageDraw.ImageDraw,
    column: tuple[int, int],
    rows: tuple[int, int],
    ink: tuple[int, int, int],
    rng: random.Random,
) -> None:
    y = rows[0]
    while y < rows[1] and column[1] - column[0] > 8:
        end = column[0] + int((column[1] - column[0]) * rng.uniform(0.3, 1.0))
        draw.rectangle((column[0], y, end, y + rng.randint(1, 3)), fill=ink)
        y += rng.randint(6, 24)


def _faces(draw: ImageDraw.ImageDraw, left: int, right: int, bottom: int, rng: random.Random) -> None:
    for _ in range(rng.randint(0, 12)):
        side = rng.randint(5, 16)
        x, y = rng.randint(left, max(left, right - side)), rng.randint(10, max(10, bottom - side))
        draw.ellipse((x, y, x + side, y + side), fill=colour(rng))


def photograph_of_screen(image: Image.Image, rng: random.Random) -> Image.Image:
    """Photographs a display, mostly from the side."""
    return before_a_screen(tilt(image, rng) if rng.random() < 0.7 else image, rng)


def before_a_screen(image: Image.Image, rng: random.Random) -> Image.Image:
    """Photographs a display: its lines beat with the sensor, light falls off, the focus is soft."""
    pixels = np.asarray(image, dtype=np.float32)
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = np.zeros((height, width), np.float32)
    for _ in range(2):
        period, slope = rng.uniform(3, 14), rng.uniform(-0.6, 0.6)
        waves += np.sin(
            2 * np.pi * (x + slope * y) / period
            if rng.random() < 0.5
            else 2 * np.pi * (y + slope * x) / period
        )
    lamp_x, lamp_y = rng.uniform(0, width), rng.uniform(0, height)
    falloff = ((x - lamp_x) / width) ** 2 + ((y - lamp_y) / height) ** 2
    light = (1 - rng.uniform(0.1, 0.4) * falloff) * (1 + rng.uniform(0.02, 0.12) * waves)
    cast = np.array([rng.uniform(0.85, 1.1) for _ in range(3)], np.float32)
    return from_floats(pixels * light[..., None] * cast).filter(
        ImageFilter.GaussianBlur(rng.uniform(0, 1.2))
    )
