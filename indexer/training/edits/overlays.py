"""Edits that put something over a picture, or the picture into another one."""

import math
import random

from PIL import Image, ImageDraw, ImageFont, ImageOps

from indexer.training.edits.drawing import Edit, colour, words

STAGE_PX = 320  # long side of a composition


def write_text(image: Image.Image, rng: random.Random) -> Image.Image:
    """Writes a few lines anywhere."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 3)):
        font = ImageFont.load_default(size=max(8, image.height * rng.uniform(0.05, 0.2)))
        where = rng.uniform(-0.1, 0.6) * image.width, rng.uniform(0, 0.85) * image.height
        draw.text(where, words(rng, rng.randint(1, 4)), colour(rng), font=font)
    return image


def place_stickers(image: Image.Image, rng: random.Random) -> Image.Image:
    """Sticks opaque round faces, stars and hearts on it."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 4)):
        side = rng.uniform(0.1, 0.5) * min(image.size)
        x, y = rng.uniform(0, image.width - side), rng.uniform(0, image.height - side)
        rng.choice((_face, _face, _star, _heart))(draw, x, y, side, rng)
    return image


def _face(draw: ImageDraw.ImageDraw, x: float, y: float, side: float, rng: random.Random) -> None:
    skin = (255, rng.randint(180, 225), rng.randint(20, 90)) if rng.random() < 0.6 else colour(rng)
    draw.ellipse((x, y, x + side, y + side), fill=skin)
    for eye in (0.3, 0.6):
        left = x + eye * side
        draw.ellipse((left, y + 0.3 * side, left + 0.1 * side, y + 0.42 * side), fill=(20, 20, 20))
    mouth = (x + 0.25 * side, y + 0.4 * side, x + 0.75 * side, y + 0.8 * side)
    start = rng.choice((0, 180))
    draw.arc(mouth, start, start + 180, (20, 20, 20), max(1, int(side / 20)))


def _star(draw: ImageDraw.ImageDraw, x: float, y: float, side: float, rng: random.Random) -> None:
    points = rng.randint(4, 8)
    corners = []
    for number in range(2 * points):
        reach = side / 2 * (1 if number % 2 == 0 else 0.45)
        angle = math.pi * number / points
        corners.append((x + side / 2 + reach * math.cos(angle), y + side / 2 + reach * math.sin(angle)))
    draw.polygon(corners, fill=colour(rng))


def _heart(draw: ImageDraw.ImageDraw, x: float, y: float, side: float, rng: random.Random) -> None:
    fill = (rng.randint(180, 255), rng.randint(0, 60), rng.randint(0, 120))
    draw.ellipse((x, y, x + 0.55 * side, y + 0.55 * side), fill=fill)
    draw.ellipse((x + 0.45 * side, y, x + side, y + 0.55 * side), fill=fill)
    tip = (x + side / 2, y + side)
    draw.polygon([(x + 0.06 * side, y + 0.42 * side), (x + 0.94 * side, y + 0.42 * side), tip], fill=fill)


def draw_stripes(image: Image.Image, rng: random.Random) -> Image.Image:
    """Draws parallel bars of one colour over the picture, upright, level or slanted."""
    layer = image.copy()
    draw = ImageDraw.Draw(layer)
    fill, width = colour(rng), max(1, int(rng.uniform(0.02, 0.08) * image.width))
    count, slant = rng.randint(3, 9), rng.choice((0.0, 0.0, rng.uniform(-1, 1)))
    for number in range(count + 1):
        place = number / count
        if rng.random() < 0.5 or slant:
            top = place * image.width
            draw.line((top, 0, top + slant * image.height, image.height), fill=fill, width=width)
        else:
            draw.line((0, place * image.height, image.width, place * image.height), fill=fill, width=width)
    return Image.blend(image, layer, rng.uniform(0.4, 1.0))


def overlay_on(background: Image.Image) -> Edit:
    """Pastes the picture into another one."""

    def edit(image: Image.Image, rng: random.Random) -> Image.Image:
        height = int(STAGE_PX * rng.uniform(0.6, 1.0))
        ground = background.resize(rng.choice(((STAGE_PX, height), (height, STAGE_PX))))
        share = rng.uniform(0.35, 0.9)
        scale = share * min(ground.width / image.width, ground.height / image.height)
        small = image.resize((max(16, int(image.width * scale)), max(16, int(image.height * scale))))
        left, top = (
            rng.randint(0, max(0, room - taken))
            for room, taken in zip(ground.size, small.size, strict=True)
        )
        opacity = 255 if rng.random() < 0.75 else rng.randint(140, 240)
        ground.paste(small, (left, top), Image.new("L", small.size, opacity))
        return ground

    return edit


def paste_over(other: Image.Image) -> Edit:
    """Pastes a part of another picture over this one."""

    def edit(image: Image.Image, rng: random.Random) -> Image.Image:
        image = image.copy()
        width, height = (max(8, int(side * rng.uniform(0.15, 0.55))) for side in image.size)
        where = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
        image.paste(other.resize((width, height)), where)
        return image

    return edit


def beside(other: Image.Image) -> Edit:
    """Makes a collage of two."""

    def edit(image: Image.Image, rng: random.Random) -> Image.Image:
        second = other.resize(image.size)
        halves = [image, second] if rng.random() < 0.5 else [second, image]
        across = rng.random() < 0.5
        size = (2 * image.width, image.height) if across else (image.width, 2 * image.height)
        both = Image.new("RGB", size)
        both.paste(halves[0], (0, 0))
        both.paste(halves[1], (image.width, 0) if across else (0, image.height))
        return both

    return edit


def blend_with(other: Image.Image) -> Edit:
    """Lets another picture shine through."""

    def edit(image: Image.Image, rng: random.Random) -> Image.Image:
        return Image.blend(image, other.resize(image.size), rng.uniform(0.15, 0.5))

    return edit


def blend_with_colour(image: Image.Image, rng: random.Random) -> Image.Image:
    """Lays a veil of one colour over it."""
    return Image.blend(image, Image.new("RGB", image.size, colour(rng)), rng.uniform(0.15, 0.6))


def caption(image: Image.Image, rng: random.Random) -> Image.Image:
    """Makes a meme: a bar with letters above, below, or both; or letters on the picture itself."""
    bar = max(16, int(image.height * rng.uniform(0.12, 0.35)))
    ink, ground = ((0, 0, 0), "white") if rng.random() < 0.7 else ((255, 255, 255), "black")
    above, below = rng.choice(((bar, 0), (0, bar), (bar, bar)))
    framed = ImageOps.expand(image, (0, above, 0, below), ground)
    draw = ImageDraw.Draw(framed)
    font = ImageFont.load_default(size=bar * rng.uniform(0.3, 0.6))
    for wanted, top in ((above, 0), (below, above + image.height)):
        if wanted:
            draw.text((6, top + bar * 0.2), words(rng, 4), ink, font=font)
    return framed
