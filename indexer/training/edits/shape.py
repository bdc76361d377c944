"""Edits that move or remove pixels: crop, mirror, turn, tilt, stretch, frame, mask."""

import random

from PIL import Image, ImageDraw, ImageOps

from indexer.training.edits.drawing import colour

LEAST_SIDE_PX = 24


def crop(image: Image.Image, rng: random.Random) -> Image.Image:
    """Keeps 15 to 90 percent of the area."""
    side = rng.uniform(0.4, 0.95)
    width, height = int(image.width * side), int(image.height * rng.uniform(0.8, 1.25) * side)
    width = max(min(LEAST_SIDE_PX, image.width), min(width, image.width))
    height = max(min(LEAST_SIDE_PX, image.height), min(height, image.height))
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def mirror(image: Image.Image, rng: random.Random) -> Image.Image:
    """Mirrors left to right, seldom upside down."""
    return ImageOps.mirror(image) if rng.random() < 0.8 else ImageOps.flip(image)


def rotate(image: Image.Image, rng: random.Random) -> Image.Image:
    """Turns by quarters, or a little with filled corners, or with the corners cut off."""
    if rng.random() < 0.35:
        return image.rotate(rng.choice((90, 180, 270)), expand=True)
    degrees, fill = rng.uniform(-45, 45), (0, 0, 0) if rng.random() < 0.4 else colour(rng)
    expand = rng.random() < 0.6
    return image.rotate(degrees, Image.Resampling.BILINEAR, expand=expand, fillcolor=fill)


def tilt(image: Image.Image, rng: random.Random) -> Image.Image:
    """Moves every corner inwards by up to a quarter of its side; Pillow bends the picture to that."""
    width, height = image.size

    def moved() -> tuple[float, float]:
        return rng.uniform(0, 0.25) * width, rng.uniform(0, 0.25) * height

    (a, b), (c, d), (e, f), (g, h) = moved(), moved(), moved(), moved()
    outward = rng.choice((-1, 1))  # corners cut off, or background drawn in
    quad = (
        (outward * a, outward * b),
        (outward * c, height - outward * d),
        (width - outward * e, height - outward * f),
        (width - outward * g, outward * h),
    )
    flat = tuple(value for corner in quad for value in corner)
    return image.transform(
        image.size, Image.Transform.QUAD, flat, Image.Resampling.BILINEAR, fillcolor=colour(rng)
    )


def stretch(image: Image.Image, rng: random.Random) -> Image.Image:
    """Stretches to another aspect ratio."""
    return image.resize((max(16, int(image.width * rng.uniform(0.5, 1.8))), image.height))


def pad(image: Image.Image, rng: random.Random) -> Image.Image:
    """Adds a border of one colour, on two sides or on all."""
    across, along = (int(side * rng.uniform(0.02, 0.35)) for side in image.size)
    where = rng.choice(((across, along), (across, 0), (0, along)))
    fill = rng.choice(((0, 0, 0), (255, 255, 255), colour(rng)))
    return ImageOps.expand(image, where, fill)


def mask(image: Image.Image, rng: random.Random) -> Image.Image:
    """Cuts to an ellipse or to rounded corners, as profile pictures are."""
    shape = Image.new("L", image.size, 0)
    box = (0, 0, image.width - 1, image.height - 1)
    if rng.random() < 0.5:
        ImageDraw.Draw(shape).ellipse(box, fill=255)
    else:
        ImageDraw.Draw(shape).rounded_rectangle(box, rng.uniform(0.1, 0.4) * min(image.size), fill=255)
    ground = Image.new("RGB", image.size, rng.choice(((255, 255, 255), (0, 0, 0), colour(rng))))
    ground.paste(image, (0, 0), shape)
    return ground
