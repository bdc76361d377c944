"""Edits that keep every pixel in its place: colour, sharpness, noise, compression, print."""

import io
import math
import random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from indexer.training.edits.drawing import colour, from_floats, noise_source


def grey(image: Image.Image, _: random.Random) -> Image.Image:
    """Takes the colour away."""
    return ImageOps.grayscale(image).convert("RGB")


def recolour(image: Image.Image, rng: random.Random) -> Image.Image:
    """Changes brightness, contrast and saturation."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(0.4, 1.8))
    return image


def filter_colours(image: Image.Image, rng: random.Random) -> Image.Image:
    """Filters as applications do: another curve for each channel, a tint, few levels or a negative."""
    if rng.random() < 0.06:
        return ImageOps.invert(image)
    if rng.random() < 0.15:
        return ImageOps.posterize(image, rng.randint(2, 4))
    if rng.random() < 0.2:
        grey = ImageOps.grayscale(image)
        return ImageOps.colorize(
            grey, tuple(c // 3 for c in colour(rng)), tuple(170 + c // 3 for c in colour(rng))
        )
    curves = []
    for _ in range(3):
        power, gain, lift = rng.uniform(0.6, 1.6), rng.uniform(0.7, 1.2), rng.uniform(-25, 25)
        curves += [
            int(min(255, max(0, 255 * gain * (level / 255) ** power + lift))) for level in range(256)
        ]
    return image.point(curves)


def recompress(image: Image.Image, rng: random.Random) -> Image.Image:
    """Saves as JPEG at quality 5 to 60."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=rng.randint(5, 60))
    return Image.open(buffer).convert("RGB")


def blur(image: Image.Image, rng: random.Random) -> Image.Image:
    """Blurs by a Gaussian of up to two percent of the side."""
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.02 * max(image.size))))


def sharpen(image: Image.Image, rng: random.Random) -> Image.Image:
    """Sharpens by a strong unsharp mask."""
    return image.filter(ImageFilter.UnsharpMask(rng.uniform(1, 4), rng.randint(100, 350)))


def noise(image: Image.Image, rng: random.Random) -> Image.Image:
    """Adds Gaussian noise of 5 to 40 grey levels, or loses single pixels."""
    generator = noise_source(rng)
    pixels = np.asarray(image, dtype=np.float32)
    if rng.random() < 0.25:
        lost = generator.random(pixels.shape[:2]) < rng.uniform(0.02, 0.12)
        return from_floats(np.where(lost[..., None], generator.integers(0, 2) * 255, pixels))
    grain = generator.standard_normal(pixels.shape, dtype=np.float32)
    return from_floats(pixels + rng.uniform(5, 40) * grain)


def pixelate(image: Image.Image, rng: random.Random) -> Image.Image:
    """Reduces to 15 to 60 percent and enlarges again in blocks."""
    share = rng.uniform(0.15, 0.6)
    small = image.resize((max(8, int(image.width * share)), max(8, int(image.height * share))))
    return small.resize(image.size, Image.Resampling.NEAREST)


def halftone(image: Image.Image, rng: random.Random) -> Image.Image:
    """Prints in dots: a slanted screen decides which pixels take ink."""
    period, angle = rng.uniform(3, 7), rng.uniform(0, math.pi / 2)
    y, x = np.mgrid[: image.height, : image.width].astype(np.float32)
    across, along = (
        x * math.cos(angle) + y * math.sin(angle),
        y * math.cos(angle) - x * math.sin(angle),
    )
    screen = np.cos(2 * np.pi * across / period) + np.cos(2 * np.pi * along / period)
    pixels = np.asarray(image, dtype=np.float32)
    inked = np.where(pixels > 127.5 + 55 * screen[..., None], 255, 0)
    strength = rng.uniform(0.4, 1.0)
    return from_floats(strength * inked + (1 - strength) * pixels).filter(ImageFilter.GaussianBlur(0.7))
