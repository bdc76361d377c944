"""Documents, receipts, screenshots and plates with figures, each also with one glyph changed.

Nothing is fetched: pages are drawn, and plates put into the photographs that packages bring.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from registry.cli.demo import DISTRACTORS, ORIGINALS, package_file

HEIGHTS = (10, 12, 14, 18, 24, 32)  # of a figure, px
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Forgeable:
    """A picture, and the same with one glyph changed."""

    name: str
    original: Image.Image
    forged: Image.Image
    box: tuple[int, int, int, int]  # where they differ, px


FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf")
WORDS = ("paper", "letter", "winter", "island", "market", "signal", "border", "number", "train", "court")


def font(height: int, rng: random.Random) -> ImageFont.FreeTypeFont:
    """Returns a font whose figures are so many pixels high."""
    name = rng.choice(FONTS)
    return ImageFont.truetype(name, round(height / 0.73))


def _changed(text: str, rng: random.Random) -> str:
    places = [place for place, letter in enumerate(text) if letter.isdigit()]
    place = rng.choice(places)
    other = rng.choice([digit for digit in "0123456789" if digit != text[place]])
    return text[:place] + other + text[place + 1 :]


def _amount(rng: random.Random) -> str:
    return f"{rng.randrange(10, 9999)}.{rng.randrange(100):02d}"


def draw_page(height: int, rng: random.Random, *, forge: bool, state: int, kind: str) -> Image.Image:
    """Draws one page of rows of words and figures; `state` seeds all but what is forged."""
    rows = random.Random(state)
    size = {
        "invoice": (1240, 1754),
        "receipt": (720, 1400),
        "chat": (1080, 1920),
        "certificate": (1400, 1000),
    }[kind]
    paper = {
        "invoice": (255, 255, 255),
        "receipt": (246, 244, 236),
        "chat": (235, 240, 246),
        "certificate": (252, 248, 235),
    }[kind]
    page = Image.new("RGB", size, paper)
    if kind == "receipt":  # a scan: paper has grain and light
        grain = np.random.default_rng(state).normal(0, 3, (size[1], size[0], 1))
        light = np.linspace(-8, 8, size[0])[None, :, None]
        page = Image.fromarray((np.asarray(page, np.float32) + grain + light).clip(0, 255).astype(np.uint8))
    draw, face = ImageDraw.Draw(page), font(height, rows)
    big = ImageFont.truetype("DejaVuSans-Bold.ttf", 52)
    draw.rectangle((70, 60, 230, 160), fill=tuple(rows.randrange(20, 180) for _ in range(3)))
    draw.text((260, 80), rows.choice(WORDS).upper() + " " + rows.choice(WORDS), fill=(20, 20, 20), font=big)
    step = max(30, round(2.6 * height))
    lines = range(220, size[1] - 80, step)
    target = rows.choice(lines)
    ink = {
        "invoice": (0, 0, 0),
        "receipt": (60, 60, 66),
        "chat": (25, 35, 60),
        "certificate": (60, 40, 12),
    }[kind]
    for line in lines:
        if kind == "chat" and (line // step) % 3 == 0:
            draw.rounded_rectangle((50, line - 8, size[0] - 90, line + step - 8), 14, fill=(255, 255, 255))
        words = " ".join(rows.choice(WORDS) for _ in range(2 if kind == "receipt" else 3))
        draw.text((70, line), words, fill=ink, font=face)
        amount = _amount(rows)
        if line == target and forge:
            amount = _changed(amount, rng)
        draw.text((size[0] - 80 - 9 * height, line), amount, fill=ink, font=face)
        if kind == "invoice":
            draw.line((70, line + step - 6, size[0] - 70, line + step - 6), fill=(200, 200, 205))
    return page


def draw_plate(
    photo: Image.Image, height: int, rng: random.Random, *, forge: bool, state: int
) -> Image.Image:
    """Puts a plate with a number into a photograph, soft as the camera leaves it."""
    rows = random.Random(state)
    text = f"{rows.choice('ABKLMS')}{rows.choice('ABKLMS')} {rows.randrange(1000, 9999)}"
    if forge:
        text = _changed(text, rng)
    face = ImageFont.truetype("DejaVuSans-Bold.ttf", round(height / 0.73))
    width, tall = round(face.getlength(text)) + height, 2 * height
    plate = Image.new("RGB", (4 * width, 4 * tall), (236, 236, 228))
    four = ImageFont.truetype("DejaVuSans-Bold.ttf", 4 * round(height / 0.73))
    ImageDraw.Draw(plate).text((2 * width, 2 * tall), text, fill=(28, 30, 36), font=four, anchor="mm")
    plate = plate.resize((width, tall), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.5))
    grain = np.random.default_rng(state).normal(0, 2.5, (tall, width, 3))
    plate = Image.fromarray((np.asarray(plate, np.float32) + grain).clip(0, 255).astype(np.uint8))
    made = photo.copy()
    where = (
        rows.randrange(20, max(21, photo.width - width - 20)),
        rows.randrange(20, max(21, photo.height - tall - 20)),
    )
    made.paste(plate, where)
    return made


def photographs() -> dict[str, Image.Image]:
    """Returns those that packages bring."""
    found = {}
    for name, source in {**ORIGINALS, **DISTRACTORS}.items():
        if Path(name).suffix in SUFFIXES:
            with Image.open(package_file(*source)) as image:
                found[name] = image.convert("RGB")
    return found


def forgeries(seed: int = 5) -> Iterator[tuple[int, Forgeable]]:
    """Yields the height of the glyph, and the pair."""
    photos = list(photographs().values())
    for number, height in enumerate(HEIGHTS):
        for kind in ("invoice", "receipt", "chat", "certificate", "plate", "plate 2"):
            rng, state = random.Random(f"{seed} {height} {kind}"), seed * 1000 + 10 * number + len(kind)
            if kind.startswith("plate"):
                photo = photos[(state + 3 * number) % len(photos)]
                original, forged = (
                    draw_plate(photo, height, rng, forge=forge, state=state) for forge in (False, True)
                )
            else:
                original, forged = (
                    draw_page(height, rng, forge=forge, state=state, kind=kind) for forge in (False, True)
                )
            differ = np.abs(np.asarray(original, int) - np.asarray(forged, int)).max(axis=2) > 20
            y, x = np.nonzero(differ)
            box = int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1
            yield height, Forgeable(f"{kind} {height}", original, forged, box)
